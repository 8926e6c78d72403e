"""Steps as components of a pipeline: the options that were given, checked and in plain values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from palmette.authoring.configs import leaves
from palmette.authoring.parameters import encode
from palmette.authoring.signatures import NOTHING, Kind, Slot
from palmette.authoring.source import reference
from palmette.authoring.steps import Step as Written
from palmette.domain.graph import Fresh, Freshness, Input, Output, ParameterType, Resources, Retry, Step
from palmette.errors import Problem

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]*)")
_SIZES: Final = {"": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("kMGTP", 1)
    for end, base in (("", 1000), ("i", 1024), ("B", 1000), ("iB", 1024))
}
_GROUP: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(value: Any) -> float:
    """A duration in seconds: 90, "90s", "1h30m", a timedelta; ValueError if it is none or not positive."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", value)
        whole = "".join(f"{number}{unit}" for number, unit in parts) == value
        value = sum(float(number) * _SECONDS[unit] for number, unit in parts) if whole else 0
    return _positive(value)


def size(value: Any) -> int:
    """An amount of memory in bytes: 1024, "4Gi", "500M"; ValueError if it is none."""
    return round(_positive(_quantity(value, _SIZES | {"Ki": 1024, "K": 1000})))


def cores(value: Any) -> float:
    """A number of cores: 2, 0.5, "500m"; ValueError if it is none."""
    return _positive(_quantity(value, {"": 1, "m": 0.001}))


def _quantity(value: Any, units: Mapping[str, float]) -> Any:
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * units[found[2]] if found and found[2] in units else value


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) and _VARIABLE.fullmatch(name) for name in value):
        raise ValueError
    return tuple(dict.fromkeys(value))


def _modules(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) and name for name in value):
        raise ValueError
    return tuple(dict.fromkeys(value))


def _group(value: Any) -> str:
    if not isinstance(value, str) or not _GROUP.fullmatch(value):
        raise ValueError
    return value


# option → how it is read, what it is when nothing was said, and what it looks like
_OPTIONS: Final[Mapping[str, tuple[Callable[[Any], Any], Any, str]]] = {
    "cpu": (cores, 1.0, 'a number of cores: 2, 0.5, "500m"'),
    "memory": (size, 0, 'an amount of memory: "4Gi", "500Mi", or bytes'),
    "gpu": (_count, 0, "a number of GPUs"),
    "timeout": (seconds, None, 'a duration: "90s", "2h", "1h30m", or seconds'),
    "retries": (_count, 0, "a number of retries"),
    "backoff": (seconds, 1.0, 'a duration: "90s", "2h", "1h30m", or seconds'),
    "env": (_names, (), 'a list of names of environment variables: ["DATA_URL"]'),
    "secrets": (_names, (), 'a list of names of secrets: ["DATABASE_PASSWORD"]'),
    "environment": (_group, "", 'the name of a dependency group: "torch"'),
    "include": (_modules, (), 'a list of modules or patterns: ["app.plugin_*"]'),
}


