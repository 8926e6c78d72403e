"""Recurring runs as people ask for them: when, of which version, with which values. What is wrong is said at once."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from palmette.domain.fields import FULL, Refused, close, read
from palmette.domain.footer import signed, split
from palmette.domain.graph import Algorithm, ParameterType
from palmette.domain.hosting import DEFAULT_EXPERIMENT, Catchup, Cron, Periodic, Pipeline, Schedule, Trigger, Version
from palmette.domain.values import Json
from palmette.errors import AlreadyThere, ConfigError, NotFound, Problem, UsageError
from palmette.ir import codec
from palmette.ir.spec import ParameterSpec, PipelineDocument
from palmette.operations import cron, submitting
from palmette.operations.finding import Looked
from palmette.operations.hosts import PipelineHost
from palmette.operations.macros import Moment, expand

S = TypeVar("S")
T = TypeVar("T")

#: what `--version` says for whichever is the newest at each tick
NEWEST: Final = "newest"
_EVERY: Final = re.compile(r"([1-9][0-9]*)\s*(s|m|min|h|d|w)")
_UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for; empty for what stays, or is usual."""

    name: str = ""
    cron: str = ""
    every: str = ""
    #: a version's name, a commit, "newest"; else the newest one of `follow`
    version: str = ""
    #: the branch whose versions it is moved to by `palmette ci update`
    follow: str = ""
    preset: str = ""
    overrides: Sequence[str] = ()
    #: parameters that are to be the pipeline's own again
    reset: Sequence[str] = ()
    experiment: str = ""
    description: str | None = None
    most: int | None = None
    catchup: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A version, and what it takes."""

    version: Version
    document: PipelineDocument
    algorithm: Algorithm

    @classmethod
    def of(cls, host: PipelineHost, version: Version) -> Offer:
        """With its document, from the host."""
        document = codec.loads(host.pipelines.document(version))
        return cls(version=version, document=document, algorithm=submitting.algorithm_of(document))

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """What it takes, by name."""
        return self.document.pipeline.root.input_definitions.parameters


def created(looked: Looked, pipeline: Pipeline, wish: Wish, default_branch: str) -> Schedule:
    """Make a recurring run. Without a version it follows a branch: it is at that one's newest version now, and
    `palmette ci update` moves it on."""
    follow = wish.follow or ("" if wish.version else default_branch)
    name = wish.name or (looked.names.algorithm(pipeline) or pipeline.name)
    if looked.namesakes(name):
        raise AlreadyThere(
            f"there is a recurring run {name!r} already",
            f"Change it: palmette schedule edit {shlex.quote(name)}, or call this one otherwise: --name NAME.",
        )
    version, follow = _chosen(looked, pipeline, wish.version, follow, must=bool(wish.follow))
    offer = Offer.of(looked.host, version)
    wanted, parameters = _together(lambda: _trigger(wish) or _missing(), lambda: _parameters(offer, {}, wish))
    facts: dict[str, Json] = {"project": looked.names.project} if looked.scoped else {}
    if looked.scoped and (follow or wish.version):
        # One that somebody pinned follows nothing.
        facts["follows"] = follow
    schedule = Schedule(
        id="",
        name=name,
        description=signed(wish.description or "", facts),
        experiment=_experiment(looked, wish, follow or str(split(version.description)[1].get("branch", ""))),
        pipeline=pipeline.id,
        version="" if wish.version == NEWEST else version.id,
        parameters=parameters,
        trigger=wanted,
        max_concurrency=wish.most or 1,
        catchup=Catchup.EACH if wish.catchup else Catchup.LATEST,
    )
    return looked.host.schedules.create(schedule)


def edited(looked: Looked, schedule: Schedule, wish: Wish, *, author: str, why: str) -> tuple[Schedule, bool]:
    """Give a recurring run other values; it as it is then, and whether anything changed."""
    text, facts = split(schedule.description)
    after = schedule
    if wish.version or wish.follow:
        pipeline = looked.pipeline(schedule.pipeline)
        version, follow = _chosen(looked, pipeline, wish.version, wish.follow, must=bool(wish.follow))
        facts = {name: value for name, value in facts.items() if name != "follows"}
        if follow:
            facts["follows"] = follow
        elif looked.scoped:
            # Pinned by hand: an update leaves it where it is.
            facts["follows"] = ""
        after = replace(after, version="" if wish.version == NEWEST else version.id)
    trigger, parameters = _together(
        lambda: _trigger(wish, schedule.trigger) or schedule.trigger, lambda: _given(looked, schedule, after, wish)
    )
    after = replace(
        after,
        name=wish.name or after.name,
        description=signed(text if wish.description is None else wish.description, facts),
        trigger=trigger,
        parameters=parameters,
        experiment=looked.experiment(wish.experiment).id if wish.experiment else after.experiment,
        max_concurrency=wish.most or after.max_concurrency,
        catchup=after.catchup if wish.catchup is None else Catchup.EACH if wish.catchup else Catchup.LATEST,
    )
    if after == schedule:
        return schedule, False
    return looked.host.schedules.replace(schedule, after, author=author, why=why), True


def _given(looked: Looked, schedule: Schedule, after: Schedule, wish: Wish) -> Mapping[str, Json]:
    """The parameters of a recurring run at the version that it is to have."""
    if not (wish.overrides or wish.reset or wish.preset or wish.version or wish.follow):
        return schedule.parameters
    if not after.pipeline:
        raise UsageError(f"{schedule.name} has a pipeline of its own, not a version", "Make it anew from a version.")
    return _parameters(_offer(looked, after), schedule.parameters, wish)


def _together(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Both, or what is wrong with both."""
    try:
        one = first()
    except UsageError as error:
        problems = error.problems or (Problem(where="", what=error.message, hint=error.hint),)
        try:
            second()
        except UsageError as other:
            raise ConfigError(other.message, problems=[*problems, *other.problems]) from None
        raise
    return one, second()


