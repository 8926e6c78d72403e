"""What a step takes and gives, from its annotations; and its arguments and results, by those names.

Types are recognised by where their classes come from; no library is imported to do so.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePath
from types import NoneType
from typing import Any, Final

from palmette.authoring.annotations import Format, Model, Sensitive
from palmette.authoring.configs import build, group, leaves
from palmette.authoring.parameters import (
    Parameter,
    Unsupported,
    decode,
    encode,
    evaluated,
    listed,
    members,
    named,
    parameter,
)
from palmette.authoring.parameters import plain as stripped
from palmette.authoring.references import Reference
from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
from palmette.authoring.status import FinalStatus
from palmette.domain.graph import ArtifactType

#: Stands where nothing was said.
NOTHING: Final = inspect.Parameter.empty


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type between steps: either a parameter or an artifact of a format."""

    parameter: Parameter | None = None
    artifact: ArtifactType | None = None
    format: str = ""
    custom: Format | None = None
    sensitive: bool = False
    #: None is allowed
    optional: bool = False
    #: a list of such artifacts
    many: bool = False
    #: modules that the format imports when it reads or writes
    imports: tuple[str, ...] = ()
    #: the classes that were declared, of an artifact
    classes: tuple[type, ...] = ()
    #: as its author wrote it
    declared: str = ""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A parameter of a step's function."""

    name: str
    #: None where it has no annotation, or one that cannot be read: then `why`
    kind: Kind | None = None
    #: a dataclass whose fields are the inputs "name.field"
    group: type | None = None
    default: Any = NOTHING
    #: it cannot be given by name
    positional: bool = False
    #: the backend fills it in
    status: bool = False
    why: str = ""


