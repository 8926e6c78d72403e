"""What stands for values while a pipeline is recorded: config fields and outputs, which do not exist yet.

Anything but handing one to a step is a misuse. It is reported, and then something harmless is given back, so that
the rest of the pipeline is checked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from palmette.authoring.configs import Leaf
from palmette.authoring.groups import Call, Entry, Place, Scope
from palmette.authoring.parameters import Parameter as Type
from palmette.authoring.parameters import encode, parameter
from palmette.authoring.signatures import Kind, Shape
from palmette.domain import graph
from palmette.domain.fields import close
from palmette.domain.graph import Comparator, Constant, FromItem, FromTask, ParameterType, Source, Test

#: How the text of a placeholder begins, so that one which slipped into another text is noticed.
MARK: Final = "<placeholder "


class Reporter(Protocol):
    """Who is told of misuse."""

    def report(self, what: str, hint: str = "") -> None:
        """Note a problem at the line of the user's code that is being executed."""

    def order(self, entry: Entry, others: tuple[Any, ...]) -> None:
        """Let a task or group wait for others."""


class Placeholder:
    """Stands for something that is known when the pipeline runs. Its own fields are underscored: users see none."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter = reporter
        #: as the user would say it: "config.C", "what fit gives"
        self._label = label

    def _misuse(self, doing: str, hint: str = "") -> Placeholder:
        self._reporter.report(
            f"{doing} {self._label}, which has no value before the pipeline runs",
            hint or "Compute it inside a step and hand the step what it needs.",
        )
        return Unknown(self._reporter, self._label)

    def _single(self) -> Placeholder:
        """The one value that it stands for, or itself."""
        return self

    def __repr__(self) -> str:
        return f"{MARK}{self._label}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._misuse(f"`.{name}` is asked of")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self._misuse(f"`.{name}` is set on")


class Unknown(Placeholder):
    """What a mistake left behind: it goes with everything, since the mistake was reported already."""

    def _misuse(self, doing: str, hint: str = "") -> Placeholder:
        return self


class Value(Placeholder):
    """A value: a field of the config, an output of a step, what is made of those."""

    def __init__(self, reporter: Reporter, label: str, kind: Kind | None, source: Source, home: Scope) -> None:
        super().__init__(reporter, label)
        #: None where nothing is known of it
        self._kind = kind
        self._source = source
        #: where it is made
        self._home = home

    def _barred(self, left: list[Scope]) -> tuple[str, str] | None:
        """Why it cannot be used outside of these blocks, and what to do; None if it can."""
        for scope in left:
            match scope.place:
                case Place.LOOP:
                    return f"{self._label} is made in a loop, once for each item", "Behind the loop, use collect(x)."
                case Place.BRANCH:
                    what = f"{self._label} is made in a branch, which may not be executed"
                    return what, "Behind the condition, use one_of(a, b): one value from each of its blocks."
                case _:
                    return f"{self._label} is made in a block of on_exit", "Use it within that block."
        return None


class Item(Value):
    """The item of a loop, or a part of it."""

    #: of items that are written out: what stands under each key in all of them
    _parts: Mapping[str, Kind] = MappingProxyType({})

    def _barred(self, left: list[Scope]) -> tuple[str, str] | None:
        return (f"{self._label} is used behind the loop", "Use it in the body of the loop.") if left else None

    def _part(self, key: str) -> Any:
        struct = self._kind.parameter.field.type if self._kind and self._kind.parameter else None
        if self._kind is not None and struct is not ParameterType.STRUCT:
            return self._misuse(f"`.{key}` is asked of")
        if self._parts and key not in self._parts:
            known = close(key, self._parts) or f"There are: {', '.join(self._parts)}."
            self._reporter.report(f"not every item of the loop has {key!r}", known)
            return Unknown(self._reporter, f"{self._label}.{key}")
        inner = self._kind.parameter.item if self._kind and self._kind.parameter else None
        kind = self._parts.get(key) or (Kind(parameter=inner, declared=inner.field.declared) if inner else None)
        source = self._source
        assert isinstance(source, FromItem)
        type_ = kind.parameter.field.type if kind and kind.parameter else None
        path = replace(source, path=(*source.path, key), type=type_)
        return Item(self._reporter, f"{self._label}.{key}", kind, path, self._home)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._part(name)

    def __getitem__(self, key: Any) -> Any:
        return self._part(key) if isinstance(key, str) else self._misuse("an item is taken of")


class Truth(Placeholder):
    """A test."""

    def __init__(self, reporter: Reporter, label: str, test: Test, values: tuple[Value, ...]) -> None:
        super().__init__(reporter, label)
        self._test = test
        self._values = values


class Block(Placeholder):
    """A condition, a loop or a guarded block as a whole."""

    def __init__(self, reporter: Reporter, entry: Entry) -> None:
        super().__init__(reporter, entry.name)
        self._entry = entry

    def after(self, *others: Any) -> Block:
        """Start it only when the others have succeeded, though nothing of theirs is used."""
        self._reporter.order(self._entry, others)
        return self


class Group(Placeholder):
    """The config, or a dataclass in it."""

    def __init__(
        self,
        reporter: Reporter,
        config: type,
        leaves: Mapping[str, Leaf],
        home: Scope,
        prefix: str = "",
        *,
        sound: bool,
    ) -> None:
        super().__init__(reporter, f"config.{prefix}".rstrip("."))
        self._home = home
        # Fields of a config that is wrong may be missing here; that was reported already.
        self._sound = sound
        self._config = config
        self._leaves = leaves
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self._prefix}{name}"
        if full in self._leaves:
            return given(self._reporter, self._leaves[full], f"config.{full}", self._home)
        if any(leaf.startswith(f"{full}.") for leaf in self._leaves):
            return Group(self._reporter, self._config, self._leaves, self._home, f"{full}.", sound=self._sound)
        if not self._sound:
            return Unknown(self._reporter, f"{self._label}.{name}")
        if hasattr(self._config, name) and not self._prefix:
            hint = "Compute it inside a step from the fields that it needs."
            self._reporter.report(f"{self._label}.{name} is no field of {self._config.__qualname__}", hint)
        else:
            known = [leaf.removeprefix(self._prefix) for leaf in self._leaves if leaf.startswith(self._prefix)]
            hint = close(name, known) or f"There are: {', '.join(known)}."
            self._reporter.report(f"there is no config field {full!r}", hint)
        return Unknown(self._reporter, f"{self._label}.{name}")


def given(reporter: Reporter, leaf: Leaf, label: str, home: Scope) -> Value:
    """What stands for a parameter of the pipeline function."""
    kind = Kind(parameter=leaf.kind, optional=leaf.field.optional, declared=leaf.field.declared)
    return Value(reporter, label, kind, graph.FromParameter(parameter=leaf.field.name), home)


class Called(Placeholder):
    """A call of a step or algorithm, and so all that it gives."""

    def __init__(self, reporter: Reporter, entry: Entry, outputs: Mapping[str, Kind], shape: Shape) -> None:
        super().__init__(reporter, f"what {entry.name} gives")
        self._task = entry.name
        self._entry = entry
        self._outputs = {name: Output(reporter, entry, name, kind) for name, kind in outputs.items()}
        self._shape = shape

    def _single(self) -> Placeholder:
        return self._outputs["output"] if self._shape is Shape.ONE else self

    def after(self, *others: Any) -> Called:
        """Start this task only when the others have succeeded, though nothing of theirs is used."""
        self._reporter.order(self._entry, others)
        return self

    def regardless(self) -> Called:
        """Start this task once all that it needs is over, whether it succeeded or not; what was not made has the
        parameter's default."""
        if isinstance(self._entry, Call):
            self._entry.regardless = True
        else:
            self._reporter.report(f"{self._task} is an algorithm, and only a step can run regardless of what failed")
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._outputs:
            return self._outputs[name]
        if self._shape is Shape.ONE:
            return self._misuse(f"`.{name}` is asked of")
        hint = close(name, self._outputs) or f"There are: {', '.join(self._outputs) or 'none'}."
        self._reporter.report(f"{self._task} has no output {name!r}", hint)
        return Unknown(self._reporter, f"{self._label}.{name}")

    def __iter__(self) -> Iterator[Any]:
        if self._shape in (Shape.TUPLE, Shape.NAMES):
            return iter(list(self._outputs.values()))
        return iter([self._misuse("a loop or an unpacking goes through")])

    def __getitem__(self, key: Any) -> Any:
        if self._shape is Shape.TUPLE and isinstance(key, int) and -len(self._outputs) <= key < len(self._outputs):
            return list(self._outputs.values())[key]
        if self._shape is Shape.NAMES and isinstance(key, str) and key in self._outputs:
            return self._outputs[key]
        return self._misuse("an item is taken of")


