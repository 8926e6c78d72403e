"""Pipelines, experiments and recurring runs of a host: for a terminal, as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.footer import split
from palmette.domain.hosting import Catchup, Cron, Edit, Experiment, Periodic, Pipeline, Schedule, Trigger, Version
from palmette.domain.values import Json
from palmette.ir.spec import ParameterSpec
from palmette.operations.hosts import HostedRun
from palmette.operations.scopes import Names
from palmette.present import words
from palmette.present.histories import printable
from palmette.present.layout import giving, indented

#: rows of a list within a page, before the rest is counted
_ROWS: Final = 10
_UNITS: Final = ((7 * 86400, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
#: facts of a footer that are Palmette's own business
_OWN: Final = (
    "origin",
    "serial",
    "wanted",
    "edits",
    "made",
    "document",
    "bundle",
    "fork",
    "wrote",
    "order",
    "committed",
)


# What they have in common


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _row(table: Table, *cells: str | Text) -> None:
    # Nothing that somebody called something is markup.
    table.add_row(*(Text(printable(each)) if isinstance(each, str) else each for each in cells))


def _said(value: Json) -> str:
    """A fact of a footer in words."""
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return value if isinstance(value, str) else words.value(value)


def _facts(*pairs: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            table.add_row(Text(name), Text(printable(value)))
    return table


def _told(description: str) -> str:
    """The first line of a description's own text."""
    return split(description)[0].strip().partition("\n")[0]


def _known(description: str) -> dict[str, Json]:
    return {name: value for name, value in split(description)[1].items() if name not in _OWN}


def _age(now: float, moment: float | None) -> str:
    return words.ago(max(0.0, now - moment)) if moment else ""


def _more(count: int, noun: str) -> Iterator[Text]:
    if count > _ROWS:
        yield Text(f"and {words.count(count - _ROWS, f'more {noun}')}", style="dim")


# Pipelines


def pipelines(found: Sequence[tuple[Pipeline, Version | None]], now: float) -> Table:
    """A line for each pipeline, with its newest version."""
    table = _table("pipeline", "newest version", "uploaded", "about")
    for pipeline, newest in found:
        name, age = (newest.name, _age(now, newest.created)) if newest else ("none", "")
        _row(table, pipeline.name, name, age, giving(printable(_told(pipeline.description))))
    return table


def versions(found: Sequence[Version], now: float) -> Table:
    """A line for each version; with branch and commit where a name does not say them."""
    table = _table(*("version", "branch", "commit")[: 1 if all(map(_speaking, found)) else 3], "uploaded", "about")
    for each in found:
        facts = split(each.description)[1]
        origin = (str(facts.get("branch") or ""), words.commit(_commit(facts), dirty=facts.get("dirty") is True))
        about = giving(printable(_told(each.description)))
        _row(table, each.name, *origin[: len(table.columns) - 3], _age(now, each.created), about)
    return table


def _speaking(version: Version) -> bool:
    """Whether a name tells all that is known of where the version comes from, as that of `palmette ci update` does."""
    facts = split(version.description)[1]
    branch, commit = str(facts.get("branch") or ""), _commit(facts)
    dirty = facts.get("dirty") is True
    # A name ends with the document's digest where a commit has several.
    return not dirty and bool(commit) and version.name.startswith(f"{branch}@{commit[:8]}")


def _commit(facts: Mapping[str, Json]) -> str:
    return str(facts.get("commit") or "")


def pipeline(
    pipeline: Pipeline,
    version: Version | None,
    found: Sequence[Version],
    parameters: Mapping[str, ParameterSpec],
    now: float,
) -> RenderableType:
    """One pipeline: what it takes at a version, and its versions."""
    parts: list[RenderableType] = [Text(printable(pipeline.name), style="bold")]
    if told := split(pipeline.description)[0]:
        parts.append(indented(Text(told)))
    parts += [Text(), _facts(("identifier", pipeline.id), ("made", words.moment(pipeline.created)))]
    if version is not None:
        parts += [Text(), Text.assemble("takes, at ", (printable(version.name), "bold"))]
        parts.append(_parameters(parameters) if parameters else Text("  nothing", style="dim"))
    if found:
        parts += [Text(), versions(found[:_ROWS], now), *_more(len(found), "version")]
    return Group(*parts)


