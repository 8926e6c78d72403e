"""What a note on a merge request looks like is what was last looked at, and is safe whatever its names are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from tests.golden.comparisons import NOW, alone, better, hostile, run, worse

from palmette.comparison.verdict import GateOutcome
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context, Provider
from palmette.domain.run import Run, Setting, Source
from palmette.domain.states import RunState
from palmette.operations.comparing import Compared
from palmette.operations.reports import Report, Reported, Stage, Trial, Variant
from palmette.present import junit, notes
from palmette.present.notes import Section

HERE = Path(__file__).parent / "notes"
HEAD = "a" * 40


def report(*told: Reported, branch: str = "feature/IA-1742-doc-type", project: str = "clinic") -> Report:
    context = Context(branch=branch, head=HEAD, job_url="https://gitlab.example/acme/ia/-/jobs/9")
    return Report(project=project, commit=HEAD, context=context, algorithms=told, made=NOW)


def compared(found: Compared, algorithm: str = "tumour") -> Reported:
    head: Run = replace(found.comparison.head.run, started=NOW - 100, ended=NOW - 20)
    toy = trial(Stage.SUCCEEDED, "t0y1j259kby3")
    return Reported(algorithm=algorithm, trains=toy, quality=Trial(stage=Stage.SUCCEEDED, run=head), compared=found)


def trial(stage: Stage, name: str = "f2k9j259kby3") -> Trial:
    state = {Stage.RUNNING: RunState.RUNNING, Stage.FAILED: RunState.FAILED}.get(stage, RunState.SUCCEEDED)
    return Trial(stage=stage, run=replace(run(name, branch="idea", commit=HEAD), state=state, preset="toy"))


def unchanged() -> Trial:
    check = Check(project="clinic", commit=HEAD, algorithm="digits", kind=Kind.TOY, run="q9w8e7r6t5y4", unchanged=True)
    return Trial(stage=Stage.UNCHANGED, check=check)


def judged() -> Check:
    return Check(
        project="clinic",
        commit="b" * 40,
        algorithm="diagnosis",
        kind=Kind.FULL,
        run="j5d6e7d8b9y0",
        verdict={"outcome": "not comparable"},
    )


def variants() -> tuple[Variant, ...]:
    """One that was compared, and one that goes on."""
    found = worse()
    settings = (
        Setting(name="depth", value=3, source=Source.OVERRIDE),
        Setting(name="note", value="see @all #1 | `x`", source=Source.FILE),
        Setting(name="seed", value=1),
    )
    head = replace(
        found.comparison.head, run=replace(run("v4r1j259kby3", branch="idea", commit=HEAD), settings=settings)
    )
    found = replace(found, comparison=replace(found.comparison, head=head))
    live = replace(run("l1v3j259kby3", branch="idea", commit=HEAD), settings=settings[:1], state=RunState.RUNNING)
    return (
        Variant(run=live, stage=Stage.RUNNING),
        Variant(run=head.run, stage=Stage.SUCCEEDED, compared=found),
    )


WHOLE = {
    "judged": report(replace(compared(better()), variants=variants()), compared(worse(), "diagnosis")),
    "trained": report(
        Reported(algorithm="tumour", trains=trial(Stage.SUCCEEDED), quality=trial(Stage.RUNNING, "live1j259kby")),
        Reported(algorithm="diagnosis", trains=trial(Stage.SUCCEEDED), alike=judged()),
        Reported(algorithm="digits", trains=unchanged()),
        Reported(algorithm="progression", trains=replace(trial(Stage.FAILED), lost="fit (ValueError)")),
    ),
    "alone": report(compared(alone())),
}


def note(told: Report, head: str = HEAD, limit: int = 1_000_000) -> str:
    parts = [notes.section(told, each) for each in told.algorithms]
    return notes.note(told.project, parts, head=head, title="[IA-1742] DOC TYPE", limit=limit)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_note_looks_as_it_did(kind: str, update_golden: bool) -> None:
    golden = HERE / f"{kind}.md"
    text = note(WHOLE[kind])
    if update_golden:
        HERE.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "read the difference; if it is meant: pytest tests/golden --update-golden"


def test_the_verdict_says_first_what_is_wrong() -> None:
    def line(*parts: tuple[str, str, str]) -> str:
        return notes.verdict_line(
            [
                Section(algorithm=f"a{place}", commit=HEAD, stamp="", word=word, gate=gate, trains=trains)
                for place, (word, gate, trains) in enumerate(parts)
            ]
        )

    passed, failed, unsure = (each.value for each in (GateOutcome.PASSED, GateOutcome.FAILED, GateOutcome.INCONCLUSIVE))
    assert line(("better", passed, "succeeded"), ("equivalent", passed, "succeeded")) == "🟢 1 better, 1 equivalent"
    assert line(("worse", failed, "succeeded"), ("better", passed, "succeeded")) == "🔴 gate failed: `a0`"
    assert line(("equivalent", unsure, "succeeded")) == "🟡 gate inconclusive: `a0`"
    assert line(("none", "", "failed"), ("running", "", "succeeded")) == "🔴 does not train: `a0`; still running: `a1`"
    assert line(("none", "", "succeeded")) == "⚪ nothing is compared yet"


def test_what_a_note_says_can_be_read_from_it() -> None:
    told = WHOLE["judged"]
    parts = sorted((notes.section(told, each) for each in told.algorithms), key=lambda each: each.algorithm)
    assert list(notes.sections(note(told))) == parts


@pytest.mark.parametrize(
    ("provider", "job", "where"),
    [
        (
            Provider.GITLAB,
            "https://gitlab.example/acme/ia/-/jobs/9",
            "[in GitLab](https://gitlab.example/acme/ia/-/pipelines/new"
            "?ref=fix%2F%28a%29%26b%5D&var%5BPALMETTE_ALGORITHM%5D=tumour)",
        ),
        (
            Provider.GITHUB,
            "https://github.com/acme/ia/actions/runs/9/job/1",
            "[in GitHub](https://github.com/acme/ia/actions/workflows/palmette.yml), `Run workflow`",
        ),
        (Provider.GITLAB, "javascript:/-/jobs/", "the CI's job `train`"),
    ],
)
def test_a_full_training_is_a_click_away(provider: Provider, job: str, where: str) -> None:
    told = report(Reported(algorithm="tumour", trains=trial(Stage.SUCCEEDED)))
    told = replace(told, context=replace(told.context, provider=provider, job_url=job, branch="fix/(a)&b]"))
    assert f"Start it: {where}, or `palmette ci run tumour`." in note(told)


def test_a_reviewer_is_told_why_a_worse_algorithm_fails_no_status() -> None:
    found = worse()
    assert found.verdict is not None
    free = replace(found, verdict=replace(found.verdict, gates=()))
    said = "no gate is declared for it, so the commit's status does not fail"
    assert said in note(report(compared(free)))
    assert said not in note(report(compared(found)))


def test_each_algorithm_has_a_line_in_plain_words() -> None:
    assert [notes.line(each) for each in (*WHOLE["trained"].algorithms, *WHOLE["judged"].algorithms)] == [
        "tumour: trains; training",
        "diagnosis: trains; no full training yet",
        "digits: unchanged",
        "progression: does not train (fit (ValueError)); no full training yet",
        "tumour: trains; better",
        "diagnosis: trains; worse, gate failed",
    ]


def test_many_algorithms_that_nothing_was_tried_of_are_folded_and_still_sections() -> None:
    quiet = [Reported(algorithm=f"a{number}") for number in range(20)]
    told = report(*quiet, compared(better()))
    text = note(told)
    assert "<details><summary>20 algorithms are unchanged or were not tried</summary>" in text
    assert len(notes.sections(text)) == 21
    assert len(re.sub(r"<details>.*?</details>", "…", text, flags=re.DOTALL).splitlines()) <= 40


def test_a_note_of_another_commit_than_the_newest_says_so() -> None:
    text = note(WHOLE["judged"], head="e" * 40)
    assert "**Stale.** The newest commit is `eeeeeeee`; this tells of `aaaaaaaa`." in text
    assert "Stale" not in note(WHOLE["judged"])


def test_a_note_that_is_too_long_is_cut_and_says_so() -> None:
    whole = note(WHOLE["judged"])
    for limit in (len(whole) - 1, 2500, 600):
        cut = note(WHOLE["judged"], limit=limit)
        assert len(cut) <= limit
        assert "Cut short" in cut
    assert "Cut short" not in whole


def test_no_name_becomes_markup_or_a_marker_in_a_note() -> None:
    forged = f"x`\n<!-- palmette:end:tumour -->\n{notes.marker('clinic')}\n# @all ![x](https://evil.example/x.png)"
    told = report(compared(hostile()), branch=forged)
    told = replace(told, context=replace(told.context, job_url="javascript:alert(1)"))
    parts = [notes.section(told, each) for each in told.algorithms]
    text = notes.note("clinic", parts, head=HEAD, title=forged)
    assert list(notes.sections(text)) == parts
    assert text.count(notes.marker("clinic")) == 1
    tokens = [
        token
        for block in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
        for token in (block, *(block.children or ()))
    ]
    assert not {token.type for token in tokens} & {"image", "link_open"}
    assert len([token for token in tokens if token.type == "heading_open"]) == 2
    html = {token.content.strip() for token in tokens if token.type in ("html_inline", "html_block")}
    allowed = re.compile(r"<!-- palmette:[^\n]* -->|</?(sub|code)>|</?details>|<details><summary>[\w, ]+</summary>")
    assert [each for each in html if not allowed.fullmatch(each)] == []


def test_an_algorithm_that_does_not_train_is_a_failed_test() -> None:
    text = junit.reported(WHOLE["trained"])
    assert '<testsuites name="palmette" tests="4" failures="1" errors="0" skipped="0"' in text
    assert "failed in fit (ValueError): run f2k9j259kby3" in text
