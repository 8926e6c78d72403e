# ruff: noqa: ANN001, ANN002, ANN201, ANN202, RUF012, UP006, UP035, UP045
"""Pipelines that are put together of blocks, and what each of their tasks must give; run by an interpreter with `kfp`.

    python kfp_blocks.py DIRECTORY COUNT

compiles COUNT pipelines of whatever the installed SDK can write to DIRECTORY/NAME.yaml, and what they mean to
DIRECTORY/NAME.json. Each block takes a number and gives one. `write` puts it into a pipeline; `mean` says, naively and
without knowing of any engine, which of its tasks are executed and to what.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import itertools
import json
import random
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from kfp import compiler, dsl
from tests.conformance import kfp_pieces as pieces
from tests.conformance.kfp_pieces import ITEMS, VERSION, add, add_item, broken, data, numbers, text, total, weigh

#: in the place of a value: the task was executed, and failed
FAILED = "a failure"
#: what is not there, since what would have made it failed or was skipped
GONE = object()
FIVE = Path(__file__).with_name("kfp_five.txt")
#: Older SDKs have no other word for it.
If = getattr(dsl, "If", None) or dsl.Condition


@dataclass
class Scene:
    """What is known of a group of tasks while it is gone through."""

    #: by title: the value of each task that is executed, or FAILED
    seen: Dict[str, Any] = field(default_factory=dict)
    index: str = ""
    failed: bool = False

    def task(self, title, value, *needs):
        """A task that is executed if nothing is missing that it needs."""
        if any(each is GONE for each in needs):
            return GONE
        self.seen[title + self.index] = value = value()
        if value is FAILED:
            self.failed = True
            return GONE
        return value

    def within(self, index=""):
        return Scene(seen=self.seen, index=self.index + index)


@dataclass
class Block:
    """A construct."""

    inner: Tuple["Block", ...] = ()
    name: str = ""
    since = (2, 0)
    #: whether blocks may be put into it
    holds = False
    fails = False

    def named(self, name):
        """The same with names for it and all within."""
        inner = tuple(each.named(f"{name}-{place}") for place, each in enumerate(self.inner))
        return replace(self, name=name, inner=inner)

    def ready(self):
        """Make the pipelines within, which the SDK does not let be made while it writes one."""
        for each in self.inner:
            each.ready()

    def everything(self) -> Iterator["Block"]:
        yield self
        for each in self.inner:
            yield from each.everything()

    def title(self, task, what=""):
        return task.set_display_name(self.name + what)

    def write(self, x, place):
        raise NotImplementedError

    def mean(self, x, scene):
        raise NotImplementedError

    def write_inner(self, x, place):
        """What is within, one after the other, and a task that ends it; the task's output."""
        for each in self.inner:
            x = each.write(x, place)
        return self.title(add(x=x, k=1), "-end").outputs["out"]

    def mean_inner(self, x, scene):
        """What comes out of the group, whose scene it is."""
        for each in self.inner:
            x = each.mean(x, scene)
        found = scene.task(self.name + "-end", lambda: x + 1, x)
        return GONE if scene.failed else found


class Add(Block):
    def write(self, x, place):
        return self.title(add(x=x, k=2)).outputs["out"]

    def mean(self, x, scene):
        return scene.task(self.name, lambda: x + 2, x)


class Python(Block):
    def write(self, x, place):
        return self.title(pieces.plus(x=x)).output

    def mean(self, x, scene):
        return scene.task(self.name, lambda: x + 1, x)


class Texts(Block):
    def write(self, x, place):
        self.title(text(x=f'<{x}|it\'s "{x}" $(touch no)>'))
        return x

    def mean(self, x, scene):
        scene.task(self.name, lambda: f'<{x}|it\'s "{x}" $(touch no)>', x)
        return x


class Data(Block):
    def write(self, x, place):
        made = self.title(data(x=x), "-made")
        return self.title(weigh(x=x, given=made.outputs["made"])).outputs["out"]

    def mean(self, x, scene):
        made = scene.task(self.name + "-made", lambda: "made", x)
        return scene.task(self.name, lambda: 2 * x, made)


class Imported(Block):
    def write(self, x, place):
        found = dsl.importer(artifact_uri=str(FIVE), artifact_class=dsl.Dataset)
        return self.title(weigh(x=x, given=found.output)).outputs["out"]

    def mean(self, x, scene):
        return scene.task(self.name, lambda: x + 5, x)


class Retried(Block):
    def write(self, x, place):
        task = pieces.shaky(place=f"{place}/{self.name}", x=x).set_retry(1, backoff_duration="0s")
        return self.title(task).outputs["out"]

    def mean(self, x, scene):
        return scene.task(self.name, lambda: x, x)


class Cached(Block):
    def write(self, x, place):
        first = self.title(add(x=x, k=3), "-first")
        again = self.title(add(x=x, k=3), "-again").after(first)
        anew = self.title(add(x=x, k=3)).after(again).set_caching_options(False)
        return anew.outputs["out"]

    def mean(self, x, scene):
        for what in ("-first", "-again", ""):
            found = scene.task(self.name + what, lambda: x + 3, x)
        return found


