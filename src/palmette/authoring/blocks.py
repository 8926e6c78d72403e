"""Conditions, loops and exit tasks of a pipeline function, noted down as they are met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final

from palmette.authoring.groups import Branches, Call, Entry, Guard, Loop, Place, Scope, crossed, is_made
from palmette.authoring.parameters import parameter
from palmette.authoring.placeholders import Block, Called, Item, Output, Placeholder, Unknown, Value, truth
from palmette.authoring.recorder import Recorder, holds, settle
from palmette.authoring.signatures import Kind, collected
from palmette.authoring.source import calling
from palmette.authoring.wiring import mismatch
from palmette.domain.graph import (
    Comparator,
    Comparison,
    Constant,
    FromCollected,
    FromItem,
    FromOneOf,
    FromTask,
    ParameterType,
    Source,
    Test,
    tested,
)
from palmette.domain.values import Json

_TESTS: Final = "A test compares: auc > 0.9, config.kind == 'a'; combine tests with &, | and ~."


class Open:
    """A block of a `with`: whatever is called in it stands in the scope."""

    def __init__(self, recorder: Recorder, scope: Scope, block: Any) -> None:
        self.recorder = recorder
        self.scope = scope
        self.block = block

    def __enter__(self) -> Any:
        self.recorder.frame.scopes.append(self.scope)
        return self.block

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close(self.recorder, self.scope)


def close(recorder: Recorder, scope: Scope) -> None:
    """Leave a block, and whatever was not left within it."""
    scopes = recorder.frame.scopes
    if scope in scopes:
        del scopes[scopes.index(scope) :]


class Turn(Block):
    """A loop. Going through it gives its item, once."""

    def __init__(self, recorder: Recorder, loop: Loop, item: Any) -> None:
        super().__init__(recorder, loop)
        self._recorder, self._loop, self._item = recorder, loop, item

    def __iter__(self) -> Iterator[Any]:
        body, frame, over = self._loop.body, self._recorder.frame, False
        assert body is not None
        frame.scopes.append(body)
        try:
            yield self._item
            over = True
        finally:
            if not over:
                # Perhaps because of an exception, which will be known when the function is over.
                frame.left.append(self._loop.location)
            close(self._recorder, body)


class Blocks:
    """Takes note of what is not a call."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def when(self, test: object) -> Open:
        """A condition's first block."""
        frame = self.recorder.frame
        branches = Branches(name=frame.numbered("condition"), scope=frame.scope, location=calling())
        frame.add(branches)
        return self._branch(branches, branches.name, self._test(test, "when"))

    def elsewhen(self, test: object) -> Open:
        """A further block."""
        return self._further("elsewhen", self._test(test, "elsewhen"))

    def otherwise(self) -> Open:
        """The last block."""
        return self._further("otherwise", None)

    def _further(self, word: str, test: Test | None) -> Open:
        frame = self.recorder.frame
        last = frame.scope.entries[-1] if frame.scope.entries else None
        if not isinstance(last, Branches) or last.blocks[-1][2] is None:
            what = f"{word} does not stand directly below a block of `with when(…):`"
            self.recorder.report(what, "The blocks of a condition follow each other, and otherwise() is the last.")
            last = Branches(name=frame.numbered("condition"), scope=frame.scope, location=calling())
            return self._branch(last, last.name, test)
        frame.branch(last)
        return self._branch(last, frame.numbered("condition"), test)

    def _branch(self, branches: Branches, name: str, test: Test | None) -> Open:
        scope = self._scope(Place.BRANCH, branches)
        branches.blocks.append((name, scope, test))
        return Open(self.recorder, scope, Block(self.recorder, branches))

    def _scope(self, place: Place, owner: Entry) -> Scope:
        return Scope(frame=self.recorder.frame, place=place, owner=owner, location=calling())

    def _test(self, given: object, word: str) -> Test:
        """The test; something harmless in place of one that is wrong."""
        found = truth(given)
        if found is None:
            if not isinstance(given, Unknown):
                said = given._label if isinstance(given, Placeholder) else repr(given)
                self.recorder.report(f"{word}() is given {said}, which is no test", _TESTS)
            return _NEVER
        for source in tested(found._test):
            settle(self.recorder.frame, source)
        return found._test if all(self.recorder.reaches(value) for value in found._values) else _NEVER

    def each(self, items: Any, parallel: int) -> Turn:
        """A loop."""
        frame = self.recorder.frame
        if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 0:
            self.recorder.report(f"parallel={parallel!r} is not a number of items", "0 is for any number.")
            parallel = 0
        single = items._single() if isinstance(items, Placeholder) else items
        source, kind, parts = self._items(single)
        type_ = kind.parameter.field.type if kind and kind.parameter else None
        loop = Loop(
            name=frame.numbered("for-loop"),
            scope=frame.scope,
            location=calling(),
            items=source or Constant(value=[]),
            item=type_,
            parallelism=parallel,
        )
        loop.body = self._scope(Place.LOOP, loop)
        frame.add(loop)
        if source is None:
            return Turn(self.recorder, loop, Unknown(self.recorder, "the item of a loop"))
        label = "the item of the loop" if not isinstance(single, Value) else f"an item of {single._label}"
        where = FromItem(loop=loop.name, type=type_)
        item = Item(self.recorder, label, kind, where, loop.body)
        item._parts = parts
        return Turn(self.recorder, loop, item)

    def _items(self, items: Any) -> tuple[Source | None, Kind | None, Mapping[str, Kind]]:
        """Where a loop's items come from, what one is, and what stands under each of its keys."""
        if isinstance(items, Unknown):
            return None, None, {}
        if isinstance(items, Value):
            return self._value_items(items)
        hint = "Loop over a list, a list field of the config, a list that a step gives, or collect(x)."
        if isinstance(items, (Placeholder, str, bytes, Mapping)) or not isinstance(items, Iterable):
            said = items._label if isinstance(items, Placeholder) else repr(items)
            self.recorder.report(f"each() is given {said}, which is no list", hint)
            return None, None, {}
        listed = list(items)
        if holds(listed):
            hint = "Loop over constants, or over the list that one step gives."
            self.recorder.report("a placeholder is inside of the list that each() is given", hint)
            return None, None, {}
        plain = _plain(listed)
        if not listed or plain is None:
            what = "each() is given items that are not all of one plain type" if listed else "each() is given no items"
            self.recorder.report(what, "Give numbers, texts, truth values, or mappings of those." if listed else "")
            return None, None, {}
        return Constant(value=plain), _kind(plain), _parts(plain)

    def _value_items(self, items: Value) -> tuple[Source | None, Kind | None, Mapping[str, Kind]]:
        kind = items._kind
        if not self.recorder.reaches(items):
            return None, None, {}
        if kind is not None and kind.many:
            one = Kind(**{**vars(kind), "many": False, "declared": kind.declared[5:-1]})
            return items._source, one, {}
        type_ = kind.parameter.field.type if kind and kind.parameter else None
        if kind is not None and type_ is not ParameterType.LIST:
            self.recorder.report(f"each() is given {items._label}, which is {kind.declared} and no list")
            return None, None, {}
        if kind is not None and kind.optional:
            self.recorder.report(f"each() is given {items._label}, which may be None")
            return None, None, {}
        inner = kind.parameter.item if kind and kind.parameter else None
        source = items._source
        if isinstance(source, FromItem) and source.type is None:
            source = FromItem(loop=source.loop, path=source.path, type=ParameterType.LIST)
        return source, Kind(parameter=inner, declared=inner.field.declared) if inner else None, {}

    def collect(self, value: Any) -> Placeholder:
        """The list of what a loop made."""
        single = value._single() if isinstance(value, Placeholder) else value
        if isinstance(single, Unknown):
            return single
        if not isinstance(single, Output):
            said = single._label if isinstance(single, Placeholder) else repr(single)
            self.recorder.report(f"collect() is given {said}", "Give it what a step within a loop gave.")
            return Unknown(self.recorder, "collect()")
        around = [scope.place for scope in single._home.outward()]
        if Place.LOOP not in around or Place.LOOP not in [scope.place for scope in self._left(single)]:
            outside = Place.LOOP not in around
            what = "which no loop made" if outside else "within the loop that makes it"
            hint = "Hand it over as it is." if outside else "Collect behind the loop."
            self.recorder.report(f"collect() is given {single._label}, {what}", hint)
            return Unknown(self.recorder, "collect()")
        kind, source = single._kind, single._source
        assert kind is not None
        assert isinstance(source, FromTask)
        if kind.many or kind.optional:
            why = "which is a list already" if kind.many else "which may be None"
            self.recorder.report(f"collect() is given {single._label}, {why}", "Let a step in the loop put it right.")
            return Unknown(self.recorder, "collect()")
        made = FromCollected(task=source.task, output=source.output)
        depth = sum(scope.place is Place.LOOP for scope in self._left(single))
        for _ in range(depth if kind.parameter else 1):
            kind = collected(kind)
        return Collected(self.recorder, f"collect({source.task})", kind, made, single._home)

    def _left(self, value: Value) -> list[Scope]:
        return crossed(value._home, self.recorder.frame.scope) or []

    def one_of(self, values: tuple[Any, ...]) -> Placeholder:
        """The output of the branch that is executed."""
        singles = [value._single() if isinstance(value, Placeholder) else value for value in values]
        unknown = Unknown(self.recorder, "one_of()")
        if any(isinstance(each, Unknown) for each in singles):
            return unknown
        outputs = [each for each in singles if isinstance(each, Output)]
        branches = {each._home.owner for each in outputs}
        [condition] = branches if len(branches) == 1 else [None]
        scopes = [scope for _, scope, _ in condition.blocks] if isinstance(condition, Branches) else []
        homes = [each._home for each in outputs]
        complete = isinstance(condition, Branches) and condition.blocks[-1][2] is None
        if len(outputs) != len(singles) or sorted(map(id, scopes)) != sorted(map(id, homes)) or not complete:
            hint = "Give one value from each block of one condition: when, elsewhen, and otherwise as the last."
            self.recorder.report("one_of() is not given one value from each branch", hint)
            return unknown
        first, *rest = sorted(outputs, key=lambda each: scopes.index(each._home))
        for other in rest:
            why = mismatch(_known(first), _known(other)) or mismatch(_known(other), _known(first))
            if why:
                self.recorder.report(f"one_of() is given {first._label} and {other._label}: {why}")
                return unknown
        alternatives = tuple(each._source for each in (first, *rest) if isinstance(each._source, FromTask))
        label = f"one_of({', '.join(each.task for each in alternatives)})"
        home = condition.scope if condition else first._home
        return Value(self.recorder, label, first._kind, FromOneOf(alternatives=alternatives), home)

    def on_exit(self, task: object) -> Open:
        """A block with an exit task."""
        frame = self.recorder.frame
        call = task._entry if isinstance(task, Called) else None
        if not isinstance(call, Call):
            if not isinstance(task, Unknown):
                said = task._label if isinstance(task, Placeholder) else repr(task)
                self.recorder.report(f"on_exit() is given {said}", "Give it the call of a step: on_exit(notify(…)).")
            call = Call(name=frame.free("exit"), scope=frame.scope, step="")
        elif call in frame.scope.entries:
            frame.scope.entries.remove(call)
        if frame.scope.place is not Place.FUNCTION:
            what = "on_exit() stands within another block"
            self.recorder.report(what, "Put it around loops and conditions, in the pipeline function itself.")
        made = [name for name, source in call.arguments.items() if is_made(source)]
        if made or call.after:
            what = f"the exit task {call.name} needs {made[0] if made else call.after[0]!r} of another task"
            self.recorder.report(what, "It runs whatever failed, so it takes config fields and constants alone.")
        call.last = True
        guard = Guard(name=frame.numbered("exit-handler"), scope=frame.scope, location=calling(), task=call)
        guard.body = self._scope(Place.GUARDED, guard)
        frame.add(guard)
        return Open(self.recorder, guard.body, Block(self.recorder, guard))