def _experiment(looked: Looked, wish: Wish, branch: str) -> str:
    """The experiment that is named, else the branch's (made if need be), else the one for runs that name none."""
    if wish.experiment:
        return looked.experiment(wish.experiment).id
    if branch and looked.scoped:
        about = signed("", {"project": looked.names.project, "branch": branch})
        return looked.host.experiments.create(looked.names.experiment(branch), description=about).id
    usual = looked.host.experiments.named(DEFAULT_EXPERIMENT)
    return usual.id if usual else ""


def _offer(looked: Looked, schedule: Schedule) -> Offer:
    pipeline = looked.pipeline(schedule.pipeline)
    if not schedule.version:
        return Offer.of(looked.host, looked.newest(pipeline))
    return Offer.of(looked.host, looked.version(pipeline, schedule.version))


def _chosen(looked: Looked, pipeline: Pipeline, said: str, follow: str, *, must: bool) -> tuple[Version, str]:
    """The version that is meant, and the branch that it follows; `must`: somebody said which."""
    if said:
        return looked.version(pipeline, said), follow
    try:
        return looked.newest(pipeline, follow), follow
    except NotFound:
        if must:
            raise
        # Versions that were uploaded by hand are of no branch.
        return looked.newest(pipeline), ""


def _trigger(wish: Wish, before: Trigger | None = None) -> Trigger | None:
    """When it runs; None where nothing is said. UsageError for what is no time."""
    if wish.cron and wish.every:
        raise UsageError("--cron and --every exclude each other", "Give one of them.")
    start, end = (before.start, before.end) if before else (None, None)
    if wish.cron:
        cron.parse(wish.cron)
        if len(wish.cron.split()) == 5:
            hint = f'Write seconds first: --cron "0 {wish.cron}", if you mean it as crontab does.'
            raise UsageError("a host reads five fields as second, minute, hour, day and month", hint)
        return Cron(expression=wish.cron, start=start, end=end)
    if wish.every:
        return Periodic(interval=seconds(wish.every), start=start, end=end)
    return None


def seconds(span: str) -> int:
    """The length of "90m", "6h", "1d", "1w"; UsageError for anything else."""
    found = _EVERY.fullmatch(span.strip().lower())
    if found is None:
        raise UsageError(f"--every {span!r} is no length of time", "Write 30m, 6h, 1d or 1w.")
    return int(found[1]) * _UNITS[found[2]]


def _missing() -> Trigger:
    hint = '--every 1d, or --cron "0 0 3 * * *" (seconds first: every night at 3).'
    raise UsageError("nothing says when it runs", hint)


def _parameters(offer: Offer, before: Mapping[str, Json], wish: Wish) -> dict[str, Json]:
    """What it is given: what it had, the preset over it, the overrides over that. ConfigError with all that the version
    does not take."""
    found, problems = dict(before), list[Problem]()
    known = offer.parameters
    if wish.preset:
        found = {**found, **_preset(offer, wish.preset, problems)}
    for name in wish.reset:
        if name not in known:
            problems.append(_unknown(f"--reset {name}", name, known))
        found.pop(name, None)
    for text in wish.overrides:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            problems.append(Problem(where=text, what="this is no override", hint="Write NAME=VALUE."))
        elif name not in known:
            problems.append(_unknown(text, name, known))
        else:
            try:
                found[name] = _read(offer, name, value)
            except Refused as refusal:
                problems.append(Problem(where=text, what=str(refusal), hint=refusal.hint))
    wrong = {problem.where.partition("=")[0] for problem in problems}
    # Macros are expanded at each tick: what comes of them is what must be allowed.
    at = Moment(run="run", now=time.time(), scheduled=time.time(), index=1)
    expanded = {name: expand(value, at) for name, value in found.items()}
    try:
        submitting.settle(offer.document, offer.algorithm, expanded)
    except ConfigError as error:
        problems += [each for each in error.problems if each.where not in wrong]
    if problems:
        raise ConfigError(f"{offer.version.name} does not take these values", problems=problems)
    return found


def _preset(offer: Offer, name: str, problems: list[Problem]) -> Mapping[str, Json]:
    presets = offer.algorithm.presets
    if name == FULL or name in presets:
        return presets.get(name, {})
    hint = close(name, presets) or f"There are: {', '.join(dict.fromkeys([FULL, *presets]))}."
    problems.append(Problem(where="--preset", what=f"no preset is named {name!r}", hint=hint))
    return {}


def _unknown(where: str, name: str, known: Mapping[str, object]) -> Problem:
    hint = close(name, known) or (f"There are: {', '.join(known)}." if known else "The pipeline takes none.")
    return Problem(where=where, what=f"there is no parameter {name!r}", hint=hint)


def _read(offer: Offer, name: str, text: str) -> Json:
    """A value as it was typed: by the algorithm's field, else by the parameter's type."""
    field = next((each for each in offer.algorithm.config if each.name == name), None)
    if field is not None and "[[" not in text:
        return read(field, text)
    if offer.parameters[name].parameter_type == ParameterType.STRING:
        return text
    try:
        found: Json = json.loads(text)
    except ValueError:
        raise Refused(f"{text!r} is no value of this parameter's type", "Write it as JSON.") from None
    return found
