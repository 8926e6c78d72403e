"""One note, written by several jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest
from tests.standins import gitlab
from tests.standins.gitlab import GitLab
from tests.standins.loopback import Asked

from palmette.ci import forges, merging
from palmette.ci import gitlab as gitlab_forge
from palmette.ci.forge import Forge
from palmette.ci.merging import Memory, Target, Written
from palmette.ci.web import WebError
from palmette.domain.context import Context, Provider
from palmette.errors import ServerError
from palmette.present import notes
from palmette.present.notes import Section

NEW, OLD = "b" * 40, "a" * 40


@pytest.fixture
def lab() -> Iterator[GitLab]:
    made = gitlab.start()
    made.open("idea", sha=NEW)
    yield made
    made.stop()


def forge(lab: GitLab, token: str = gitlab.TOKEN) -> Forge:
    context = Context(provider=Provider.GITLAB, repository="acme/ia", repository_id="1217", api=lab.api)
    found = forges.of(context, {forges.OWN: token})
    assert found is not None
    return found


def said(name: str, commit: str = NEW, stamp: str = "1", text: str = "") -> Section:
    return Section(
        algorithm=name, commit=commit, stamp=stamp, word="better", gate="passed", body=text or f"about {name}"
    )


def write(
    lab: GitLab,
    *own: Section,
    memory: Memory | None = None,
    token: str = gitlab.TOKEN,
    calm: float = 0.0,
    sleep: Callable[[float], None] = lambda _: None,
) -> Written:
    target = Target(forge=forge(lab, token), project="ia", number="7", head=NEW)
    return merging.write(target, own, memory or Memory(), calm=calm, sleep=sleep)


def read(lab: GitLab) -> dict[str, str]:
    """Algorithm → what is said of it, in the one note that there is."""
    (note,) = [each for each in lab.notes[7] if each["body"].startswith(notes.marker("ia"))]
    return {each.algorithm: each.body for each in notes.sections(note["body"])}


def test_each_job_rewrites_its_own_section_of_one_note(lab: GitLab) -> None:
    lab.say(7, "looks good to me")
    write(lab, said("tumour"))
    write(lab, said("digits"))
    write(lab, said("tumour", stamp="2", text="better by now"))
    assert read(lab) == {"digits": "about digits", "tumour": "better by now"}
    assert len(lab.notes[7]) == 2
    before = len(lab.asked("PUT"))
    write(lab, said("tumour", stamp="2", text="better by now"))
    assert len(lab.asked("PUT")) == before


def test_six_jobs_at_once_make_one_note_that_says_it_all(lab: GitLab) -> None:
    names = [f"algorithm_{number}" for number in range(6)]
    told: dict[str, str] = {}
    lock = threading.Lock()

    def stamps() -> dict[str, str]:
        with lock:
            return dict(told)

    def job(name: str) -> Written:
        # As the home does: what is said is remembered before it is written.
        with lock:
            told[name] = "1"
        return write(lab, said(name), memory=Memory(stamps=stamps, again=said))

    with ThreadPoolExecutor(6) as jobs:
        list(jobs.map(job, names))
    assert read(lab) == {name: f"about {name}" for name in names}


def test_a_job_that_runs_twice_at_once_does_not_fight_with_itself(lab: GitLab) -> None:
    twin = Target(forge=forge(lab), project="ia", number="7", head=NEW)

    def overwrite(asked: Asked) -> None:
        # The twin says the same, with a link to itself, after each write of ours.
        if asked.method in ("POST", "PUT"):
            writes.append(asked)
        elif writes and lab.notes.get(7):
            lab.notes[7][0]["body"] = notes.note("ia", [said("tumour", text="the twin's")], head=twin.head)

    writes: list[Asked] = []
    lab.before = overwrite
    write(lab, said("tumour", text="ours"))
    assert len(writes) == 1


def test_what_anothers_write_has_lost_is_written_again(lab: GitLab) -> None:
    write(lab, said("digits"))
    (note,) = lab.notes[7]
    lost = note["body"]
    spoiled = []

    def spoil(asked: Asked) -> None:
        # Somebody who had read the note before writes it after us.
        if asked.method == "GET" and lab.asked("PUT") and not spoiled:
            spoiled.append(note["body"])
            note["body"] = lost

    lab.before = spoil
    write(lab, said("tumour"))
    assert spoiled
    assert set(read(lab)) == {"digits", "tumour"}


def test_two_notes_that_were_made_at_once_become_one(lab: GitLab) -> None:
    made = []

    def race(asked: Asked) -> None:
        if asked.method == "POST" and not made:
            made.append(lab.say(7, notes.note("ia", [said("digits")], head=NEW), "palmette-bot"))

    lab.before = race
    write(lab, said("tumour"))
    assert read(lab) == {"digits": "about digits", "tumour": "about tumour"}
    assert len(lab.notes[7]) == 1


def test_a_note_that_another_job_made_after_ours_becomes_part_of_it(lab: GitLab) -> None:
    made: list[object] = []

    def late(asked: Asked) -> None:
        if asked.method == "GET" and lab.asked("POST") and not made:
            made.append(lab.say(7, notes.note("ia", [said("digits")], head=NEW), "palmette-bot"))

    lab.before = late
    write(lab, said("tumour"))
    assert read(lab) == {"digits": "about digits", "tumour": "about tumour"}


def test_where_no_home_tells_of_others_the_note_is_looked_at_once_more_after_a_while(lab: GitLab) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        lab.notes[7][0]["body"] = notes.note("ia", [said("digits")], head=NEW)

    write(lab, said("tumour"), calm=2.0, sleep=sleep)
    assert (waits, set(read(lab))) == ([2.0], {"digits", "tumour"})
    write(lab, said("tumour", stamp="2"), sleep=sleep)
    assert waits == [2.0]


def test_what_the_home_is_told_meanwhile_is_said_too(lab: GitLab) -> None:
    told = iter([{}, {"digits": "1"}, {"digits": "1"}])
    write(lab, said("tumour"), memory=Memory(stamps=lambda: next(told, {"digits": "1"}), again=said))
    assert set(read(lab)) == {"digits", "tumour"}


def test_a_note_that_is_rewritten_all_the_time_is_left_to_others_after_twenty_tries(lab: GitLab) -> None:
    def overwrite(asked: Asked) -> None:
        if asked.method == "GET" and lab.notes.get(7):
            lab.notes[7][0]["body"] = notes.note("ia", [said("digits")], head=NEW)

    waits: list[float] = []
    lab.before = overwrite
    with pytest.raises(ServerError, match="rewritten by others all the time"):
        write(lab, said("tumour"), sleep=waits.append)
    assert len(lab.asked("POST")) + len(lab.asked("PUT")) == 20
    assert waits == [0.05 * tried for tried in range(2, 20)]


def test_a_note_that_is_deleted_while_it_is_written_is_made_again(lab: GitLab) -> None:
    write(lab, said("digits"))

    def delete(asked: Asked) -> None:
        if asked.method == "PUT" and lab.notes[7]:
            lab.notes[7].clear()

    lab.before = delete
    told = write(lab, said("tumour"))
    assert (read(lab), told.remarks) == ({"tumour": "about tumour"}, ())
    assert (told.id, told.sections) == (str(lab.notes[7][0]["id"]), (said("tumour"),))


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_the_forge_refuses_for_another_reason_is_said_at_once(lab: GitLab, method: str) -> None:
    def refuse(asked: Asked) -> None:
        if asked.method == method == "PUT":
            asked.headers["private-token"] = "revoked"
        elif asked.method == method:
            lab.merge_requests.clear()

    if method == "PUT":
        write(lab, said("digits"))
    lab.before = refuse
    with pytest.raises(WebError):
        write(lab, said("tumour"))
    assert len(lab.asked(method)) == 1


def test_of_two_notes_of_ours_the_oldest_says_what_holds(lab: GitLab) -> None:
    for text in ("first", "second"):
        lab.say(7, notes.note("ia", [said("digits", text=text)], head=NEW), "palmette-bot")
    write(lab, said("tumour"))
    assert read(lab) == {"digits": "first", "tumour": "about tumour"}


def test_a_second_note_that_may_not_be_deleted_stays(lab: GitLab) -> None:
    for author in ("palmette-bot", "ada"):
        lab.say(7, notes.note("ia", [said("digits")], head=NEW), author)
    told = write(lab, said("tumour"))
    assert told.id == str(lab.notes[7][0]["id"])
    assert [len(notes.sections(each["body"])) for each in lab.notes[7]] == [2, 1]


def test_a_note_has_its_title_and_is_no_longer_than_the_forge_takes(lab: GitLab) -> None:
    short = replace(cast("gitlab_forge.GitLab", forge(lab)), limit=2_000)
    target = Target(forge=short, project="ia", number="7", head=NEW, title="DOC TYPE")
    merging.write(target, [said("tumour")], Memory())
    assert "DOC TYPE" in lab.notes[7][0]["body"]
    merging.write(target, [said("tumour", stamp="2", text="x" * 3_000)], Memory())
    assert len(lab.notes[7][0]["body"]) <= 2_000


def test_a_note_of_another_token_stays_and_a_new_one_is_written_with_a_warning(lab: GitLab) -> None:
    write(lab, said("digits"), token=gitlab.OTHER)
    told = write(lab, said("tumour"))
    assert [each["author"]["username"] for each in lab.notes[7]] == ["ada", "palmette-bot"]
    assert "written with another token" in told.remarks[0]


def test_an_older_commit_does_not_overwrite_the_newest(lab: GitLab) -> None:
    write(lab, said("tumour", NEW, text="new"))
    late = write(lab, said("tumour", OLD, text="old"))
    assert (late.id, len(late.remarks)) == ("", 1)
    assert f"tumour how {NEW[:8]} does" in late.remarks[0]
    assert write(lab, said("tumour", OLD, text="old"), said("digits", OLD)).id
    assert read(lab) == {"tumour": "new", "digits": "about digits"}
    assert f"`digits` is told of at the older commit `{OLD[:8]}`" in lab.notes[7][0]["body"]


def test_a_section_that_the_home_knows_better_is_said_anew(lab: GitLab) -> None:
    memory = Memory(stamps=lambda: {"digits": "2"}, again=lambda name: said(name, stamp="2", text="anew"))
    write(lab, said("tumour"), memory=memory)
    assert read(lab) == {"tumour": "about tumour", "digits": "anew"}
    assert write(lab, memory=Memory()).id


def test_the_home_is_asked_for_no_section_that_is_there_or_of_another_commit(lab: GitLab) -> None:
    there = [said("digits"), said("iris", OLD), said("wine")]
    write(lab, *there)
    asked: list[str] = []

    def again(name: str) -> Section:
        asked.append(name)
        return said(name, stamp="3", text="anew")

    def overwrite(request: Asked) -> None:
        # So that the note is written twice; what was said anew is newer than the stamp that was asked for.
        if request.method == "GET" and len(lab.asked("PUT")) == 1:
            lab.notes[7][0]["body"] = notes.note("ia", there, head=NEW)

    lab.before = overwrite
    write(lab, said("tumour"), memory=Memory(stamps=lambda: {"digits": "1", "iris": "2", "wine": "2"}, again=again))
    assert (asked, len(lab.asked("PUT"))) == (["wine"], 2)
    assert read(lab) == {"digits": "about digits", "iris": "about iris", "tumour": "about tumour", "wine": "anew"}
