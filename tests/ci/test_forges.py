"""GitLab and GitHub behind one protocol, and where their tokens go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.standins import github, gitlab

from palmette.ci import forges
from palmette.ci.forge import Forge, Standing, Status
from palmette.ci.gitlab import GitLab
from palmette.ci.web import WebError
from palmette.domain.context import Context, Provider
from palmette.errors import UsageError

SHA = "a" * 40


class Lab:
    """GitLab, or GitHub, with what is asked of either."""

    def __init__(self, kind: str) -> None:
        self.server: Any = {"gitlab": gitlab, "github": github}[kind].start()
        self.tokens = {"gitlab": gitlab, "github": github}[kind]
        self.context = Context(
            provider=Provider(kind), repository="acme/ia", repository_id="1217", api=self.server.api, branch="idea"
        )

    @property
    def notes(self) -> list[dict[str, Any]]:
        kept: dict[int, list[dict[str, Any]]] = getattr(self.server, "notes", None) or getattr(
            self.server, "comments", {}
        )
        return kept.get(7, [])

    def forge(self, token: str = "") -> Forge:
        found = forges.of(self.context, {forges.OWN: token or self.tokens.TOKEN})
        assert found is not None
        return found


@pytest.fixture(params=["gitlab", "github"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(request.param)
    made.server.open("idea", sha=SHA)
    yield made
    made.server.stop()


def test_a_note_is_found_behind_many_and_written_in_place(lab: Lab) -> None:
    for number in range(120):
        lab.server.say(7, f"remark {number}")
    forge = lab.forge()
    made = forge.put_note("7", "first")
    found = list(forge.notes("7"))
    assert [each.body for each in found] == [*(f"remark {number}" for number in range(120)), "first"]
    forge.put_note("7", "second", found[-1])
    assert lab.notes[-1]["body"] == "second"
    forge.remove_note("7", made)
    forge.remove_note("7", made)
    assert len(lab.notes) == 120


def test_a_note_of_somebody_else_is_refused(lab: Lab) -> None:
    note = lab.forge(lab.tokens.OTHER).put_note("7", "mine")
    with pytest.raises(WebError) as refused:
        lab.forge().put_note("7", "yours", note)
    assert refused.value.status == 403


def test_the_open_merge_request_of_a_branch_is_found(lab: Lab) -> None:
    found = lab.forge().merge_request("idea")
    assert found is not None
    assert (found.number, found.head, found.branch, found.target, found.opened) == ("7", SHA, "idea", "main", True)
    assert lab.forge().merge_request("other") is None
    assert lab.forge().numbered("7") == found
    assert lab.forge().numbered("8") is None


def test_the_same_status_may_be_said_twice(lab: Lab) -> None:
    forge = lab.forge()
    for status in (Status.RUNNING, Status.RUNNING, Status.FAILED, Status.FAILED, Status.SUCCESS):
        forge.status(SHA, Standing(name="palmette/trains", status=status, description="x" * 500))
    assert lab.server.state(SHA, "palmette/trains") == "success"


def test_all_branches_are_listed(lab: Lab) -> None:
    lab.server.branches = [f"branch-{number}" for number in range(130)]
    assert lab.forge().branches() == tuple(lab.server.branches)


def test_a_jobs_own_token_reads_and_writes_nothing() -> None:
    with_job = Lab("gitlab")
    environ = {"CI_JOB_TOKEN": gitlab.JOB}
    forge = forges.of(with_job.context, environ)
    assert forge is not None
    assert not forge.writes
    assert forge.branches() == ("main",)
    assert "PALMETTE_FORGE_TOKEN is not set, and CI_JOB_TOKEN may only read" in forges.lacking(
        with_job.context, environ
    )
    with_job.server.stop()


def test_without_a_token_or_a_forge_there_is_none_and_the_variable_is_named() -> None:
    on_github = Context(provider=Provider.GITHUB, repository="acme/ia", api="https://api.github.example")
    assert forges.of(on_github, {}) is None
    assert "GITHUB_TOKEN is not set" in forges.lacking(on_github, {})
    assert not forges.lacking(on_github, {"GH_TOKEN": "x"})
    assert forges.of(Context(), {forges.OWN: "x"}) is None
    assert "no GitLab and no GitHub is known" in forges.lacking(Context(), {})


@pytest.mark.parametrize(
    ("altered", "why"),
    [
        ({"api": "https://evil.example/api/v4"}, "another forge"),
        ({"api": "http://gitlab.example/api/v4"}, "another forge"),
        ({"repository": "acme/other", "repository_id": "9"}, "another repository"),
    ],
)
def test_a_job_cannot_have_a_secrets_token_sent_elsewhere(altered: dict[str, str], why: str) -> None:
    kept = {"url": "https://gitlab.example/api/v4/", "token": "t", "kind": "gitlab", "repository": "acme/ia"}
    job = Context(
        provider=Provider.GITLAB, repository="acme/ia", repository_id="1217", api="https://GitLab.example:443/api/v4"
    )
    assert forges.trusted(kept, job, {}).called == "GitLab"
    with pytest.raises(UsageError, match=why):
        forges.trusted(kept, replace(job, **altered), {})


@pytest.mark.parametrize(("only", "asked"), [("acme/ia", "acme%2Fia"), ("1217", "1217")])
def test_one_right_name_of_a_repository_does_not_open_another_one(only: str, asked: str) -> None:
    kept = {"url": "https://gitlab.example/api/v4", "token": "t", "kind": "gitlab", "repository": only}
    names = {"repository": "acme/other", "repository_id": "9"}
    names["repository_id" if only == "1217" else "repository"] = only
    job = Context(provider=Provider.GITLAB, api="https://gitlab.example/api/v4", **names)
    found = forges.trusted(kept, job, {})
    assert isinstance(found, GitLab)
    assert found.project == asked


def test_a_repository_on_github_is_not_named_by_its_number() -> None:
    kept = {"url": "https://api.github.example", "token": "t", "kind": "github", "repository": "1217"}
    job = Context(provider=Provider.GITHUB, api=kept["url"], repository="acme/other", repository_id="1217")
    with pytest.raises(UsageError, match="named by its path"):
        forges.trusted(kept, job, {})


def test_what_a_job_says_of_itself_leads_to_no_other_place_of_a_forge(lab: Lab) -> None:
    forge = lab.forge()
    standing = Standing(name="palmette/trains", status=Status.SUCCESS)
    with pytest.raises(WebError, match="no number"):
        forge.put_note("7/../8", "x")
    with pytest.raises(WebError, match="no full SHA"):
        forge.status("../../users", standing)
    assert lab.server.requests == []


def test_a_repository_that_leads_elsewhere_is_not_asked_for(lab: Lab) -> None:
    lab.context = replace(lab.context, repository="..", repository_id="..")

    def ask() -> None:
        lab.forge().branches()

    with pytest.raises(WebError, match="names nothing"):
        ask()
    assert lab.server.requests == []


def test_a_secret_that_is_not_whole_says_what_it_lacks() -> None:
    with pytest.raises(UsageError, match="has no token"):
        forges.trusted({"url": "https://gitlab.example/api/v4"}, Context(), {})