class Shape(StrEnum):
    """How a result holds the outputs."""

    NONE = "none"
    ONE = "one"
    TUPLE = "tuple"
    #: by attribute, by key of a mapping, or as a tuple in their order
    NAMES = "names"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A step's inputs and outputs, and everything that is wrong with them, as (what, hint)."""

    slots: tuple[Slot, ...] = ()
    outputs: Mapping[str, Kind] = field(default_factory=dict)
    shape: Shape = Shape.NONE
    problems: tuple[tuple[str, str], ...] = ()

    def bind(self, parameters: Mapping[str, Any], artifacts: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and named arguments, from parameter values and from artifacts that were read.

        An absent value means None where that is allowed, else the function's own default. ValueError names the one
        that is not allowed.
        """
        positional: list[Any] = []
        by_name: dict[str, Any] = {}
        for slot in self.slots:
            try:
                found, value = self._argument(slot, parameters, artifacts)
            except ValueError as error:
                raise ValueError(f"{slot.name}: {error}") from None
            if found and slot.positional:
                positional.append(value)
            elif found:
                by_name[slot.name] = value
        return positional, by_name

    def _argument(self, slot: Slot, parameters: Mapping[str, Any], artifacts: Mapping[str, Any]) -> tuple[bool, Any]:
        if slot.name in artifacts:
            return True, artifacts[slot.name]
        if slot.status:
            return True, FinalStatus.read(parameters.get(slot.name) or {})
        if slot.kind and slot.kind.many and slot.name not in parameters and slot.default is NOTHING:
            return True, []  # of a loop without items
        if slot.group is not None:
            values = {name: parameters.get(f"{slot.name}.{name}") for name in _names(slot.group)}
            given = slot.default is NOTHING or any(value is not None for value in values.values())
            return given, build(slot.group, values) if given else None
        if slot.name in parameters:
            return True, decode(parameter_in(slot.kind) if slot.kind else None, parameters[slot.name])
        return slot.default is NOTHING and slot.kind is not None and slot.kind.optional, None

    def spread(self, result: Any) -> dict[str, Any]:
        """The outputs in a result by name; TypeError if it does not hold exactly those."""
        names = tuple(self.outputs)
        match self.shape:
            case Shape.NONE:
                return {}
            case Shape.ONE:
                return {names[0]: result}
            case Shape.TUPLE:
                if not isinstance(result, (tuple, list)) or len(result) != len(names):
                    size = f" of {len(result)}" if isinstance(result, (tuple, list)) else ""
                    raise TypeError(f"a tuple of {len(names)} is declared, not a {type(result).__name__}{size}")
                return dict(zip(names, result, strict=True))
            case Shape.NAMES:
                mapping = isinstance(result, Mapping)
                if type(result) is tuple and len(result) == len(names):
                    return dict(zip(names, result, strict=True))
                missing = [name for name in names if not (name in result if mapping else hasattr(result, name))]
                if missing:
                    raise TypeError(f"the {type(result).__name__} it gave has no {', '.join(missing)}")
                return {name: result[name] if mapping else getattr(result, name) for name in names}


def _names(config: type) -> list[str]:
    return [leaf.field.name for leaf in leaves(config)[0]]


def parameter_in(kind: Kind) -> Parameter | None:
    """How a value of the kind travels as a parameter, if it can: a `Path` that is given as a text is a path too."""
    return kind.parameter or (parameter(list[Path] if kind.many else Path) if kind.format == "path" else None)


def collected(kind: Kind) -> Kind:
    """The kind of a list of such values."""
    declared = f"list[{kind.declared}]"
    if kind.parameter is None:
        return replace(kind, many=True, declared=declared)
    item = replace(kind.parameter, field=replace(kind.parameter.field, optional=False))
    return replace(kind, parameter=listed(item, declared), optional=False, declared=declared)


_OWN: Final[Mapping[type, tuple[str, ArtifactType, tuple[str, ...]]]] = {
    HTML: ("html", ArtifactType.HTML, ()),
    Markdown: ("markdown", ArtifactType.MARKDOWN, ()),
    Text: ("text", ArtifactType.ARTIFACT, ()),
    Metrics: ("metrics", ArtifactType.METRICS, ()),
    Evaluation: ("evaluation", ArtifactType.METRICS, ("numpy",)),
    Image: ("image", ArtifactType.ARTIFACT, ()),
    PurePath: ("path", ArtifactType.ARTIFACT, ()),
    bytes: ("bytes", ArtifactType.ARTIFACT, ()),
    Reference: ("reference", ArtifactType.ARTIFACT, ()),
}
#: by top-level module and name of a class or one of its bases
_FOREIGN: Final[Mapping[tuple[str, str], tuple[str, ArtifactType, tuple[str, ...]]]] = {
    ("pandas", "DataFrame"): ("pandas", ArtifactType.DATASET, ("pandas", "pyarrow.parquet")),
    ("polars", "DataFrame"): ("polars", ArtifactType.DATASET, ("polars", "pyarrow.parquet")),
    ("pyarrow", "Table"): ("arrow", ArtifactType.DATASET, ("pyarrow.parquet",)),
    ("numpy", "ndarray"): ("numpy", ArtifactType.DATASET, ("numpy",)),
    ("sklearn", "BaseEstimator"): ("joblib", ArtifactType.MODEL, ("joblib",)),
    ("matplotlib", "Figure"): ("image", ArtifactType.ARTIFACT, ("matplotlib.figure",)),
    ("PIL", "Image"): ("image", ArtifactType.ARTIFACT, ("PIL.Image",)),
}
#: Formats of one family can be read as each other.
TABLES: Final = frozenset({"pandas", "polars", "arrow"})


def _artifact(member: Any) -> tuple[str, ArtifactType, tuple[str, ...]] | None:
    bare, _ = stripped(member)
    known = typing.get_origin(bare) or bare
    if not isinstance(known, type):
        return None
    for base in known.__mro__:
        found = _OWN.get(base) or _FOREIGN.get((base.__module__.partition(".")[0], base.__name__))
        if found is not None:
            return found
    return None


def kind_of(declared: Any) -> Kind:
    """What a type is between steps; Unsupported if it is nothing."""
    bare, notes = stripped(declared)
    options = [member for member in members(bare) if member is not NoneType]
    notes = sum((stripped(member)[1] for member in options), notes)
    common = Kind(
        sensitive=any(note is Sensitive or isinstance(note, Sensitive) for note in notes),
        optional=NoneType in members(bare),
        declared=named(declared),
        classes=tuple(option for option in (stripped(member)[0] for member in options) if isinstance(option, type)),
    )
    custom = next((note for note in notes if isinstance(note, Format)), None)
    model = any(note is Model or isinstance(note, Model) for note in notes)
    if custom is not None:
        kept = ArtifactType.MODEL if model else ArtifactType.ARTIFACT
        return replace(common, artifact=kept, format="custom", custom=custom)
    artifacts = [_artifact(member) for member in options]
    if artifacts and artifacts[0] is not None and all(found == artifacts[0] for found in artifacts):
        form, artifact, imports = artifacts[0]
        return replace(common, artifact=ArtifactType.MODEL if model else artifact, format=form, imports=imports)
    if not any(artifacts):
        found = parameter(declared)
        if found is not None and model:
            hint = f"Give it a format: Annotated[{named(bare)}, Model, Format(read, write)]."
            raise Unsupported(f"a Model is kept as a file, and {named(bare)} is a value", hint)
        if found is not None:
            return replace(common, parameter=found, optional=found.field.optional)
    raise Unsupported(
        f"{named(declared)} is no type that Palmette knows how to keep",
        f"Say how: Annotated[{named(bare)}, Format(read, write)], with two functions of a module.",
    )


def signature_of(
    function: Callable[..., Any],
    inputs: Mapping[str, Any] | None = None,
    outputs: Any = NOTHING,
    sensitive: bool | tuple[str, ...] = False,
) -> Signature:
    """What a function takes and gives. `inputs` and `outputs` stand for annotations that it has not."""
    problems: list[tuple[str, str]] = []
    namespace = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        declared = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        named_only = inspect.Parameter.KEYWORD_ONLY
        declared = inspect.Signature([inspect.Parameter(name, named_only) for name in inputs or ()])
    if inspect.iscoroutinefunction(function):
        problems.append(("an async function cannot be a step", "Await inside the step: asyncio.run(…)."))
    slots = tuple(_slots(declared, dict(inputs or {}), namespace, problems))
    try:
        said = outputs if outputs is not NOTHING else declared.return_annotation
        shape, kinds = _outputs(said, namespace)
    except Unsupported as error:
        problems.append((f"what it returns: {error}", error.hint))
        shape, kinds = Shape.NONE, {}
    if isinstance(sensitive, tuple):
        problems += [
            (f"it has no output {name!r} that could be sensitive", "") for name in sensitive if name not in kinds
        ]
    marked = kinds if sensitive is True else sensitive or ()
    kinds = {name: replace(kind, sensitive=kind.sensitive or name in marked) for name, kind in kinds.items()}
    hint = "Return a table, Text, a file or another artifact."
    problems += [
        (f"output {name!r} is sensitive, and a parameter stands in the run's record", hint)
        for name, kind in kinds.items()
        if kind.sensitive and kind.parameter is not None
    ]
    return Signature(slots=slots, outputs=kinds, shape=shape, problems=tuple(problems))


def _slots(
    declared: inspect.Signature, inputs: dict[str, Any], namespace: Mapping[str, Any], problems: list[tuple[str, str]]
) -> Iterator[Slot]:
    variable, fixed = False, bool(inputs)
    for name, entry in declared.parameters.items():
        if entry.kind in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD):
            variable = variable or entry.kind is entry.VAR_KEYWORD
            if not fixed:
                problems.append(
                    (f"it takes {str(entry).partition(':')[0]}", "Name each input: a step has a fixed set.")
                )
            continue
        annotation = inputs.pop(name, entry.annotation)
        slot = Slot(name=name, default=entry.default, positional=entry.kind is entry.POSITIONAL_ONLY)
        yield _typed(slot, annotation, namespace, problems)
    for name, annotation in inputs.items():
        if variable:
            yield _typed(Slot(name=name), annotation, namespace, problems)
        else:
            problems.append((f"it has no parameter {name!r}, which `inputs` names", ""))


def _typed(slot: Slot, annotation: Any, namespace: Mapping[str, Any], problems: list[tuple[str, str]]) -> Slot:
    if annotation is NOTHING:
        return slot
    try:
        declared = evaluated(annotation, namespace)
        if declared is Any or declared is object:
            return slot
        nested = group(declared) if declared is not FinalStatus else None
        if nested is not None and _artifact(nested) is None and not _formatted(declared):
            problems += [(f"parameter {slot.name!r}: {problem}", "") for problem in leaves(nested)[1]]
            return replace(slot, group=nested)
        if declared is FinalStatus:
            return replace(slot, status=True)
        kind = _many(declared) or kind_of(declared)
        if slot.default is None:
            kind = replace(kind, optional=True)
        elif kind.optional and slot.default is not NOTHING:
            raise Unsupported("an absent value means None, but its default is another", "Make its default None.")
        elif kind.parameter is not None and slot.default is not NOTHING:
            encode(kind.parameter, slot.default)
        return replace(slot, kind=kind)
    except (Unsupported, ValueError) as error:
        problems.append((f"parameter {slot.name!r}: {error}", getattr(error, "hint", "")))
        return replace(slot, why=str(error))


def _many(declared: Any) -> Kind | None:
    """The kind of a list of artifacts; None for anything else."""
    bare, _ = stripped(declared)
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) not in (list, Sequence) or not arguments:
        return None
    if not _formatted(arguments[0]) and _artifact(arguments[0]) is None:
        return None
    return replace(kind_of(arguments[0]), many=True, declared=named(declared))


def _formatted(declared: Any) -> bool:
    return any(isinstance(note, Format) for note in stripped(declared)[1])


def _outputs(annotation: Any, namespace: Mapping[str, Any]) -> tuple[Shape, dict[str, Kind]]:
    if annotation is NOTHING:
        raise Unsupported("it has no annotation", "Say what the step gives: `-> pd.DataFrame`, or `-> None`.")
    if isinstance(annotation, Mapping):
        return Shape.NAMES, {name: kind_of(evaluated(each, namespace)) for name, each in annotation.items()}
    declared = evaluated(annotation, namespace)
    bare, notes = stripped(declared)
    if bare is NoneType:
        return Shape.NONE, {}
    if _formatted(declared) or _artifact(bare) is not None:
        return Shape.ONE, {"output": kind_of(declared)}
    marks = tuple(note for note in notes if note is Sensitive or isinstance(note, Sensitive))
    arguments = typing.get_args(bare)
    if typing.get_origin(bare) is tuple and ... not in arguments:
        kinds = {f"output_{position}": kind_of(each) for position, each in enumerate(arguments, 1)}
        shape = Shape.TUPLE
    elif isinstance(bare, type) and (is_dataclass(bare) or hasattr(bare, "_fields")):
        try:
            hints = typing.get_type_hints(bare, include_extras=True)
        except (AttributeError, NameError, TypeError) as error:
            raise Unsupported(f"the annotations of {named(bare)} cannot be read: {error}") from None
        names = getattr(bare, "_fields", None) or [entry.name for entry in fields(bare)]
        kinds = {name: kind_of(hints[name]) for name in names}
        shape = Shape.TUPLE if issubclass(bare, tuple) else Shape.NAMES
    elif bare is Any or bare is object:
        raise Unsupported(f"{named(bare)} says nothing", "Say the type of what the step gives.")
    else:
        kinds, shape = {"output": kind_of(declared)}, Shape.ONE
    wrong = next((name for name, kind in kinds.items() if kind.artifact and kind.optional), "")
    if wrong:
        raise Unsupported(f"{wrong} may be None, and an artifact is always there", "Give an empty one.")
    return shape, {name: replace(kind, sensitive=kind.sensitive or bool(marks)) for name, kind in kinds.items()}