def _parameters(found: Mapping[str, ParameterSpec]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for name, spec in found.items():
        default = (
            words.value(spec.default_value) if spec.has_default else "none" if spec.is_optional else "must be given"
        )
        table.add_row(Text(f"  {name}"), Text(printable(default)), Text(printable(spec.description)))
    return table


def plain_pipeline(pipeline: Pipeline, names: Names) -> dict[str, Json]:
    """A pipeline for machines."""
    return {
        "pipeline_id": pipeline.id,
        "name": pipeline.name,
        "algorithm": names.algorithm(pipeline),
        "description": split(pipeline.description)[0],
        "created_at": words.instant(pipeline.created),
    }


def plain_newest(pipeline: Pipeline, newest: Version | None, names: Names) -> dict[str, Json]:
    """A pipeline for machines, with its newest version."""
    return plain_pipeline(pipeline, names) | {"newest": plain_version(newest) if newest else None}


def plain_version(version: Version) -> dict[str, Json]:
    """A version for machines."""
    return {
        "version_id": version.id,
        "pipeline_id": version.pipeline,
        "name": version.name,
        "description": split(version.description)[0],
        "facts": split(version.description)[1],
        "created_at": words.instant(version.created),
    }


def plain_parameters(found: Mapping[str, ParameterSpec]) -> list[Json]:
    """What a version takes, for machines."""
    return [
        {
            "name": name,
            "type": spec.parameter_type.value,
            "default": spec.default_value,
            "required": not spec.has_default and not spec.is_optional,
            "description": spec.description,
        }
        for name, spec in found.items()
    ]


# Experiments


def experiments(found: Sequence[Experiment], now: float) -> Table:
    """A line for each experiment."""
    table = _table("experiment", "newest run", "made", "about")
    for each in found:
        about = giving(printable(_told(each.description)), "dim" if each.archived is not None else "")
        newest = "archived" if each.archived is not None else _age(now, each.last_run) or "none"
        _row(table, each.name, newest, _age(now, each.created), about)
    return table


def experiment(found: Experiment, runs: Sequence[HostedRun], now: float) -> RenderableType:
    """One experiment and its newest runs."""
    parts: list[RenderableType] = [Text(printable(found.name), style="bold")]
    if told := split(found.description)[0]:
        parts.append(indented(Text(told)))
    facts = [(name, _said(value))
             for name, value in _known(found.description).items() if value]  # fmt: skip
    archived = "yes; its runs, too" if found.archived is not None else ""
    parts += [
        Text(),
        _facts(("identifier", found.id), *facts, ("made", words.moment(found.created)), ("archived", archived)),
    ]
    if runs:
        parts += [Text(), hosted_runs(runs[:_ROWS], now), *_more(len(runs), "run")]
    return Group(*parts)


def hosted_runs(found: Sequence[HostedRun], now: float) -> Table:
    """A line for each run."""
    table = _table("run", "name", "state", "begun")
    for each in found:
        state = Text(each.state.value.lower(), style=words.RUN_STYLES[each.state])
        _row(table, each.id, each.name, state, _age(now, each.created))
    return table


def plain_experiment(found: Experiment, names: Names) -> dict[str, Json]:
    """An experiment for machines."""
    return {
        "experiment_id": found.id,
        "name": found.name,
        "branch": names.branch(found),
        "description": split(found.description)[0],
        "facts": _known(found.description),
        "archived": found.archived is not None,
        "created_at": words.instant(found.created),
        "last_run_at": words.instant(found.last_run),
    }


def plain_run(found: HostedRun) -> dict[str, Json]:
    """A run for machines."""
    return {
        "run_id": found.id,
        "name": found.name,
        "state": found.state.value.lower(),
        "experiment_id": found.experiment or None,
        "pipeline_id": found.pipeline or None,
        "version_id": found.version or None,
        "schedule_id": found.schedule or None,
        "parameters": dict(found.parameters),
        "created_at": words.instant(found.created),
        "ended_at": words.instant(found.ended),
    }


# Recurring runs


def due(trigger: Trigger) -> str:
    """When a recurring run is due, as it was asked for: "every 6 hours", "0 0 3 * * *"."""
    if isinstance(trigger, Cron):
        return trigger.expression
    for seconds, unit in _UNITS:
        if trigger.interval and trigger.interval % seconds == 0:
            count = trigger.interval // seconds
            return f"every {unit}" if count == 1 else f"every {count:,} {unit}s"
    return "never"


def schedules(found: Sequence[tuple[Schedule, str, float | None]], now: float) -> Table:
    """A line for each recurring run, with its version's name and its next tick."""
    table = _table("recurring run", "when", "version", "next")
    for each, version, tick in found:
        coming = words.moment(tick)[:16] + "Z" if tick else "never"
        following = Text(coming) if each.enabled else Text("paused", style="yellow")
        _row(table, each.name, due(each.trigger), version or "the newest", following)
    return table


def schedule(
    found: Schedule, *, version: str, experiment: str, ticks: Sequence[float], history: Sequence[Edit], now: float
) -> RenderableType:
    """One recurring run: what it does, when, and how it was edited."""
    parts: list[RenderableType] = [Text(printable(found.name), style="bold")]
    if told := split(found.description)[0]:
        parts.append(indented(Text(told)))
    follows = str(split(found.description)[1].get("follows") or "")
    catchup = "each tick that was missed" if found.catchup is Catchup.EACH else "the last tick that was missed"
    parts += [
        Text(),
        _facts(
            ("identifier", found.id),
            ("runs", due(found.trigger)),
            ("state", "on" if found.enabled else "paused"),
            ("version", version or "the newest at each tick"),
            ("follows", follows and f"{follows}: palmette ci update moves it there"),
            ("experiment", experiment),
            ("at once", str(found.max_concurrency)),
            ("catches up", catchup),
            ("from", words.moment(found.trigger.start)),
            ("until", words.moment(found.trigger.end)),
        ),
    ]
    given = [(name, words.value(value)) for name, value in found.parameters.items()]
    parts += [Text(), Text("given" if given else "given nothing: the version's defaults"), indented(_facts(*given))]
    if ticks:
        parts += [Text(), Text("next" if found.enabled else "next, if it were on")]
        parts += [Text(f"  {words.moment(each)}") for each in ticks]
    if history:
        parts += [Text(), *edits(history[:_ROWS], now), *_more(len(history), "edit")]
    return Group(*parts)


def edits(found: Sequence[Edit], now: float) -> Iterator[RenderableType]:
    """What each edit changed, the newest first."""
    for each in found:
        by = f" by {each.author}" if each.author else ""
        why = f": {each.why}" if each.why else ""
        yield Text(printable(f"edited {_age(now, each.created)}{by}{why}"))
        for name in dict.fromkeys([*each.before, *each.after]):
            before, after = _value(each.before, name), _value(each.after, name)
            yield indented(Text(printable(f"{name.removeprefix('parameters.')}: {before} → {after}")))


def _value(side: Mapping[str, Json], name: str) -> str:
    if name not in side:
        return "not given"
    value = side[name]
    if name == "trigger" and isinstance(value, Mapping):
        told = value.get("expression") or due(Periodic(interval=int(str(value.get("interval") or 0))))
        return str(told)
    return words.value(value) or "nothing"


def plain_schedule(found: Schedule) -> dict[str, Json]:
    """A recurring run for machines."""
    trigger = found.trigger
    return {
        "schedule_id": found.id,
        "name": found.name,
        "description": split(found.description)[0],
        "follows": str(split(found.description)[1].get("follows") or "") or None,
        "cron": trigger.expression if isinstance(trigger, Cron) else None,
        "every_seconds": trigger.interval if isinstance(trigger, Periodic) else None,
        "enabled": found.enabled,
        "pipeline_id": found.pipeline or None,
        "version_id": found.version or None,
        "experiment_id": found.experiment or None,
        "parameters": dict(found.parameters),
        "max_concurrency": found.max_concurrency,
        "catchup": found.catchup.value,
        "created_at": words.instant(found.created),
        "next_at": words.instant(found.next),
        "last_at": words.instant(found.last),
    }


def plain_edit(found: Edit) -> dict[str, Json]:
    """An edit for machines."""
    return {
        "author": found.author or None,
        "why": found.why or None,
        "at": words.instant(found.created),
        "before": dict(found.before),
        "after": dict(found.after),
    }