class Output(Value):
    """One of several outputs of a step."""

    def __init__(self, reporter: Reporter, entry: Entry, name: str, kind: Kind) -> None:
        label = f"{name!r} of {entry.name}" if name != "output" else f"what {entry.name} gives"
        super().__init__(reporter, label, kind, FromTask(task=entry.name, output=name), entry.scope)
        self._entry = entry


# Tests

_ORDERED: Final = {ParameterType.INTEGER, ParameterType.DOUBLE, ParameterType.STRING}
_NUMBERS: Final = {ParameterType.INTEGER, ParameterType.DOUBLE}
_PLAIN: Final[Mapping[type, Type | None]] = {kind: parameter(kind) for kind in (bool, int, float, str)}


def truth(given: Any) -> Truth | None:
    """A test; a value that is true or false is one."""
    single = given._single() if isinstance(given, Placeholder) else given
    if isinstance(single, Value) and _type(single) in (ParameterType.BOOLEAN, None):
        compared = _compared(Comparator.EQUAL)(single, True)
        return compared if isinstance(compared, Truth) else None
    return single if isinstance(single, Truth) else None


def _type(value: Value) -> ParameterType | None:
    return value._kind.parameter.field.type if value._kind and value._kind.parameter else None


def _compared(operator: Comparator) -> Callable[[Placeholder, Any], Any]:
    def compare(self: Placeholder, other: Any) -> Any:
        left, right = self._single(), other._single() if isinstance(other, Placeholder) else other
        for side in (left, right):
            if isinstance(side, Placeholder) and not isinstance(side, Value):
                return side._misuse("a comparison is made with")
        assert isinstance(left, Value)
        says = f"{left._label} {operator} {right._label if isinstance(right, Value) else repr(right)}"
        why, sides = _sides(left, right, operator)
        if why:
            hint = "Let a step give a number, a text or a truth value."
            left._reporter.report(f"{says} cannot be tested: {why}", hint)
            return Unknown(left._reporter, says)
        test = graph.Comparison(left=sides[0], operator=operator, right=sides[1])
        return Truth(left._reporter, says, test, tuple(side for side in (left, right) if isinstance(side, Value)))

    return compare


