"""What came out when a run was executed again: for a terminal, as Markdown, as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from palmette.domain.run import Environment, Host, Run
from palmette.domain.values import Json
from palmette.operations.reproducing import Certificate, Measured, Outcome, Repeated
from palmette.present import words
from palmette.present.layout import hanging, indented

_MARKS: Final = {
    Outcome.IDENTICAL: ("✓", "green"),
    Outcome.EQUAL: ("✓", "green"),
    Outcome.DIFFERS: ("✗", "bold red"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.NOT_REPEATED: ("=", "blue"),
    Outcome.NOT_EXECUTED: ("-", "yellow"),
}


def verdict(made: Certificate) -> str:
    """The answer in one sentence."""
    if made.reproduced:
        return f"run {made.origin.id} was reproduced"
    return f"run {made.origin.id} was not reproduced"


def screen(made: Certificate) -> RenderableType:
    """The certificate in a terminal."""
    return Group(*_screen(made))


def _screen(made: Certificate) -> Iterable[RenderableType]:
    for name, text in _facts(made):
        yield hanging(Text(f"  {name:<12}", style="dim"), text)
    yield Text("")
    for each in made.steps:
        mark, style = _MARKS[each.outcome]
        head = Text.assemble((each.step, "bold"), f"  {each.outcome.value}", (f"  {_aside(each)}".rstrip(), "dim"))
        yield hanging(Text(f"  {mark}", style=style), head)
    wrong = [each for each in made.metrics if not each.good]
    if made.metrics and not wrong:
        yield Text(f"  {words.count(len(made.metrics), 'metric')} as then", style="dim")
    for metric in wrong:
        yield indented(Text(_metric(metric), style="red"))
    for sentence in made.gone:
        yield hanging(Text("  gone", style="yellow"), sentence)
    yield Text(f"\n{verdict(made)}", style="bold green" if made.reproduced else "bold red")


def _facts(made: Certificate) -> Iterator[tuple[str, str]]:
    """What the certificate says of both runs, by name."""
    run, again = made.origin, made.repeated
    yield "run", f"{run.id}  {run.algorithm}, {words.moment(run.created)}"
    yield "again", f"{again.id}  {words.moment(again.created)}" if again else "it did not get as far"
    commit = words.commit(run.git.commit, dirty=run.git.dirty)
    yield "code", f"bundle {run.bundle[:12]} from {made.code}{f', commit {commit}' if commit else ''}"
    yield "environment", f"{_environment(run.environment)}: {made.environment}"
    yield "machine then", _machine(run.host)
    yield "machine now", _machine(made.host)


def _environment(environment: Environment) -> str:
    return f"Python {environment.python}, {words.count(len(environment.pins), 'package')}"


def _machine(host: Host | None) -> str:
    if host is None:
        return "unknown"
    gpus = f", {words.count(host.gpus, 'GPU')}" if host.gpus else ""
    cores = words.count(host.cpus, "core")
    return f"{host.name}, {cores}, {words.size(host.memory)}{gpus}, {host.system or 'unknown system'}"


def _aside(step: Repeated) -> str:
    return f"in {', '.join(step.differing)}" if step.differing else step.message


def _metric(each: Measured) -> str:
    if each.now is None:
        return f"{each.name}: {words.number(each.then)} then, missing now"
    off = f"off by {abs(each.now - each.then):.3g}"
    tolerance = f", {each.tolerance:g} is tolerated" if each.tolerance else ""
    return f"{each.name}: {each.then!r} → {each.now!r}, {off}{tolerance}"


def markdown(made: Certificate) -> str:
    """The certificate as a page of its own."""
    lines = [f"# {verdict(made)[0].upper()}{verdict(made)[1:]}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in _facts(made)]
    lines += ["", "| step | outcome | |", "| --- | --- | --- |"]
    lines += [f"| {_cell(each.step)} | {each.outcome.value} | {_cell(_aside(each))} |" for each in made.steps]
    if made.metrics:
        lines += ["", "| metric | then | now | tolerated | |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {_cell(each.name)} | {each.then!r} | {'missing' if each.now is None else each.now!r} "
            f"| {each.tolerance:g} | {'as then' if each.good else 'differs'} |"
            for each in made.metrics
        ]
    lines += ["", "What is not there any more:", ""] if made.gone else []
    lines += [f"* {sentence}" for sentence in made.gone]
    lines += ["", "Settings:", ""] if made.origin.settings else []
    lines += [f"* `{each.name}` = `{each.value!r}`" for each in made.origin.settings]
    lines += ["", "Packages:", ""] if made.origin.environment.pins else []
    lines += [f"* {pin.name} {pin.version}" for pin in made.origin.environment.pins]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def plain(made: Certificate) -> dict[str, Json]:
    """The certificate as JSON values."""
    return {
        "reproduced": made.reproduced,
        "run": _run(made.origin, made.origin.host),
        "again": _run(made.repeated, made.host) if made.repeated else None,
        "code": made.code,
        "environment": made.environment,
        "steps": [
            {
                "step": each.step,
                "outcome": each.outcome.value,
                "differing": list(each.differing),
                "message": each.message or None,
            }
            for each in made.steps
        ],
        "metrics": [
            {
                "name": each.name,
                "then": each.then,
                "now": each.now,
                "tolerance": each.tolerance,
                "good": each.good,
            }
            for each in made.metrics
        ],
        "gone": list(made.gone),
    }


def _run(run: Run, host: Host | None) -> dict[str, Json]:
    machine: Json = None
    if host is not None:
        machine = {
            "name": host.name,
            "cpus": host.cpus,
            "memory": host.memory,
            "gpus": host.gpus,
            "system": host.system,
        }
    return {
        "run_id": run.id,
        "created_at": words.instant(run.created),
        "commit": run.git.commit or None,
        "dirty": run.git.dirty,
        "bundle": run.bundle,
        "config": run.config,
        "python": run.environment.python,
        "platform": run.environment.platform,
        "packages": {pin.name: pin.version for pin in run.environment.pins},
        "host": machine,
    }
