"""What stands for values while a pipeline is recorded: config fields and outputs, which do not exist yet.

Anything but handing one to a step is a misuse. It is reported, and then something harmless is given back, so that
the rest of the pipeline is checked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from palmette.authoring.configs import Leaf
from palmette.authoring.signatures import Kind, Shape
from palmette.domain.fields import close
from palmette.domain.graph import FromParameter, FromTask

#: How the text of a placeholder begins, so that one which slipped into another text is noticed.
MARK: Final = "<placeholder "


class Reporter(Protocol):
    """Who is told of misuse."""

    def report(self, what: str, hint: str = "") -> None:
        """Note a problem at the line of the user's code that is being executed."""


class Placeholder:
    """Stands for something that is known when the pipeline runs. Its own fields are underscored: users see none."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter = reporter
        #: as the user would say it: "config.C", "what fit gives"
        self._label = label

    def _misuse(self, doing: str) -> Placeholder:
        self._reporter.report(
            f"{doing} {self._label}, which has no value before the pipeline runs",
            "Compute it inside a step and hand the step what it needs.",
        )
        return Unknown(self._reporter, self._label)

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

    def _misuse(self, doing: str) -> Placeholder:
        return self


class Parameter(Placeholder):
    """A field of the config."""

    def __init__(self, reporter: Reporter, leaf: Leaf) -> None:
        super().__init__(reporter, f"config.{leaf.field.name}")
        self._kind = Kind(parameter=leaf.kind, optional=leaf.field.optional, declared=leaf.field.declared)
        self._source = FromParameter(parameter=leaf.field.name)


class Group(Placeholder):
    """The config, or a dataclass in it."""

    def __init__(
        self, reporter: Reporter, config: type, leaves: Mapping[str, Leaf], prefix: str = "", *, sound: bool
    ) -> None:
        super().__init__(reporter, f"config.{prefix}".rstrip("."))
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
            return Parameter(self._reporter, self._leaves[full])
        if any(leaf.startswith(f"{full}.") for leaf in self._leaves):
            return Group(self._reporter, self._config, self._leaves, f"{full}.", sound=self._sound)
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


class Called(Placeholder):
    """A call of a step, and so all that it gives."""

    def __init__(self, reporter: Reporter, task: str, outputs: Mapping[str, Kind], shape: Shape) -> None:
        super().__init__(reporter, f"what {task} gives")
        self._task = task
        self._outputs = {name: Output(reporter, task, name, kind) for name, kind in outputs.items()}
        self._shape = shape
        self._after: list[str] = []

    def after(self, *others: Any) -> Called:
        """Start this task only when the others have succeeded, though nothing of theirs is used."""
        for other in others:
            if isinstance(other, (Called, Output)):
                self._after.append(other._task)
            elif not isinstance(other, Unknown):
                self._reporter.report(f"after() takes what other steps gave, not {other!r}")
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


class Output(Placeholder):
    """One of several outputs of a step."""

    def __init__(self, reporter: Reporter, task: str, name: str, kind: Kind) -> None:
        super().__init__(reporter, f"{name!r} of {task}" if name != "output" else f"what {task} gives")
        self._task = task
        self._kind = kind
        self._source = FromTask(task=task, output=name)


def _refuse(doing: str, given: Any) -> Callable[..., Any]:
    def refuse(self: Placeholder, *_: Any) -> Any:
        found = self._misuse(doing)
        return found if given is None else given(self)

    return refuse


def _one(self: Placeholder) -> Iterator[Placeholder]:
    """One turn of a loop, so that what is in it is checked."""
    return iter([Unknown(self._reporter, self._label)])


_UNARY: Final = ("neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil", "divmod", "rdivmod")
_BINARY: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
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
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), ("a comparison is made with", None)),
    **dict.fromkeys((*_UNARY, *(f"{side}{name}" for name in _BINARY for side in ("", "r", "i"))), _ARITHMETIC),
}
for _name, (_doing, _given) in _OPERATIONS.items():
    setattr(Placeholder, f"__{_name}__", _refuse(_doing, _given))
setattr(Placeholder, "__format__", _refuse("a text is made of", repr))  # noqa: B010  (as the others)