def _sides(left: Value, right: Any, operator: Comparator) -> tuple[str, tuple[Source, Source]]:
    """Why two things cannot be compared, or their sources."""
    values = [side for side in (left, right) if isinstance(side, Value)]
    types = [_type(side) for side in values]
    nothing = (left._source, left._source)
    for side in values:
        if side._kind is not None and (side._kind.parameter is None or side._kind.many):
            return f"{side._label} is an artifact", nothing
        if side._kind is not None and side._kind.optional:
            return f"{side._label} may be None", nothing
    known = next((each for each in types if each is not None), None)
    found = None if isinstance(right, Value) else _constant(left, right)
    if isinstance(found, str):
        return found, nothing
    if found is not None:
        written = _PLAIN.get(type(found.value))
        types.append(written.field.type if written else None)
        known = known or types[-1]
    kinds = {each for each in types if each is not None}
    if (not kinds <= _NUMBERS and len(kinds) > 1) or kinds & {ParameterType.LIST, ParameterType.STRUCT}:
        return "the two are of different types" if len(kinds) > 1 else "lists and mappings are not compared", nothing
    if operator not in (Comparator.EQUAL, Comparator.UNEQUAL) and not kinds <= _ORDERED:
        return "truth values have no order", nothing
    return "", (_settled(left, known), found or _settled(right, known))


def _constant(value: Value, written: Any) -> Constant | str:
    """A constant as the value beside it is spelled, or why it cannot be compared with it."""
    if written is None:
        return "None is an absent value, which no test sees"
    kind = value._kind.parameter if value._kind else None
    if kind is None or (isinstance(written, float) and kind.field.type is ParameterType.INTEGER):
        kind = _PLAIN.get(type(written))
    if kind is None:
        return f"a {type(written).__qualname__} is no number, text or truth value"
    try:
        # Whatever the bounds of a field: what it is compared with may lie beyond.
        return Constant(value=encode(replace(kind, field=replace(kind.field, low=None, high=None)), written))
    except ValueError as error:
        return str(error)


