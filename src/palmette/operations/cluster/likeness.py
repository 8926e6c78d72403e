"""What was seen of a Kubeflow's run → the run as a home has it: pure, and the same for equal sights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.compile.outcomes import NAME
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.config import matching_preset
from palmette.domain.fields import FULL
from palmette.domain.fingerprint import Parts
from palmette.domain.graph import Algorithm
from palmette.domain.hosting import MIRRORED
from palmette.domain.lines import Commit
from palmette.domain.run import Environment, Git, Pin, PointsLogged, Run, Setting, Source, TaskRecord, upstream
from palmette.domain.states import RunState, TaskState
from palmette.domain.ticket import ticket
from palmette.domain.values import Json
from palmette.engine import outcome as engine
from palmette.engine.plan import PlannedTask
from palmette.engine.planning import plan as make_plan
from palmette.errors import PalmetteError
from palmette.ir.spec import PipelineDocument
from palmette.operations import messages, submitting
from palmette.operations.cluster.iterations import Iterations
from palmette.operations.cluster.looking import Looked, Node
from palmette.operations.cluster.outcomes import Kept, Made, Outcome
from palmette.operations.delivered import delivered
from palmette.runtime.request import KEPT

#: names of artifacts that a sentence lists
_SHOWN: Final = 6
#: parts of a workflow that are no tasks of the pipeline's author
_OTHERS: Final = ("executor", "root")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that is known of a run elsewhere."""

    #: its id here, and whose it is here
    id: str
    project: str
    looked: Looked
    #: from the footers of its experiment, its version and itself
    facts: Mapping[str, Json] = field(default_factory=dict)
    version: str = ""
    document: PipelineDocument | None = None
    #: digest of the document's bytes
    spec: str = ""
    outcomes: tuple[Outcome, ...] = ()
    #: sentences without a full stop: where it is executed, and what of it could not be brought
    where: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """The run, and the bytes that belong to it."""

    run: Run
    tasks: tuple[TaskRecord, ...] = ()
    logged: tuple[PointsLogged, ...] = ()
    #: the commits of its target branch that are known where it was drawn
    history: tuple[Commit, ...] = ()
    #: SHA-256 → bytes
    contents: Mapping[str, bytes] = field(default_factory=dict)
    #: sentences without a full stop: what of it could not be brought
    lost: tuple[str, ...] = ()


def drawn(sight: Sight) -> Likeness:
    """The run as it was seen."""
    algorithm = submitting.algorithm_of(sight.document) if sight.document else Algorithm(name="", target="")
    run = _run(sight, algorithm)
    iterations = Iterations.of(sight.document, sight.outcomes, run.config)
    records, notes = _tasks(sight, run.config, iterations)
    found = _Found.of(iterations, records)
    records, contents, left = _made(sight, found, records)
    logged = tuple(_logged(sight, found, records))
    lost = tuple(dict.fromkeys((*sight.lost, *notes, *left)))
    notices = tuple(filter(None, (sight.where, _stayed(found), *lost)))
    return Likeness(run=replace(run, notices=notices), tasks=records, logged=logged, contents=contents, lost=lost)


# The run


def _run(sight: Sight, algorithm: Algorithm) -> Run:
    found, facts = sight.looked.run, sight.facts
    settings = _settings(sight, algorithm)
    branch = str(facts.get("branch") or "")
    steps = list(delivered(sight.document)) if sight.document else []
    named = str(facts.get("algorithm") or algorithm.name or found.name)
    ended = found.ended if found.state.final else None
    started = sight.looked.started
    return Run(
        id=sight.id,
        project=sight.project,
        algorithm=named,
        state=found.state,
        name=found.name,
        description=found.description,
        preset=str(facts.get("preset") or "") or _preset(algorithm, settings),
        settings=settings,
        metrics=algorithm.metrics,
        git=Git(branch=branch, commit=str(facts.get("commit") or "")),
        bundle=next((each.bundle for each in steps), ""),
        environment=_environment(sight.document),
        spec=sight.spec,
        version=sight.version,
        trigger="schedule" if found.schedule else "ci" if facts.get("key") else "api",
        created=found.created,
        started=started if started is not None or not ended else found.created,
        ended=ended if ended is not None or not found.state.final else found.created,
        message=found.message,
        ticket=_ticket(facts, branch),
        scheduled=sight.looked.scheduled,
        queue=MIRRORED,
        root=sight.looked.root,
        service_account=sight.looked.account,
    )


