"""Bring in results that were made elsewhere, so that they can be searched and compared with."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from palmette.domain.config import matching_preset
from palmette.domain.fields import Refused, accept
from palmette.domain.fields import read as read_field
from palmette.domain.graph import Algorithm, Field, ParameterType
from palmette.domain.run import Git, Run, Setting, Source
from palmette.domain.states import RunState
from palmette.domain.ticket import ticket
from palmette.domain.values import Json, canonical
from palmette.errors import PalmetteError, Problem, UsageError
from palmette.operations.columns import CONFIG, METRIC, Fact, Shape, meanings
from palmette.operations.compiling import record
from palmette.operations.home import Home
from palmette.operations.project import Project, look
from palmette.operations.sheets import Line, Sheet
from palmette.store import imports
from palmette.store.identity import derived_run_id, is_run_id
from palmette.store.imports import Imported

#: the most findings that an error lists one by one
_SHOWN: Final = 50
_STATES: Final = {
    **dict.fromkeys(("succeeded", "success", "finished", "completed", "complete", "ok", "done"), RunState.SUCCEEDED),
    **dict.fromkeys(("failed", "failure", "crashed", "error"), RunState.FAILED),
    **dict.fromkeys(("canceled", "cancelled", "killed", "aborted", "preempted"), RunState.CANCELED),
    **dict.fromkeys(("running", "pending", "scheduled", "canceling", "interrupted"), RunState.CANCELED),
}
_UNFINISHED: Final = ("running", "pending", "scheduled", "canceling", "interrupted")
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|min|m|h|d)?")
_SPANS: Final = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, None: 1.0}
_CLOCK: Final = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")
#: Numbers beyond it are milliseconds since the epoch.
_MILLISECONDS: Final = 1e11


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a table is to be understood."""

    #: of all runs, where no column says it
    algorithm: str = ""
    #: column → what it means
    given: Mapping[str, str]
    ignored: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a table of results comes to."""

    sheet: Sheet
    #: column → "config.C", "metric.auc", "branch" …; empty for one that is left out
    columns: Mapping[str, str]
    runs: tuple[Imported, ...]
    #: ids of runs that are in the store already, once it was asked
    known: frozenset[str] = frozenset()
    #: what the user should know, one sentence each
    notes: tuple[str, ...] = ()

    @property
    def new(self) -> tuple[Imported, ...]:
        """The runs that are not in the store yet."""
        return tuple(entry for entry in self.runs if entry.run.id not in self.known)


class _Wrong(Exception):
    """A cell cannot be what its column says it is."""


def understand(project: Project, environ: Mapping[str, str], sheet: Sheet, request: Request) -> Outcome:
    """Work out the runs of a table; UsageError with every problem at once."""
    names = _algorithms(sheet, request)
    recorded, notes = _recorded(project, environ, names)
    fields = {field.name for algorithm in recorded.values() for field in algorithm.config}
    metrics = {metric.name for algorithm in recorded.values() for metric in algorithm.metrics}
    columns = meanings(sheet, request.given, request.ignored, Shape(fields=fields, metrics=metrics))
    reader = _Reader(project.name, sheet, columns, request.algorithm, recorded)
    found = {entry.run.id: entry for entry in map(reader.run, sheet.lines) if entry is not None}
    if reader.problems:
        count = len(reader.problems)
        more = f"There are {count - _SHOWN} more." if count > _SHOWN else ""
        raise UsageError(f"{sheet.name} cannot be imported", more, problems=reader.problems[:_SHOWN])
    same = len(sheet.lines) - len(found)
    notes += [f"{same} of the {len(sheet.lines)} lines say the same as another one"] if same else []
    if not {Fact.CREATED, Fact.STARTED, Fact.ENDED} & set(columns.values()):
        notes.append("no column says when the runs were: they are listed as of now")
    return Outcome(sheet=sheet, columns=columns, runs=tuple(found.values()), notes=tuple(notes))


def known(home: Home, ids: Sequence[str]) -> frozenset[str]:
    """Those of the ids that a run has already."""
    return imports.known(home.store, ids)


def add(home: Home, entries: Sequence[Imported]) -> frozenset[str]:
    """Write the runs down, all or none; the ids of those that were there already."""
    for entry in entries:
        run = entry.run
        if not is_run_id(run.id) or run.project != home.project or not run.state.final or not run.imported:
            raise UsageError(f"{run.id!r} is no run that can be imported into {home.project!r}")
    return imports.add(home.store, entries)


def _algorithms(sheet: Sheet, request: Request) -> list[str]:
    """The algorithms whose runs these are."""
    if request.algorithm:
        return [request.algorithm]
    columns = [
        column for column in sheet.columns if request.given.get(column, column.strip().lower()) == Fact.ALGORITHM
    ]
    names = {str(line.values[column]).strip() for column in columns for line in sheet.lines if column in line.values}
    if not names:
        raise UsageError(
            f"{sheet.name} does not say of which algorithm the runs are",
            "Name it with --algorithm, or a column: --map COLUMN=algorithm.",
        )
    return sorted(names)


def _recorded(
    project: Project, environ: Mapping[str, str], names: Sequence[str]
) -> tuple[dict[str, Algorithm], list[str]]:
    """The algorithms as the project has them now; of those that it has not, or that do not work now, a note."""
    found: dict[str, Algorithm] = {}
    notes: list[str] = []
    known = look(project).found
    for name in names:
        if name not in known:
            notes.append(f"the project has no algorithm {name} now, so values are taken for what they look like")
            continue
        try:
            found[name] = record(project, environ, name).algorithm
        except PalmetteError as error:
            notes.append(f"{name} cannot be read now ({error.message}), so values are taken for what they look like")
    return found, notes


class _Reader:
    """Makes runs of lines, and gathers what is wrong with them."""

    def __init__(
        self, project: str, sheet: Sheet, columns: Mapping[str, str], algorithm: str, known: Mapping[str, Algorithm]
    ) -> None:
        self.problems: list[Problem] = []
        self._project, self._sheet, self._algorithm, self._known = project, sheet, algorithm, known
        self._columns = {column: meaning for column, meaning in columns.items() if meaning}
        # What is allowed has changed since; of what type a field is has hardly.
        self._fields = {
            name: {field.name: replace(field, low=None, high=None, choices=()) for field in algorithm.config}
            for name, algorithm in known.items()
        }
        self._now = time.time()

    def run(self, line: Line) -> Imported | None:
        """The run of a line; None, and problems, where it makes none."""
        facts: dict[str, Any] = {}
        config: dict[str, Json] = {}
        metrics: dict[str, float] = {}
        before = len(self.problems)
        name = self._algorithm or next((str(line.values[c]).strip() for c in self._of(Fact.ALGORITHM, line)), "")
        if not name:
            self.problems.append(Problem(where=line.where, what="it names no algorithm"))
        for column, meaning in self._columns.items():
            if column not in line.values:
                continue
            value = line.values[column]
            try:
                if meaning.startswith(CONFIG):
                    field = meaning.removeprefix(CONFIG)
                    config[field] = self._setting(self._fields.get(name, {}).get(field), value)
                elif meaning.startswith(METRIC):
                    metrics[meaning.removeprefix(METRIC)] = _number(value)
                else:
                    facts[meaning] = _fact(Fact(meaning), value)
            except (_Wrong, Refused) as wrong:
                self.problems.append(Problem(where=f"{line.where}, column {column!r}", what=str(wrong)))
        if len(self.problems) > before:
            return None
        return Imported(run=self._run(name, facts, config, metrics), metrics=metrics)

    def _of(self, fact: Fact, line: Line) -> list[str]:
        return [column for column, meaning in self._columns.items() if meaning == fact and column in line.values]

    def _setting(self, field: Field | None, value: Json) -> Json:
        if not self._sheet.texts:
            return value if field is None else accept(field, value)
        text = str(value)
        if field is None:
            return _likely(text)
        return accept(field, text) if field.type is ParameterType.STRING else read_field(field, text)

    def _run(
        self, name: str, facts: Mapping[str, Any], config: Mapping[str, Json], metrics: Mapping[str, float]
    ) -> Run:
        algorithm = self._known.get(name)
        created, started, ended = _times(facts, self._now)
        branch, state = facts.get(Fact.BRANCH, ""), facts.get(Fact.STATE, "succeeded")
        return Run(
            id=_id(self._project, name, facts, config, metrics),
            project=self._project,
            algorithm=name,
            state=_STATES[state],
            name=facts.get(Fact.NAME, name),
            description=f"imported from {self._sheet.name}",
            preset=facts.get(Fact.PRESET) or self._preset(algorithm, config),
            settings=tuple(self._settings(algorithm, config)),
            metrics=algorithm.metrics if algorithm else (),
            git=Git(
                branch=branch,
                commit=facts.get(Fact.COMMIT, ""),
                author=facts.get(Fact.AUTHOR, ""),
                message=facts.get(Fact.MESSAGE, ""),
            ),
            trigger="import",
            created=created,
            started=started,
            ended=ended,
            message=facts.get(Fact.FAILURE) or ("it was not over when it was exported" if state in _UNFINISHED else ""),
            tags=facts.get(Fact.TAGS, ()),
            note=facts.get(Fact.NOTE, ""),
            ticket=facts.get(Fact.TICKET) or ticket(branch),
        )

    def _preset(self, algorithm: Algorithm | None, config: Mapping[str, Json]) -> str:
        whole = algorithm is not None and {field.name for field in algorithm.config} <= {*config}
        return matching_preset(algorithm.config, algorithm.presets, config) if algorithm and whole else ""

    def _settings(self, algorithm: Algorithm | None, config: Mapping[str, Json]) -> list[Setting]:
        """What differs from the default was given; the algorithm's own order, then the rest."""
        defaults = {field.name: field.default for field in algorithm.config} if algorithm else {}
        order = [*(name for name in defaults if name in config), *(name for name in config if name not in defaults)]
        return [
            Setting(name=name, value=config[name])
            if name in defaults and defaults[name] == config[name]
            else Setting(name=name, value=config[name], source=Source.FILE, origin=self._sheet.name)
            for name in order
        ]


