"""Recurring runs that follow a branch: which of them do, and what becomes of their values at its next version."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from palmette.domain.footer import split
from palmette.domain.hosting import Schedule, Version
from palmette.domain.values import Json, canonical
from palmette.engine.parameters import plain
from palmette.errors import ConfigError
from palmette.ir import codec
from palmette.ir.spec import ParameterSpec, PipelineDocument
from palmette.operations.macros import Moment, expand
from palmette.operations.submitting import algorithm_of, settle
from palmette.store.identity import new_run_id


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The values of a recurring run at another version."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: those that were the old version's defaults, and are the new one's now
    followed: tuple[str, ...] = ()
    #: why the new version cannot be given them, as a sentence without a full stop; empty where it can
    why: str = ""


def follows(schedule: Schedule, version: Version | None, branch: str, project: str) -> str:
    """Why a recurring run of a project's pipeline does not follow the branch, as a sentence without a full stop; empty
    where it does. `version` is the one that it has; None for one that is gone, or none."""
    _, own = split(schedule.description)
    if own.get("project", project) != project:
        return f"it belongs to the project {own['project']}"
    if "follows" in own:
        followed = str(own["follows"] or "")
        kept = "somebody pinned it there" if schedule.version else "it is to take the newest version, whosever that is"
        return "" if followed == branch else f"it follows {followed}" if followed else kept
    if not schedule.version:
        return ""
    if version is None:
        return "its version is gone"
    _, facts = split(version.description)
    of = str(facts.get("branch") or "")
    if facts.get("project") == project and of == branch:
        return ""
    return f"it is at a version of {of}" if of else "its version was uploaded by hand"


def merge(given: Mapping[str, Json], before: bytes | None, after: bytes) -> Merged:
    """What somebody gave a recurring run, at another version of its pipeline, by the documents of both: a value that
    was the default follows the default, any other one stays. Without the old document all of them stay."""
    new = codec.loads(after)
    was, becomes = _declared(codec.loads(before)) if before is not None else {}, _declared(new)
    parameters: dict[str, Json] = {}
    followed: list[str] = []
    for name, value in given.items():
        old, now = was.get(name), becomes.get(name)
        usual = old is not None and old.has_default and _same(value, old.default_value)
        if usual and now is None:
            followed.append(name)
        elif usual and now is not None and now.has_default and not _same(value, now.default_value):
            parameters[name] = now.default_value
            followed.append(name)
        else:
            parameters[name] = value
    return Merged(parameters=parameters, followed=tuple(followed), why=_refused(new, parameters))


def _declared(document: PipelineDocument) -> Mapping[str, ParameterSpec]:
    return document.pipeline.root.input_definitions.parameters


def _same(one: Json, other: Json) -> bool:
    return canonical(plain(one)) == canonical(plain(other))


def _refused(document: PipelineDocument, parameters: Mapping[str, Json]) -> str:
    """What the pipeline has against these values."""
    moment = Moment(run=new_run_id(), now=time.time(), scheduled=time.time(), index=1)
    try:
        settle(document, algorithm_of(document), {name: expand(value, moment) for name, value in parameters.items()})
    except ConfigError as error:
        return "; ".join(f"{each.where} {each.what}".strip() for each in error.problems) or error.message
    return ""
