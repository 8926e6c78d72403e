"""A laboratory: the clinic's algorithms captured, compiled and executed, as they are and with one thing changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.mutation.mutator import Mutant

from palmette.capture.bundle import assemble, kit, unpack
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.config import settle
from palmette.domain.fingerprint import Parts
from palmette.engine.executors.template import Call
from palmette.engine.fingerprints import parts
from palmette.engine.inputs import Inputs, Job, resolve
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.planning import plan
from palmette.engine.ports import Secrets
from palmette.engine.values import Values
from palmette.errors import PalmetteError
from palmette.operations.compiling import compile_recorded
from palmette.operations.preparing import LEAST_PYTHON, Preparation, directories, named
from palmette.operations.project import Project, discover, interpreter
from palmette.operations.recording import finish
from palmette.operations.surroundings import base, places

#: Carries out a step and notes which of the project's functions were entered, importing included.
WATCHED = b"""
import json, sys
def main(arguments):
    entered = set()
    def note(frame, event, argument):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.partition(".")[0] in ("algorithms", "clinic"):
            entered.add(f"{module}:{frame.f_code.co_qualname.split('.<locals>')[0]}")
    from palmette.runtime.task import main
    sys.setprofile(note)
    code = main(arguments)
    sys.setprofile(None)
    with open("entered.json", "w") as file:
        json.dump(sorted(entered), file)
    return code
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A task, executed without any reuse."""

    #: None where it was never started, since something before it crashed
    parts: Parts | None = None
    outputs: Outputs | None = None
    #: all that can be told of what it did: values, bytes, descriptions, curves; None if it crashed
    seen: Any = None
    #: the project's functions that were entered
    entered: frozenset[str] = frozenset()

    @property
    def own(self) -> Parts | None:
        """The parts that do not come from other tasks."""
        return replace(self.parts, inputs={}) if self.parts else None


@dataclass(frozen=True)
class Way:
    """An algorithm and how it is run."""

    algorithm: str
    preset: str | None = None
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.preset}" if self.preset else self.algorithm


#: Small, so that hundreds of them can be run.
SMALL = ("rows=500", "epochs=2", "features.most=500")
WAYS = (
    Way("tumour"),
    Way("tumour", "toy"),
    Way("diagnosis", overrides=SMALL),
    Way("diagnosis", "toy", ("rows=500",)),
)


@dataclass
class Laboratory:
    """A copy of the clinic, in which one file at a time is changed."""

    project: Project
    environ: Mapping[str, str]
    scratch: Path
    _unchanged: dict[Way, Mapping[str, Done]] = field(default_factory=dict)
    _count: int = 0

    def unchanged(self, way: Way) -> Mapping[str, Done]:
        """What the tasks do as they are."""
        if way not in self._unchanged:
            found = self._run(way, {}, "", "watched:main")
            assert found is not None
            self._unchanged[way] = found
        return self._unchanged[way]

    def again(self, way: Way) -> Mapping[str, Done]:
        """What the tasks do a second time."""
        found = self._run(way, self.unchanged(way), "")
        assert found is not None
        return found

    def changed(self, way: Way, mutant: Mutant) -> Mapping[str, Done] | None:
        """What the tasks do with a mutant in place; None if the algorithm cannot even be recorded any more."""
        known = self.unchanged(way)
        path = self.project.root / mutant.file
        before = path.read_bytes()
        path.write_text(mutant.text)
        try:
            return self._run(way, known, mutant.inside)
        finally:
            path.write_bytes(before)

    def fingerprints(self, way: Way, file: str, text: str) -> Mapping[str, Parts | None]:
        """The tasks' parts with a file of this text in place, each given the inputs that it has always had."""
        known = self.unchanged(way)
        path = self.project.root / file
        before = path.read_bytes()
        path.write_text(text)
        try:
            with self._prepared(way) as (_, planned, _):
                made = {name: done.outputs or Outputs() for name, done in known.items()}
                inputs = {task.name: resolve(task, Values(made=made), Job(id="1")) for task in planned.tasks}
                return {task.name: self._parts(task, inputs[task.name]) for task in planned.tasks}
        finally:
            path.write_bytes(before)

    @contextlib.contextmanager
    def _prepared(self, way: Way) -> Iterator[tuple[Preparation, Plan, Path]]:
        where = directories(self.environ)
        own = unpack(assemble({**kit(), "watched.py": WATCHED}, python=LEAST_PYTHON), self.scratch / "kits")
        found = named(discover(self.project), way.algorithm)
        python = interpreter(self.project, self.environ)
        with Preparation(self.project, self.environ, found, python, replace(where, kit=own)) as preparation:
            recorded = finish(preparation, self.scratch / "bundles")
            algorithm = recorded.algorithm
            settings = settle(algorithm.config, algorithm.presets, preset=way.preset, overrides=way.overrides)
            document = compile_recorded(recorded).document
            planned = plan(document, {each.name: each.value for each in settings})
            yield preparation, planned, self.scratch / "bundles" / recorded.bundle.digest

    def _run(
        self, way: Way, known: Mapping[str, Done], inside: str, entry: str = "palmette.runtime.task:main"
    ) -> Mapping[str, Done] | None:
        """Execute each task in turn; None if the algorithm cannot be recorded."""
        self._count += 1
        directory = self.scratch / f"run-{self._count}"
        try:
            with self._prepared(way) as (preparation, planned, bundle):
                done: dict[str, Done] = {}
                for task in planned.tasks:
                    if any(done[each].outputs is None for each in task.needs):
                        done[task.name] = Done()
                        continue
                    made = {name: each.outputs or Outputs() for name, each in done.items()}
                    inputs = resolve(task, Values(made=made), Job(id="1"))
                    own, before = self._parts(task, inputs), known.get(task.name, Done())
                    if _untouched(own, before, inside):
                        done[task.name] = replace(before, parts=own)
                    else:
                        found = self._executed(
                            preparation, task, inputs, directory=directory / task.name, bundle=bundle, entry=entry
                        )
                        done[task.name] = replace(found, parts=own)
                return done
        except PalmetteError:
            return None
        finally:
            if known:  # the inputs of those that follow are kept
                shutil.rmtree(directory, ignore_errors=True)

    def _executed(
        self,
        preparation: Preparation,
        task: PlannedTask,
        inputs: Inputs,
        *,
        directory: Path,
        bundle: Path,
        entry: str,
    ) -> Done:
        """Carry a step out in a fork of the template, as the engine does."""
        directory.mkdir(parents=True)
        surroundings = {**base(self.environ), **places(self.project, bundle.parent)}
        call = Call(
            entry=entry,
            arguments=[task.step, json.dumps(_asked(task, inputs, directory)), str(bundle)],
            directory=directory,
            log=directory / "log",
            environment={**surroundings, "PALMETTE_EVENTS": str(directory / "events.jsonl")},
        )
        if preparation.template.call(call, timeout=30.0).code:
            return Done()
        noted = directory / "entered.json"
        entered = frozenset(json.loads(noted.read_text())) if noted.exists() else frozenset()
        outputs, seen = _answer(directory)
        return Done(outputs=outputs, seen=seen, entered=entered)

    def _parts(self, task: PlannedTask, inputs: Inputs) -> Parts:
        return parts(task, inputs, secrets=Secrets(), environment={})