class Optionals(Block):
    def write(self, x, place):
        absent = self.title(pieces.perhaps(x=x), "-absent")
        return self.title(pieces.perhaps(x=absent.outputs["out"], k=1)).outputs["out"]

    def mean(self, x, scene):
        absent = scene.task(self.name + "-absent", lambda: x + 10, x)
        return scene.task(self.name, lambda: absent + 1, absent)


class Nothing(Block):
    """A loop over nothing."""

    since = (2, 5)

    def write(self, x, place):
        none = self.title(numbers(x="[]"), "-none")
        with dsl.ParallelFor(none.outputs["out"]) as item:
            never = self.title(add(x=x, k=item), "-never")
        zero = self.title(total(xs=dsl.Collected(never.outputs["out"])), "-zero")
        return self.title(add(x=x, k=zero.outputs["out"])).outputs["out"]

    def mean(self, x, scene):
        scene.task(self.name + "-none", lambda: [])
        zero = scene.task(self.name + "-zero", lambda: 0, x)
        return scene.task(self.name, lambda: x, x, zero)


class Gathered(Block):
    """Artifacts of a loop as a list."""

    since = (2, 5)

    def write(self, x, place):
        with dsl.ParallelFor(list(reversed(ITEMS))) as item:
            more = self.title(add_item(x=x, k=item), "-more")
            made = self.title(data(x=more.outputs["out"]), "-made")
        return self.title(pieces.weigh_all(given=dsl.Collected(made.outputs["made"]))).output

    def mean(self, x, scene):
        for place in range(2):
            scene.within(f"[{place}]").task(self.name + "-more", lambda k=place + 1: x + k, x)
            scene.within(f"[{place}]").task(self.name + "-made", lambda: "made", x)
        return scene.task(self.name, lambda: 2 * x + 3, x)


class Broken(Block):
    fails = True

    def write(self, x, place):
        gone = self.title(broken(x=x), "-broken")
        self.title(add(x=gone.outputs["out"], k=1), "-skipped")
        return x

    def mean(self, x, scene):
        scene.task(self.name + "-broken", lambda: FAILED, x)
        return x


class Ignored(Block):
    fails = True

    def write(self, x, place):
        gone = self.title(broken(x=x), "-broken")
        return self.title(pieces.tolerant(x=gone.outputs["out"])).ignore_upstream_failure().output

    def mean(self, x, scene):
        scene.task(self.name + "-broken", lambda: FAILED, x)
        return scene.task(self.name, lambda: 7)


class Holding(Block):
    holds = True


class Branch(Holding):
    """A branch that is taken, and one that is not."""

    def write(self, x, place):
        with If(x >= -1000):
            self.write_inner(x, place)
        with If(x < -1000):
            self.title(add(x=x, k=1), "-never")
        return x

    def mean(self, x, scene):
        if x is not GONE:
            group = scene.within()
            self.mean_inner(x, group)
            scene.failed |= group.failed
        return x


class Untaken(Holding):
    """A branch that is not taken: nothing within is executed."""

    def write(self, x, place):
        with If(x == -1000):
            self.write_inner(x, place)
        return x

    def mean(self, x, scene):
        return x


class Chosen(Holding):
    """The one of three branches that is taken."""

    since = (2, 5)

    def write(self, x, place):
        with dsl.If(x < -1000):
            one = self.title(add(x=x, k=1), "-one")
        with dsl.Elif(x > -1000):
            two = self.write_inner(x, place)
        with dsl.Else():
            three = self.title(add(x=x, k=1), "-three")
        found = dsl.OneOf(one.outputs["out"], two, three.outputs["out"])
        return self.title(add(x=found, k=4)).outputs["out"]

    def mean(self, x, scene):
        if x is GONE:
            return GONE
        group = scene.within()
        found = self.mean_inner(x, group)
        scene.failed |= group.failed
        return scene.task(self.name, lambda: found + 4, found)


class Loop(Holding):
    """Over constants, one after the other."""

    since = (2, 5)
    options: Dict[str, Any] = {"parallelism": 1}

    def items(self, x):
        return list(ITEMS)

    def taken(self, x, item):
        return add_item(x=x, k=item)

    def write(self, x, place):
        with dsl.ParallelFor(self.items(x), **self.options) as item:
            taken = self.title(self.taken(x, item), "-item")
            end = self.write_inner(taken.outputs["out"], place)
        return self.title(total(xs=dsl.Collected(end))).outputs["out"]

    def mean(self, x, scene):
        ends = []
        for place, k in enumerate((2, 1)):
            group = scene.within(f"[{place}]")
            taken = group.task(self.name + "-item", lambda k=k: x + k, x)
            ends.append(GONE if taken is GONE else self.mean_inner(taken, group))
            scene.failed |= group.failed
        return scene.task(self.name, lambda: sum(ends), *ends)


