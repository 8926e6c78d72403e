"""Whether steps give the same twice: for a terminal and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.determinism import Cause, Finding, Tested, Verdict
from palmette.present import words
from palmette.present.layout import hanging, indented

CAUSES: Final = {
    Cause.HASH_ORDER: "differs when only PYTHONHASHSEED differs: hash order (a set or a dict of texts?)",
    Cause.THREADS: "differs when only the number of threads differs (a sum in another order?)",
    Cause.CLOCK: "differs when only the time differs: it asks the clock",
    Cause.DIRECTORY: "differs when only the directory differs (a path in the output?)",
    Cause.RANDOM: "differs though nothing does, until random numbers are fixed: an unseeded random generator",
    Cause.RACE: "differs though nothing does: threads or processes that race, or something outside",
    Cause.TOGETHER: "differs when hash seed, threads, time and directory differ together, and not for one of them",
}
_MARKS: Final = {
    Verdict.SAME: ("✓", "green", "the same"),
    Verdict.DIFFERS: ("✗", "bold red", "differs"),
    Verdict.WORLD: ("-", "yellow", "not checked"),
    Verdict.FAILED: ("✗", "bold red", "failed"),
    Verdict.LEFT_OUT: ("-", "yellow", "not checked"),
}


def determinism(tested: Sequence[Tested]) -> RenderableType:
    """A line a step, and under it what differs and why."""
    return Group(*(line for each in tested for line in _lines(each)))


def _lines(tested: Tested) -> Iterable[RenderableType]:
    yield Text.assemble((tested.algorithm, "bold"), f"  on the inputs of run {tested.run}")
    for finding in tested.findings:
        mark, style, word = _MARKS[finding.verdict]
        head = Text.assemble((finding.step, "bold"), f"  {word}", (f"  {_aside(finding)}".rstrip(), "dim"))
        yield hanging(Text(f" {mark}", style=style), head)
        for cause in finding.causes:
            yield indented(Text(CAUSES[cause], style="red"), indent=5)
        for output, sentences in (finding.outputs or {}).items():
            for sentence in sentences:
                yield indented(f"{output}: {sentence}", indent=5)
        if finding.message and finding.verdict in (Verdict.DIFFERS, Verdict.FAILED):
            yield indented(finding.message, indent=5)
    wrong = sum(each.verdict in (Verdict.DIFFERS, Verdict.FAILED) for each in tested.findings)
    if not tested.findings:
        yield Text("  no step to check", style="yellow")
    elif wrong:
        yield Text(f"{words.count(wrong, 'step')} not deterministic", style="bold red")


def _aside(finding: Finding) -> str:
    match finding.verdict:
        case Verdict.WORLD:
            return "it reads the outside world; name it to check it too"
        case Verdict.LEFT_OUT:
            return finding.message
        case _:
            world = ", and it reads the outside world, which may have changed" if finding.world else ""
            return f"in {words.count(finding.executions, 'execution')}{world}"


def plain(tested: Sequence[Tested]) -> list[Json]:
    """The same as JSON values."""
    return [
        {
            "algorithm": each.algorithm,
            "run": each.run,
            "good": each.good,
            "steps": [_plain(finding) for finding in each.findings],
        }
        for each in tested
    ]


def _plain(finding: Finding) -> dict[str, Json]:
    return {
        "step": finding.step,
        "verdict": finding.verdict.value,
        "causes": [cause.value for cause in finding.causes],
        "outputs": {name: list(sentences) for name, sentences in (finding.outputs or {}).items()},
        "message": finding.message or None,
        "executions": finding.executions,
        "reads_world": finding.world,
    }
