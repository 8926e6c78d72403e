"""Steps: functions that can be components of a pipeline, and are plain functions everywhere else."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from palmette.authoring.source import reference, resolve, standing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from palmette.authoring.signatures import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Options(TypedDict, total=False):
    """What can be said of a step. All of it is checked, at once, when a pipeline that uses it is recorded."""

    #: the step's name; the function's by default
    name: str
    #: cores; a fraction is allowed, and "500m" is half a one
    cpu: float | str
    #: bytes, or "4Gi"
    memory: int | str
    #: whole GPUs, its alone while it runs
    gpu: int
    #: seconds, "90s", "2h", "1h30m"
    timeout: float | str | timedelta
    #: how often it is tried again after a failure
    retries: int
    #: how long after the first failure, as `timeout`; twice as long each further time
    backoff: float | str | timedelta
    #: how long its outputs stand though it reads the outside world: "always" runs it again each time, "1d" after a
    #: day, a function without parameters whenever what it returns has changed
    fresh: str | timedelta | Callable[[], object]
    #: names of environment variables that it reads and that count as its inputs
    env: Sequence[str]
    #: names of secrets that it is given as environment variables
    secrets: Sequence[str]
    #: the dependency group of the project's lock that it runs with, beside the project's own dependencies
    environment: str
    #: modules that it imports in a way that cannot be read from its source: names, or patterns such as "app.plugin_*"
    include: Sequence[str]
    #: whether its outputs (or which of them) are never previewed, quoted, summarised or logged
    sensitive: bool | Sequence[str]
    #: types of parameters, beside the function's annotations or in place of them
    inputs: Mapping[str, Any]
    #: the type of what it gives, or of each of several outputs by name, in place of the return annotation
    outputs: Any


class Flow(Protocol):
    """Whoever takes note of conditions, loops and exit tasks; see `palmette.authoring.flow`."""

    def when(self, test: object) -> AbstractContextManager[Any]: ...
    def elsewhen(self, test: object) -> AbstractContextManager[Any]: ...
    def otherwise(self) -> AbstractContextManager[Any]: ...
    def each(self, items: Any, parallel: int) -> Any: ...
    def collect(self, value: Any) -> Any: ...
    def one_of(self, values: tuple[Any, ...]) -> Any: ...
    def on_exit(self, task: object) -> AbstractContextManager[Any]: ...


class Recorder(Protocol):
    """Whoever wants to know of calls instead of having them made."""

    @property
    def flow(self) -> Flow: ...

    def call(self, callee: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Take note of a call, and give what stands for its result."""


#: The recorder of the pipeline function that is running. A step is called by code that knows of no recorder, so this
#: cannot be an argument; a context variable keeps threads and nested recordings apart. It is the one such state.
recording: Final[ContextVar[Recorder | None]] = ContextVar("recording", default=None)


class Step(Generic[P, R]):
    """A function that can be a component. Calling it calls the function, save while a pipeline is recorded."""

    def __init__(self, function: Callable[P, R], options: Options) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        # Where a step stands that was made of a function of another module.
        self._home: str = sys._getframe(2).f_globals.get("__name__", "")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        recorder = recording.get()
        if recorder is None:
            return self.function(*args, **kwargs)
        return cast("R", recorder.call(self, args, kwargs))

    @functools.cached_property
    def name(self) -> str:
        """The step's name in a pipeline; that under which it stands, for what has none of its own."""
        own = self.options.get("name", getattr(self.function, "__name__", ""))
        return own or self.wrapper.rpartition(":")[2]

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it by name, as a function is."""
        return resolve, (self.wrapper or self.target,)

    @property
    def target(self) -> str:
        """ "module:qualname" of the function, or of the step that is a command; empty if it is not found by name."""
        found = reference(self) or reference(self.function)
        return found or (self.wrapper if hasattr(self.function, "words") else "")

    @property
    def wrapper(self) -> str:
        """ "module:name" of the step, where that is not its target; empty too if it stands nowhere."""
        if reference(self):
            return ""
        names = vars(sys.modules[self._home]) if self._home in sys.modules else {}
        return next((f"{self._home}:{name}" for name, value in names.items() if value is self), "")

    @property
    def location(self) -> str:
        """ "algorithms/tumour.py:41"."""
        return getattr(self.function, "location", "") or standing(self.function)

    @functools.cached_property
    def signature(self) -> Signature:
        """What it takes and gives."""
        # Only who records or carries out a step asks; a unit test that calls it should not pay for the modules.
        of: Callable[..., Signature] = import_module("palmette.authoring.signatures").signature_of
        marks = self.options.get("sensitive", False)
        said = {name: self.options[name] for name in ("inputs", "outputs") if name in self.options}
        return of(self.function, **said, sensitive=marks if isinstance(marks, bool) else tuple(marks))


@overload
def step(function: Callable[P, R], /, **options: Unpack[Options]) -> Step[P, R]: ...
@overload
def step(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Callable[..., Any] | None = None, /, **options: Unpack[Options]) -> Any:
    """Make a function a step: ``@step``, ``@step(memory="4Gi")``, or ``fit = step(their.fit, outputs=Model)``.

    The options are those of `Options`. Called outside a pipeline, a step is the function it was.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"step() got an unexpected option: {', '.join(sorted(unknown))}")
    if function is None:
        return lambda function: Step(function, options)
    if not callable(function):
        raise TypeError(f"step() takes a function, not {function!r}; options are given by name")
    return Step(function, options)