def _untouched(own: Parts, before: Done, inside: str) -> bool:
    """Whether what changed lies in a function that the task never enters, and it is given what it was given."""
    if before.parts is None or not inside or inside in before.entered:
        return False
    return (before.parts.inputs, before.parts.parameters) == (own.inputs, own.parameters)


def _asked(task: PlannedTask, inputs: Inputs, directory: Path) -> Any:
    """The ExecutorInput."""
    given = {name: _one(name, one.filename, one.type, one.metadata) for name, (one,) in inputs.artifacts.items()}
    definitions = task.definition.output_definitions
    wanted = {
        name: _one(name, str(directory / "outputs" / name), spec.artifact_type.schema_title, {})
        for name, spec in definitions.artifacts.items()
    }
    values = {name: {"outputFile": str(directory / "values" / name)} for name in definitions.parameters}
    return {
        "inputs": {"parameterValues": dict(inputs.parameters), "artifacts": given},
        "outputs": {"parameters": values, "artifacts": wanted, "outputFile": str(directory / "answer.json")},
    }


def _one(name: str, uri: str, title: str, metadata: Mapping[str, Any]) -> Any:
    return {"artifacts": [{"name": name, "uri": uri, "type": {"schemaTitle": title}, "metadata": dict(metadata)}]}


def _answer(directory: Path) -> tuple[Outputs, Any]:
    answer = json.loads((directory / "answer.json").read_text())
    artifacts: dict[str, Artifact] = {}
    for name, each in answer["artifacts"].items():
        one = each["artifacts"][0]
        content = Path(one["uri"]).read_bytes()
        artifacts[name] = Artifact(
            type=one["type"]["schemaTitle"],
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
            size=len(content),
            filename=one["uri"],
            metadata=one["metadata"],
        )
    noted = directory / "events.jsonl"
    lines = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    curves = [{key: value for key, value in line.items() if key != "time"} for line in lines]
    seen = (
        answer["parameterValues"],
        {name: (each.type, each.digest, each.metadata) for name, each in artifacts.items()},
        curves,
    )
    return Outputs(parameters=answer["parameterValues"], artifacts=artifacts), seen