class Collected(Value):
    """The list of what a task within loops made."""

    def _barred(self, left: list[Scope]) -> tuple[str, str] | None:
        places = {scope.place for scope in left}
        if Place.LOOP not in places:
            return f"{self._label} is used within the loop that makes it", "Use it behind the loop."
        return super()._barred([scope for scope in left if scope.place is not Place.LOOP])


def _known(value: Value) -> Kind:
    assert value._kind is not None
    return value._kind


_NEVER: Final = Comparison(left=Constant(value=0), operator=Comparator.EQUAL, right=Constant(value=1))
_SCALARS: Final[tuple[set[type], ...]] = ({bool}, {int}, {int, float}, {str})


def _plain(items: list[Any]) -> list[Json] | None:
    """The items as JSON has them, if they are of one plain type."""
    kinds = {type(item) for item in items}
    if any(kinds <= kind for kind in _SCALARS) or kinds <= {list}:
        return items
    if all(isinstance(item, tuple) for item in items):
        return [list(item) for item in items]
    if all(isinstance(item, Mapping) and all(isinstance(key, str) for key in item) for item in items):
        return [dict(item) for item in items]
    return None


def _kind(items: list[Any]) -> Kind:
    """What one of several plain values is."""
    kinds = {type(item) for item in items}
    python: type = list if kinds == {list} else dict
    for scalar, like in zip((bool, int, float, str), _SCALARS, strict=True):
        if kinds <= like:
            python = scalar
            break
    found = parameter(python)
    return Kind(parameter=found, declared=python.__name__)


def _parts(items: list[Any]) -> dict[str, Kind]:
    """What stands under the keys that all of several mappings have."""
    if not all(isinstance(item, dict) for item in items):
        return {}
    keys = [key for key in items[0] if all(key in item for item in items)]
    columns = {key: _plain([item[key] for item in items]) for key in keys}
    return {key: _kind(column) for key, column in columns.items() if column is not None}
