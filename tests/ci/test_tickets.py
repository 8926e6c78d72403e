"""The tickets of a branch: who is asked for which, what is said where nobody answers, and what is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import Serving, open_home
from tests.standins import jira
from tests.standins.gitlab import TOKEN, GitLab
from tests.standins.jira import Jira

from palmette.ci import experiments
from palmette.ci.filling import fill
from palmette.ci.jira import trusted
from palmette.ci.tickets import SECONDS, text, tickets
from palmette.ci.web import WebError
from palmette.client.connection import Connection, Server
from palmette.domain.branches import Branch, Ticket
from palmette.domain.context import Context, Provider
from palmette.domain.footer import split
from palmette.errors import UsageError
from palmette.operations import branches, secrets
from palmette.operations.continuing import Continuous, Tracker
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here, Place
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.operations.scopes import Names
from palmette.server.follower import Follower
from palmette.server.palmette import table
from palmette.store import tickets as kept
from palmette.store.database import Store

BRANCH = "feature/IA-1742-doc-type"


@pytest.fixture
def tracker() -> Iterator[Jira]:
    made = jira.start()
    made.issues |= {"IA-1742": "DOC TYPE", "IA-1743": "<b>Other\n type"}
    yield made
    made.stop()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path, name="ia", roots=(tmp_path,), algorithms=(), home=tmp_path / ".palmette")


def opened(tracker: Jira, **more: str) -> dict[str, str]:
    return {"JIRA_URL": tracker.url, "JIRA_USER": jira.USER, "JIRA_TOKEN": jira.TOKEN, **more}


def about(project: Project, environ: Mapping[str, str], branch: str = BRANCH, **settings: Any) -> tuple[Ticket, ...]:
    return tickets(None, project, Context(branch=branch, **settings), environ)


def with_ci(project: Project, **settings: Any) -> Project:
    return replace(project, ci=Continuous(**settings))


def test_a_branch_is_described_by_its_ticket(tracker: Jira, project: Project) -> None:
    [found] = about(project, opened(tracker))
    assert found == Ticket(key="IA-1742", title="DOC TYPE", url=f"{tracker.url}/browse/IA-1742", status="In Progress")
    assert text([found], BRANCH) == "[IA-1742] DOC TYPE"
    both = about(project, opened(tracker), "IA-1742-IA-1743-both")
    assert text(both, "x") == "[IA-1742, IA-1743] DOC TYPE"
    assert both[1].title == "<b>Other type"
    assert text((), "main") == "main"
    assert about(project, opened(tracker), "main") == ()


def test_a_merge_request_is_asked_where_the_branch_is_silent(tracker: Jira, project: Project) -> None:
    environ = opened(tracker)
    named = about(project, environ, "doc-type", title="IA-1743: types", description="After IA-1742")
    assert [each.key for each in named] == ["IA-1743"]
    assert [each.key for each in about(project, environ, "doc", title="x", description="IA-1742")] == ["IA-1742"]
    assert [each.key for each in about(project, environ, BRANCH, title="IA-1743")] == ["IA-1742"]
    lower = with_ci(project, ticket_projects=("IA",))
    assert [each.title for each in about(lower, environ, "ia-1742_doc")] == ["DOC TYPE"]


def test_data_center_takes_a_token_alone_and_a_file_may_hold_it(
    tracker: Jira, project: Project, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{jira.TOKEN}\n")
    for environ in ({"JIRA_TOKEN": str(file)}, {"JIRA_TOKEN_FILE": str(file)}):
        assert about(project, {"JIRA_URL": tracker.url, **environ})[0].title == "DOC TYPE"
    assert {each.headers["authorization"] for each in tracker.requests} == {f"Bearer {jira.TOKEN}"}


def test_a_ticket_that_was_moved_has_the_key_that_it_has_now(tracker: Jira, project: Project) -> None:
    tracker.moved["IA-1742"] = "IA-1743"
    assert about(project, opened(tracker))[0].key == "IA-1743"


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("502", "JIRA answered 502"),
        ("limited", "JIRA answered 429"),
        ("later", "JIRA answered 429"),
        ("html", "JIRA: answered HTML, not JSON"),
        ("down", "JIRA: closed the connection"),
        ("away", "JIRA: redirects to http://localhost"),
    ],
)
def test_a_tracker_that_does_not_answer_is_asked_again_by_the_next_job(
    tracker: Jira, project: Project, mode: str, why: str
) -> None:
    tracker.mode = mode
    found = about(project, opened(tracker), "IA-1742-IA-1743")
    assert found == tuple(Ticket(key=key, why=why, pending=True) for key in ("IA-1742", "IA-1743"))
    assert text(found, BRANCH) == f"IA-1742, IA-1743 (ticket not looked up: {why})"
    # It is not asked for the second one.
    assert len(tracker.requests) == 1
    tracker.mode = ""
    assert [each.pending for each in about(project, opened(tracker))] == [False]


def test_without_what_opens_it_a_tracker_is_not_asked(tracker: Jira, project: Project) -> None:
    [found] = about(project, {"JIRA_URL": tracker.url})
    assert found == Ticket(key="IA-1742", why="JIRA_TOKEN is not set", pending=True)
    assert text([found], BRANCH) == "IA-1742 (ticket not looked up: JIRA_TOKEN is not set)"
    assert about(project, {})[0].why == "JIRA_URL is not set"
    assert tracker.requests == []


def test_what_is_not_there_is_not_visible(tracker: Jira, project: Project) -> None:
    [found] = about(project, opened(tracker), "IA-7-x")
    assert text([found], "IA-7-x") == "IA-7 (not visible)"
    assert not found.pending


def test_a_token_that_is_refused_is_said_once_and_never_shown(tracker: Jira, project: Project) -> None:
    said: list[str] = []
    context = Context(branch="IA-1742-IA-1743")
    found = tickets(None, project, context, opened(tracker, JIRA_TOKEN="wrong-token"), say=said.append)
    assert said == ["JIRA refuses the token (401): tickets have no titles until it is replaced"]
    assert {each.why for each in found} == {"JIRA refuses the token (401)"}


class Slow:
    """A tracker that takes its time, by a clock of its own."""

    called = "JIRA"

    def __init__(self, takes: float) -> None:
        self.now, self.takes = 0.0, takes
        self.allowed: list[float] = []

    def keys(self, branch: str, texts: object) -> tuple[str, ...]:
        return ("A-1", "A-2", "A-3", "A-4")

    def fetch(self, key: str, seconds: float) -> Ticket:
        self.allowed.append(seconds)
        self.now += self.takes
        if self.takes > seconds:
            raise WebError("late", reason="timed out", temporary=True)
        return Ticket(key=key, title=key)


@pytest.mark.parametrize(
    ("takes", "allowed", "titles"),
    [
        (2.0, [5.0, 3.0, 1.0], ["A-1", "A-2", "", ""]),
        (2.5, [5.0, 2.5], ["A-1", "A-2", "", ""]),
        (9.0, [5.0], ["", "", "", ""]),
    ],
)
def test_all_tickets_of_a_job_share_five_seconds(
    project: Project, takes: float, allowed: list[float], titles: list[str]
) -> None:
    slow = Slow(takes)
    found = tickets(None, project, Context(branch="x"), {}, clock=lambda: slow.now, among=[slow])
    assert SECONDS == 5.0
    assert slow.allowed == allowed
    assert [each.title for each in found] == titles
    assert {each.why for each in found if not each.title} <= {"JIRA timed out", "JIRA: timed out"}


@pytest.fixture(params=["here", "server"])
def home(request: pytest.FixtureRequest, project: Project) -> Iterator[tuple[Place, Store]]:
    """The home and its store: the project's own, or a server's."""
    if request.param == "here":
        place = Here(project).begun()
        yield place, place.home.store
        return
    serving = Serving([])
    served = serving.start(open_home(project.home), others=table.ROWS)
    yield There(Connection(Server(url=served.url)), project.name), served.home.store
    serving.stop()
    served.home.store.close()


def test_a_title_is_kept_for_an_hour_and_for_longer_while_the_tracker_is_down(
    tracker: Jira, project: Project, home: tuple[Place, Store]
) -> None:
    (place, store), context = home, Context(branch=BRANCH)
    for _ in range(2):
        assert tickets(place, project, context, opened(tracker))[0].title == "DOC TYPE"
    assert tracker.asked == ["IA-1742"]

    kept.keep(store, "ia", [Ticket(key="IA-1742", title="OLD TYPE")], now=time.time() - 3601)
    tracker.mode = "502"
    [stale] = tickets(place, project, context, opened(tracker))
    assert (stale.title, stale.pending) == ("OLD TYPE", True)
    tracker.mode = ""
    assert tickets(place, project, context, opened(tracker))[0].title == "DOC TYPE"


def test_where_there_is_no_home_none_is_made_and_nothing_is_kept(tracker: Jira, project: Project) -> None:
    nowhere = There(Connection(Server(url="http://127.0.0.1:1")), "ia")
    for place in (Here(project), nowhere):
        assert tickets(place, project, Context(branch=BRANCH), opened(tracker))[0].title == "DOC TYPE"
    assert not project.home.exists()


def test_the_texts_of_a_table_need_no_tracker(project: Project) -> None:
    static = with_ci(project, tracker=Tracker.STATIC, tickets={"IA-1742": "DOC TYPE"})
    assert text(about(static, {}), BRANCH) == "[IA-1742] DOC TYPE"
    assert about(static, {}, "ia-1742")[0].title == "DOC TYPE"
    assert about(static, {}, "IA-9")[0].why == "it is not in [tool.palmette.ci] tickets"
    assert about(with_ci(project, tracker=Tracker.NONE), {"JIRA_URL": "x"}) == ()
    # Another commit may have another table, and no hour passes in between.
    place = Here(project).begun()
    for title in ("DOC TYPE", "DOC TYPE, AGAIN"):
        written = with_ci(project, tracker=Tracker.STATIC, tickets={"IA-1742": title})
        assert tickets(place, written, Context(branch=BRANCH), {})[0].title == title


def test_issues_of_the_forge_are_tickets_too(project: Project) -> None:
    forge = GitLab()
    try:
        forge.issues[123] = {"iid": 123, "title": "DOC TYPE", "state": "opened", "web_url": "javascript:alert(1)"}
        job = {"provider": Provider.GITLAB, "api": forge.api, "repository": "acme/ia"}
        environ = {"GITLAB_TOKEN": TOKEN}
        [found] = about(project, environ, "feature/123-doc-type", **job)
        assert found == Ticket(key="#123", title="DOC TYPE", status="opened")
        assert text([found], "x") == "[#123] DOC TYPE"
        # Without a token of its own a forge is not asked unless it is named; another one's key is not its own.
        assert about(project, {}, "123-x", **job) == ()
        named = with_ci(project, tracker=Tracker.GITLAB)
        assert about(named, {}, "fix/#123", **job)[0].why == "GitLab refuses the token (401)"
        assert [each.key for each in about(named, environ, "x", title="See acme/other#5 and #123", **job)] == ["#123"]
        assert about(named, environ, "124-x", **job)[0].why == "not visible"
    finally:
        forge.stop()


def test_nothing_is_asked_of_a_forge_that_is_not_known(project: Project) -> None:
    named = with_ci(project, tracker=Tracker.GITHUB)
    assert about(named, {}, "12-x")[0].why == "no GitHub is known here"


def lacking(place: Place, project: Project, tracker: Jira, branch: str = BRANCH) -> PlacedHost:
    """The branch was updated by a job that has no token."""
    host = PlacedHost(place)
    names = Names(prefix=host.claim("ia"), project="ia")
    without = tickets(place, project, Context(branch=branch), {"JIRA_URL": tracker.url})
    filed = experiments.file(host, names, branch, without)
    assert filed.text == f"{without[0].key} (ticket not looked up: JIRA_TOKEN is not set)"
    known = Branch(project="ia", name=branch, experiment=filed.id, head="a" * 40, order=7, tickets=without)
    place(branches.advance, known)
    return host


def test_a_server_that_may_ask_fills_a_text_in_and_asks_the_address_of_its_secret_alone(
    tracker: Jira, project: Project, tmp_path: Path
) -> None:
    place = Here(project).begun()
    host = lacking(place, project, tracker)
    lacking(place, project, tracker, "feature/SECRET-1-plan")
    tracker.issues["SECRET-1"] = "Buy the others"
    home = replace(place.home, project="")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "JIRA_URL": "http://127.0.0.1:1", "JIRA_TOKEN_FILE": "/x"}
    Follower(home, environ).look()
    assert tracker.asked == []
    secret = {"url": tracker.url, "token": jira.TOKEN, "user": jira.USER, "projects": "IA, DS2"}
    secrets.keep(home, "tracker", secret, environ, project="ia")
    follower = Follower(home, environ)
    follower.look()
    follower.look()
    assert tracker.asked == ["IA-1742"]
    found = [host.experiments.named(name) for name in (BRANCH, "feature/SECRET-1-plan")]
    assert [split(each.description)[0].partition(" (")[0] for each in found if each] == [
        "[IA-1742] DOC TYPE",
        "SECRET-1",
    ]
    row = place(branches.named, BRANCH)
    assert row is not None
    assert (row.tickets[0].title, row.head, row.order) == ("DOC TYPE", "a" * 40, 7)


@pytest.mark.parametrize(
    "kept",
    [
        {"url": "https://jira.example"},
        {"token": "x", "url": "/etc/passwd"},
        {"token": "/x", "url": "https://j.example"},
    ],
)
def test_a_secret_that_names_no_jira_is_refused(kept: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="the secret tracker"):
        trusted(kept, {})


def test_a_text_that_was_missing_is_filled_in_by_a_job_that_may_ask(tracker: Jira, project: Project) -> None:
    place, branch = Here(project).begun(), BRANCH
    host = lacking(place, project, tracker)
    main = Context(branch="main", default_branch="main")

    tracker.mode = "502"
    assert fill(place, host, project, main, opened(tracker)) == ()
    tracker.mode = ""
    assert fill(place, host, project, main, opened(tracker)) == (branch,)
    experiment = host.experiments.named(branch)
    assert experiment is not None
    assert split(experiment.description)[0] == "[IA-1742] DOC TYPE"
    row = place(branches.named, branch)
    assert row is not None
    assert (row.tickets[0].title, row.head, row.order) == ("DOC TYPE", "a" * 40, 7)
    # Now nothing is missing, and nobody is asked.
    asked = len(tracker.asked)
    assert fill(place, host, project, main, opened(tracker)) == ()
    assert len(tracker.asked) == asked