def component(step: Written[..., Any], adopted: Mapping[str, Kind]) -> tuple[Step, tuple[Problem, ...]]:
    """The component that a step is, and everything wrong with it. `adopted` are the kinds of inputs that were wired
    to something whose type decides."""
    where = f"{step.location}, {step.name}".removeprefix(", ")
    wrong: list[tuple[str, str]] = []
    if not _NAME.fullmatch(step.name):
        hint = 'Give it a name of letters, digits and underscores: step(…, name="fit").'
        wrong.append((f"{step.name!r} cannot be the name of a step", hint))
    if not step.target or not (step.wrapper or step.target == reference(step)):
        hint = "Define it at the top level of a module, or assign the step to a name there."
        wrong.append(("it cannot be found again by its name", hint))
    wrong += step.signature.problems
    wrong += _command(step)
    said = _options(step, wrong)
    fresh, functions = _fresh(step.options.get("fresh"), wrong)
    kinds = {**{slot.name: slot.kind for slot in step.signature.slots if slot.kind}, **adopted}
    used = [*kinds.values(), *step.signature.outputs.values()]
    functions += [function for kind in used if kind.custom for function in (kind.custom.read, kind.custom.write)]
    for function in functions:
        if not reference(function):
            hint = "Define it at the top level of a module."
            wrong.append((f"{getattr(function, '__name__', function)!r} cannot be found again by its name", hint))
    if "after" in step.signature.outputs:
        wrong.append(("an output cannot be named 'after'", "It is how tasks are put in order."))
    made = Step(
        name=step.name,
        target=step.target,
        wrapper=step.wrapper,
        description=inspect.getdoc(step.function) or "",
        inputs=tuple(_inputs(step.signature.slots, kinds)),
        outputs=tuple(declared_output(name, kind) for name, kind in step.signature.outputs.items()),
        resources=Resources(cpu=said["cpu"], memory=said["memory"], gpu=said["gpu"]),
        retry=Retry(retries=said["retries"], backoff=said["backoff"]),
        timeout=said["timeout"],
        fresh=fresh,
        env=said["env"],
        secrets=said["secrets"],
        environment=said["environment"],
        include=said["include"],
        reaches=tuple(sorted({reference(function) for function in functions} - {""})),
        imports=tuple(sorted({module for kind in used for module in kind.imports})),
        command=getattr(step.function, "words", ()),
        location=step.location,
    )
    return made, tuple(Problem(where=where, what=what, hint=hint) for what, hint in wrong)


def _command(step: Written[..., Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a step that is a command."""
    if not hasattr(step.function, "words"):
        return
    yield from getattr(step.function, "problems", ())
    for slot in step.signature.slots:
        if slot.group is not None or (slot.kind is not None and slot.kind.optional):
            wrong = "a group of fields" if slot.group else "one that may be None"
            yield (f"input {slot.name!r} of a command is {wrong}, which has no text", "Name each value.")


def _options(step: Written[..., Any], wrong: list[tuple[str, str]]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, (read, default, looks) in _OPTIONS.items():
        value: Any = step.options.get(name)
        try:
            said[name] = default if value is None else read(value)
        except (TypeError, ValueError):
            said[name] = default
            wrong.append((f"{name}={value!r} is not {looks}", ""))
    return said


def _fresh(said: Any, wrong: list[tuple[str, str]]) -> tuple[Fresh, list[Callable[..., Any]]]:
    if said is None:
        return Fresh(), []
    if said == "always":
        return Fresh(kind=Freshness.ALWAYS), []
    if callable(said):
        required = [entry for entry in inspect.signature(said).parameters.values() if entry.default is entry.empty]
        if required:
            wrong.append(("its fresh function takes arguments", "It is called without any."))
        return Fresh(kind=Freshness.FUNCTION, target=reference(said)), [said]
    try:
        return Fresh(kind=Freshness.FOR, seconds=seconds(said)), []
    except ValueError:
        wrong.append((f'fresh={said!r} is not "always", a duration such as "1d", or a function', ""))
        return Fresh(), []


def _inputs(slots: Sequence[Slot], kinds: Mapping[str, Kind]) -> Iterator[Input]:
    for slot in slots:
        optional = slot.default is not NOTHING
        if slot.group is not None:
            for leaf in leaves(slot.group)[0]:
                yield replace(
                    Input(
                        name=f"{slot.name}.{leaf.field.name}", parameter=leaf.field.type, declared=leaf.field.declared
                    ),
                    optional=optional or leaf.field.optional,
                )
        elif slot.status:
            yield Input(name=slot.name, parameter=ParameterType.STRUCT, optional=True, status=True)
        elif slot.name in kinds:
            kind = kinds[slot.name]
            entry = Input(name=slot.name, optional=optional or kind.optional, declared=kind.declared, many=kind.many)
            if kind.parameter is None:
                yield replace(entry, artifact=kind.artifact)
                continue
            given = slot.default is not NOTHING and slot.default is not None and not slot.why
            default = encode(kind.parameter, slot.default) if given else None
            yield replace(entry, parameter=kind.parameter.field.type, default=default)


def declared_output(name: str, kind: Kind) -> Output:
    """An output of that kind."""
    parameter = kind.parameter.field.type if kind.parameter else None
    made = Output(name=name, parameter=parameter, artifact=kind.artifact, format=kind.format)
    return replace(made, sensitive=kind.sensitive, many=kind.many)