def _id(
    project: str, algorithm: str, facts: Mapping[str, Any], config: Mapping[str, Json], metrics: Mapping[str, float]
) -> str:
    """The run's own name, if it is one of ours; else one that follows from the name it had elsewhere, or from all that
    is known of it."""
    own = facts.get(Fact.ID)
    if own and is_run_id(own):
        return str(own)
    if own:
        return derived_run_id(f"{project} {algorithm} {own}")
    numbers = {name: repr(value) for name, value in metrics.items()}
    told: dict[str, Json] = {name: str(value) for name, value in facts.items()}
    return derived_run_id(canonical([project, algorithm, told, dict(config), numbers]).hex())


def _times(facts: Mapping[str, Any], now: float) -> tuple[float, float | None, float | None]:
    """When the run was created, started and ended, each from the others where it is not said."""
    started, ended, took = facts.get(Fact.STARTED), facts.get(Fact.ENDED), facts.get(Fact.DURATION)
    created = facts.get(Fact.CREATED)
    if started is None and ended is not None and took is not None:
        started = ended - took
    if started is None and took is not None:
        started = created if created is not None else now
    if ended is None and started is not None and took is not None:
        ended = started + took
    known = [moment for moment in (created, started, ended) if moment is not None]
    # A run that is over and did not say when would seem to go on for ever.
    begun = None if ended is None else started
    return (created if created is not None else min(known, default=now)), begun, ended