def _ticket(facts: Mapping[str, Json], branch: str) -> str:
    named = facts.get("tickets")
    return str(named[0]) if isinstance(named, list) and named else ticket(branch)


def _settings(sight: Sight, algorithm: Algorithm) -> tuple[Setting, ...]:
    """What it was given, and the defaults of its version."""
    given = dict(sight.looked.run.parameters)
    declared = sight.document.pipeline.root.input_definitions.parameters if sight.document else {}
    usual = {name: spec.default_value for name, spec in declared.items() if spec.has_default or spec.is_optional}
    values = {**usual, **{name: value for name, value in given.items() if value is not None}}
    whole = {name: _whole(algorithm, name, value) for name, value in values.items()}
    order = [entry.name for entry in algorithm.config if entry.name in whole]
    return tuple(
        Setting(
            name=name,
            value=whole[name],
            source=Source.OVERRIDE if name in given and whole[name] != usual.get(name) else Source.DEFAULT,
        )
        for name in dict.fromkeys([*order, *whole])
    )


def _whole(algorithm: Algorithm, name: str, value: Json) -> Json:
    """A cluster has one kind of numbers: an integer is one again where it was declared as one, and a float as well."""
    declared = next((entry.type.value for entry in algorithm.config if entry.name == name), "")
    if declared == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
        return int(value)
    if declared == "NUMBER_DOUBLE" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _preset(algorithm: Algorithm, settings: Sequence[Setting]) -> str:
    values = {each.name: each.value for each in settings}
    return matching_preset(algorithm.config, algorithm.presets, values) or FULL


def _environment(document: PipelineDocument | None) -> Environment:
    """The pins that its steps were compiled with."""
    if document is None:
        return Environment()
    own = next((each for each in delivered(document) if not each.environment), None)
    if own is None:
        return Environment()
    containers = [each.container for each in document.pipeline.executors.values() if each.container]
    digests = [each.env["PALMETTE_ENVIRONMENT"] for each in containers if "PALMETTE_ENVIRONMENT" in each.env]
    pins = tuple(Pin(name=name, version=version) for name, version in own.pins.items())
    return Environment(digest=digests[0] if digests else "", python=own.python, pins=pins)


# Its tasks


def _tasks(
    sight: Sight, config: Mapping[str, Json], iterations: Iterations
) -> tuple[tuple[TaskRecord, ...], tuple[str, ...]]:
    """The tasks of its pipeline as its nodes say they are; without a pipeline that can be read, the nodes alone."""
    nodes = _by_key(sight.looked.nodes)
    final = sight.looked.run.state.final
    if sight.document is not None:
        try:
            plan = make_plan(sight.document, dict(config), images=True)
        except PalmetteError as error:
            notes: tuple[str, ...] = (f"its pipeline cannot be read here: {error.message}",)
        else:
            planned = [each for each in plan.planned if not _gathers(each.name)]
            found = [_record(each.record(), _planned(each), nodes, final) for each in planned]
            looped = [each for pattern in plan.patterns for each in _iterations(pattern, nodes, iterations, final)]
            return (*found, *looped), ()
    else:
        notes = ("its pipeline is not there any more",) if final else ()
    rest = ((key, node) for key, several in nodes.items() for node in several if not _gathers(key))
    named = [
        replace(_seen(TaskRecord(name=f"{key}-{number}", executor=key, component=key), node, final))
        for number, (key, node) in enumerate(rest, start=1)
    ]
    return tuple(named), notes