class LoopOverParts(Loop):
    """Over parts of constants."""

    options: Dict[str, Any] = {}

    def items(self, x):
        return [{"a": ITEMS[0], "b": "x"}, {"a": ITEMS[1], "b": "y"}]

    def taken(self, x, item):
        return add_item(x=x, k=item.a)


class LoopOverOutput(Loop):
    """Over what a task gave."""

    options: Dict[str, Any] = {}

    def items(self, x):
        return self.title(numbers(x="[2, 1]"), "-items").outputs["out"]

    def taken(self, x, item):
        return add(x=x, k=item)

    def mean(self, x, scene):
        scene.task(self.name + "-items", lambda: [2, 1])
        return super().mean(x, scene)


class Nested(Holding):
    """A pipeline with an optional input that is not given."""

    retries = 0

    def ready(self):
        super().ready()
        self.made = dsl.pipeline(name=f"inner-{self.name.lower()}")(self.build())

    def build(self):
        def inner(x: int, place: str, k: Optional[int] = None) -> int:
            first = self.title(pieces.perhaps(x=x, k=k), "-first")
            return self.write_inner(first.outputs["out"], place)

        return inner

    def write(self, x, place):
        return self.made(x=x, place=place).output

    def mean(self, x, scene):
        if x is GONE:
            return GONE
        group = scene.within()
        first = group.task(self.name + "-first", lambda: self.begin(x))
        found = self.mean_inner(first, group)
        scene.failed |= group.failed
        return found

    def begin(self, x):
        return x + 10


class NestedRetried(Nested):
    """A pipeline that is tried again."""

    def build(self):
        def inner(x: int, place: str) -> int:
            first = self.title(pieces.shaky(place=f"{place}/{self.name}", x=x), "-first")
            return self.write_inner(first.outputs["out"], place)

        return inner

    def write(self, x, place):
        return self.made(x=x, place=place).set_retry(1, backoff_duration="0s").output

    def begin(self, x):
        return x


class Guarded(Holding):
    """A group with an exit task; the SDK wants it at the top of a pipeline."""

    def ready(self):
        super().ready()

        def inner(x: int, place: str):
            with dsl.ExitHandler(self.title(pieces.told(), "-told"), name=f"guard-{self.name.lower()}"):
                self.write_inner(x, place)

        self.made = dsl.pipeline(name=f"guarded-{self.name.lower()}")(inner)

    def write(self, x, place):
        self.made(x=x, place=place)
        return x

    def mean(self, x, scene):
        if x is not GONE:
            group = scene.within()
            self.mean_inner(x, group)
            group.task(self.name + "-told", lambda: "FAILED" if group.failed else "COMPLETE")
            scene.failed |= group.failed
        return x


KINDS = (
    Add, Python, Texts, Data, Imported, Retried, Cached, Optionals, Nothing, Gathered,
    Branch, Untaken, Chosen, Loop, LoopOverParts, LoopOverOutput, Nested, NestedRetried, Guarded,
    Ignored, Broken,
)  # fmt: skip
WRITABLE = tuple(kind for kind in KINDS if kind.since <= VERSION)


def around(kind) -> Block:
    """The kind around every other one; what fails comes last, so that it hides nothing."""
    return kind(inner=tuple(each((Add(),)) if each.holds else each() for each in WRITABLE))


def grown(seed: int) -> Sequence[Block]:
    """Some blocks, some of them within others."""
    chance = random.Random(seed)

    def some(depth):
        return tuple(one(depth) for _ in range(chance.randint(1, 3 if depth else 2)))

    def one(depth):
        kind = chance.choice(WRITABLE)
        return kind(some(depth - 1) if kind.holds and depth else (Add(),) if kind.holds else ())

    return some(2)


def pipeline(name: str, blocks: Sequence[Block]):
    """The pipeline of these blocks, one after the other, and what it means."""
    whole = Branch(tuple(blocks)).named("t")
    whole.ready()

    @dsl.pipeline(name=name)
    def written(place: str, x: int = 3):
        for each in whole.inner:
            x = each.write(x, place)

    scene, x = Scene(), 3
    for each in whole.inner:
        x = each.mean(x, scene)
    return written, {"state": "FAILED" if scene.failed else "SUCCEEDED", "tasks": scene.seen}


def save(directory: Path, name: str, blocks: Sequence[Block]) -> Dict[str, Any]:
    """Compile it to a file, and say what it means."""
    written, means = pipeline(name, blocks)
    compiler.Compiler().compile(written, str(directory / f"{name}.yaml"))
    (directory / f"{name}.json").write_text(json.dumps(means))
    return means


if __name__ == "__main__":
    numbers_left = itertools.count()
    for place in range(int(sys.argv[2])):
        while True:
            try:
                save(Path(sys.argv[1]), f"stranger-{place}", grown(next(numbers_left)))
                break
            except AssertionError:
                # 2.0 cannot wire some groups within groups.
                if VERSION > (2, 0):
                    raise