def _settled(value: Value, known: ParameterType | None) -> Source:
    source = value._source
    return replace(source, type=known) if isinstance(source, FromItem) and source.type is None else source


def _combined(name: str, combine: Callable[[tuple[Test, ...]], Test]) -> Callable[[Placeholder, Any], Any]:
    def combined(self: Placeholder, other: Any) -> Any:
        sides = truth(self), truth(other)
        if sides[0] is None or sides[1] is None:
            if isinstance(self, Unknown) or isinstance(other, Unknown):
                return Unknown(self._reporter, self._label)
            hint = "Both sides are tests, each in brackets: (a > 0.9) & (b == 1)."
            return self._misuse(f"`{name}` is used on", hint)
        tests = (sides[0]._test, sides[1]._test)
        label = f"({sides[0]._label}) {name} ({sides[1]._label})"
        return Truth(self._reporter, label, combine(tests), (*sides[0]._values, *sides[1]._values))

    return combined


def _inverted(self: Placeholder) -> Any:
    test = truth(self)
    if test is None:
        return self._misuse("`~` is used on", "It turns a test round: ~(a > 0.9).")
    return Truth(self._reporter, f"~({test._label})", graph.Not(test=test._test), test._values)


# Everything else


def _refuse(doing: str, given: Any, hint: str = "") -> Callable[..., Any]:
    def refuse(self: Placeholder, *_: Any) -> Any:
        found = self._misuse(doing, hint)
        return found if given is None else given(self)

    return refuse


def _one(self: Placeholder) -> Iterator[Placeholder]:
    """One turn of a loop, so that what is in it is checked."""
    return iter([Unknown(self._reporter, self._label)])


_UNARY: Final = ("neg", "pos", "abs", "round", "trunc", "floor", "ceil", "divmod", "rdivmod")
_BINARY: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "xor")
_ARITHMETIC: Final = ("arithmetic is done with", None)

# operation → how a message says it, and what it gives so that recording can go on (None: something unknown)
_OPERATIONS: Final[Mapping[str, tuple[str, Callable[[Placeholder], Any] | None]]] = {
    "bool": ("a condition is made of", lambda _: True),
    "str": ("a text is made of", repr),
    "len": ("the length is asked of", lambda _: 1),
    "hash": ("a key of a dict or set is made of", id),
    "iter": ("a loop or an unpacking goes through", _one),
    "contains": ("`in` looks into", lambda _: True),
    "int": ("a number is made of", lambda _: 1),
    "index": ("a number is made of", lambda _: 1),
    "float": ("a number is made of", lambda _: 1.0),
    "complex": ("a number is made of", lambda _: 1j),
    "getitem": ("an item is taken of", None),
    "setitem": ("an item is set in", None),
    "delitem": ("an item is deleted from", None),
    "call": ("a call is made of", None),
    "enter": ("`with` is used on", None),
    "exit": ("`with` is used on", lambda _: False),
    **dict.fromkeys((*_UNARY, *(f"{side}{name}" for name in _BINARY for side in ("", "r", "i"))), _ARITHMETIC),
}
_HINTS: Final = {
    "bool": "Branch with `with when(x > 3):`, and combine tests with &, | and ~.",
    "iter": "Loop with `for item in each(items):`.",
    **dict.fromkeys(
        ("enter", "exit"), "A loop is written `for item in each(items):`, a condition `with when(x > 3):`."
    ),
}
for _name, (_doing, _given) in _OPERATIONS.items():
    setattr(Placeholder, f"__{_name}__", _refuse(_doing, _given, _HINTS.get(_name, "")))
setattr(Placeholder, "__format__", _refuse("a text is made of", repr))  # noqa: B010  (as the others)
for _name, _operator in zip(("eq", "ne", "lt", "le", "gt", "ge"), Comparator, strict=True):
    setattr(Placeholder, f"__{_name}__", _compared(_operator))
for _sign, _name, _combine in (("&", "and", graph.All), ("|", "or", graph.Any)):
    _both = _combined(_sign, lambda tests, made=_combine: made(tests=tests))  # type: ignore[misc]
    setattr(Placeholder, f"__{_name}__", _both)
    setattr(Placeholder, f"__r{_name}__", _both)
setattr(Placeholder, "__invert__", _inverted)  # noqa: B010  (as the others)