# Cells


def _fact(fact: Fact, value: Json) -> Any:
    match fact:
        case Fact.STATE:
            word = str(value).strip().lower()
            if word not in _STATES:
                raise _Wrong(f"{value!r} is no state: succeeded, failed, canceled")
            return word
        case Fact.CREATED | Fact.STARTED | Fact.ENDED:
            return _moment(value)
        case Fact.DURATION:
            return _span(value)
        case Fact.TAGS:
            parts = value if isinstance(value, list) else re.split(r"[,;]\s*|\s+", str(value).strip("[]() "))
            return tuple(text for text in (str(part).strip("\"' ") for part in parts) if text)
        case _:
            return str(value).strip()


def _number(value: Json) -> float:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, (int, float)) else float(str(value).strip())
    except ValueError:
        raise _Wrong(f"{value!r} is no number") from None


def _moment(value: Json) -> float:
    """Seconds since the epoch of ISO 8601, of seconds or of milliseconds; without a zone it is UTC."""
    try:
        number = _number(value)
    except _Wrong:
        text = str(value).strip().removesuffix(" UTC")
        try:
            found = datetime.fromisoformat(text.replace("/", "-"))
        except ValueError:
            raise _Wrong(f"{value!r} is no time such as 2024-05-31T10:30:00") from None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number) or number < 0:
        raise _Wrong(f"{value!r} is no time")
    return number / 1000 if number > _MILLISECONDS else number


def _span(value: Json) -> float:
    """Seconds, of a number or of "1.5 min", "0:03:20"."""
    text = str(value).strip().lower()
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if found := _SPAN.fullmatch(text):
        return float(found[1]) * _SPANS[found[2]]
    raise _Wrong(f"{value!r} is no duration such as 90, 1.5min or 0:01:30")


def _likely(text: str) -> Json:
    """What a text most likely was: a number, a truth value, a list, nothing; else itself."""
    bare = text.strip()
    words: dict[str, Json] = {"true": True, "false": False, "none": None, "null": None, "nan": None}
    if bare.lower() in words:
        return words[bare.lower()]
    try:
        found: Json = json.loads(bare.replace("'", '"') if bare.startswith("[") else bare)
    except ValueError:
        return text
    return found if not isinstance(found, float) or math.isfinite(found) else text