def _gathers(name: str) -> bool:
    return name.rpartition(".")[2].startswith(NAME)


def _by_key(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """The nodes that stand for tasks, by their keys, the oldest first; the state of each as that of its pods has it."""
    states = {node.id: node.state for node in nodes}
    found: dict[str, list[Node]] = {}
    for node in sorted(nodes, key=lambda each: each.created):
        if node.name in _OTHERS or node.name.endswith("-driver"):
            continue
        inner = {states[pod] for pod in node.pods if pod in states and pod != node.id}
        reused = node.state is TaskState.SUCCEEDED and inner == {TaskState.SKIPPED}
        found.setdefault(node.name, []).append(replace(node, state=TaskState.CACHED) if reused else node)
    return found


def _planned(each: object) -> Parts | None:
    """What its container was compiled from: as much as is known of a task elsewhere."""
    if not isinstance(each, PlannedTask) or not each.captured:
        return None
    surroundings = each.container.env
    return Parts(
        what=each.step,
        image=each.container.image,
        closure=surroundings["PALMETTE_CLOSURE"],
        environment=surroundings.get("PALMETTE_ENVIRONMENT", ""),
    )


def _record(record: TaskRecord, parts: Parts | None, nodes: Mapping[str, list[Node]], final: bool) -> TaskRecord:
    several = nodes.get(record.name.rpartition(".")[2]) or nodes.get(record.component) or []
    # Two calls of a nested pipeline have tasks of one name: they are told apart by when they began.
    node = several.pop(0) if len(several) > 1 else several[0] if several else None
    return replace(_seen(record, node, final), parts=parts)


def _iterations(
    pattern: PlannedTask, nodes: Mapping[str, list[Node]], iterations: Iterations, final: bool
) -> Iterator[TaskRecord]:
    """What became of a task in the body of a loop: one record for each node."""
    if _gathers(pattern.name):
        return
    several = nodes.get(pattern.name.rpartition(".")[2], [])
    places = iterations.numbered(pattern.name, [node.state.good for node in several])
    for place, node in sorted(zip(places, several, strict=True), key=lambda each: each[0]):
        name, title = pattern.name, pattern.title
        for key, number in place:
            name = name.replace(f"{key}.0.", f"{key}.{number}.", 1)
        numbers = "".join(f"[{number}]" for _, number in place)
        title = title.replace("[0]" * len(place), numbers, 1)
        record = TaskRecord(name=name, executor=pattern.executor, component=title)
        yield replace(_seen(record, node, final), parts=_planned(pattern), needs=())


def _seen(record: TaskRecord, node: Node | None, final: bool) -> TaskRecord:
    if node is None:
        return replace(record, state=TaskState.SKIPPED if final else TaskState.PENDING)
    state = node.state
    if final and not state.final:
        state = TaskState.CANCELED
    started = node.started if state not in (TaskState.PENDING, TaskState.SKIPPED) else None
    ended = node.ended if state.final else None
    return replace(record, state=state, started=started, ended=ended, message=node.message)


# What they made


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the outcomes tell of, by the names of the tasks here."""

    made: tuple[tuple[str, Made], ...] = ()
    kept: Mapping[str, Kept] = field(default_factory=dict)

    @classmethod
    def of(cls, iterations: Iterations, records: Sequence[TaskRecord]) -> _Found:
        """Everything that is of a task that is here."""
        made: list[tuple[str, Made]] = []
        kept: dict[str, Kept] = {}
        for outcome, names in iterations.assigned(records):
            made += [(names[each.task], each) for each in outcome.measured if each.task in names]
            for each in outcome.kept:
                if each.task in names:
                    made += [(names[each.task], artifact) for artifact in each.made]
                    kept[names[each.task]] = each
        return cls(made=tuple(made), kept=kept)


def _made(
    sight: Sight, found: _Found, records: tuple[TaskRecord, ...]
) -> tuple[tuple[TaskRecord, ...], dict[str, bytes], list[str]]:
    """The tasks with what they gave, the bytes of their artifacts, and what was left out."""
    contents: dict[str, bytes] = {}
    left: list[str] = []
    made: dict[str, dict[str, Artifact]] = {}
    confidential = _confidential(sight.document, records)
    for name, each in found.made:
        if each.left:
            what = f"{each.task}.{each.output}" if each.output != KEPT else f"what {each.task} made beside metrics"
            left.append(f"{what} is not mirrored: {each.left}")
            continue
        sha256 = messages.sha256(each.content)
        contents[sha256] = each.content
        metadata = {**each.metadata, **({"sensitive": True} if name in confidential else {})}
        made.setdefault(name, {})[each.output] = Artifact(
            type=each.type,
            digest=f"sha256:{sha256}",
            size=len(each.content),
            filename=each.filename,
            metadata=metadata,
        )
    told = {*made, *found.kept}
    values = {name: each.values for name, each in found.kept.items()}
    cut = [each.task for each in found.kept.values() if each.cut]
    left += [f"the curves of {each} are cut: it logged more than is taken" for each in cut]
    drawn = tuple(
        replace(each, outputs=Outputs(parameters=values.get(each.name, {}), artifacts=made.get(each.name, {})))
        if each.name in told
        else each
        for each in records
    )
    return drawn, contents, left


def _stayed(found: _Found) -> str:
    """What to say of artifacts that are too large to come along; empty where there are none."""
    names = dict.fromkeys(f"{each.task}.{name}" for each in found.kept.values() for name in each.stayed)
    shown = [*names][:_SHOWN] + ([f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])
    return f"left there, being large or no single file: {', '.join(shown)}" if names else ""


def _confidential(document: PipelineDocument | None, records: Sequence[TaskRecord]) -> frozenset[str]:
    """The tasks that something sensitive was made from: where nothing says, all of them."""
    if document is None or not document.platform.palmette:
        return frozenset(record.name for record in records)
    labels = {label for label, config in document.platform.palmette.items() if config.sensitive}
    needs = {record.name: record.needs for record in records if not record.group}
    secret = {record.name for record in records if record.executor in labels}
    # Of a loop's tasks it is not known here what they wait for.
    loose = {record.name for record in records if secret and not record.needs and record.component.endswith("]")}
    behind = {name for name, wanted in needs.items() if secret & upstream(wanted, needs)}
    return frozenset(behind | loose)


def _logged(sight: Sight, found: _Found, records: Sequence[TaskRecord]) -> Iterator[PointsLogged]:
    """What the tasks logged, and then the metrics of what they made, as the engine takes them. Of artifacts whose bytes
    are not here too, as far as their numbers are."""
    untaken: dict[str, dict[str, Artifact]] = {}
    for name, each in found.made:
        if each.left and not each.metadata.get("sensitive"):
            artifact = Artifact(type=each.type, digest="", size=0, filename="", metadata=each.metadata)
            untaken.setdefault(name, {})[each.output] = artifact
    for record in records:
        time = record.ended or sight.looked.run.ended or sight.looked.run.created
        points = found.kept[record.name].points if record.name in found.kept else ()
        if points and record.state is TaskState.CACHED:
            late = time - max(point.time for point in points)
            points = tuple(replace(point, time=point.time + late) for point in points)
        if points:
            yield PointsLogged(task=record.name, serial=0, points=points, position=1)
        outputs = Outputs(artifacts={**untaken.get(record.name, {}), **record.outputs.artifacts})
        if measured := engine.metrics(outputs, time):
            yield PointsLogged(task=record.name, serial=0, points=measured, position=2)


__all__ = ["Likeness", "RunState", "Sight", "drawn"]
