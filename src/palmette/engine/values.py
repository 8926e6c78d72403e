"""What the tasks and groups of a run have made so far: the values behind the sources of inputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.engine.parameters import plain
from palmette.engine.placeholders import filled
from palmette.engine.plan import Group
from palmette.engine.ports import Expressions, NoExpressions
from palmette.engine.sources import Artifacts, Ending, Fixed, Held, Part, Produced, Source, Template

#: The state of a task and why it is in it.
Told: TypeAlias = Callable[[str], tuple[TaskState, str]]

#: The words of a cluster, which are those of its metadata store.
_WORDS: Final[Mapping[TaskState, str]] = {TaskState.SUCCEEDED: "COMPLETE", TaskState.SKIPPED: "CANCELED"}


def _succeeded(_: str) -> tuple[TaskState, str]:
    return TaskState.SUCCEEDED, ""


def _no_constants(_: str) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Values:
    """Everything that the inputs of a task can be made of.

    A group makes what its members do: a loop the list of what its iterations made, in their order and without those
    that made nothing; a nested loop a list of such lists for a parameter, one flat list for an artifact, as the IR
    has no lists of lists of these.
    """

    #: what each task made
    made: dict[str, Outputs] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    #: loop → how many iterations it came to
    counts: dict[str, int] = field(default_factory=dict)
    expressions: Expressions = NoExpressions()
    told: Told = _succeeded
    #: KFP's ``pipelineJobResourceName``
    job: str = ""
    #: what the placeholders of the run stand for in the constants of a task
    constants: Callable[[str], Mapping[str, str]] = _no_constants

    def value(self, source: Source | None) -> Json:
        """The value that the source yields; None for none. `Unusable` where a part cannot be taken."""
        match source:
            case None:
                return None
            case Fixed():
                return source.value
            case Produced():
                found = self._parameter(source.task, source.output)
                return source.default if found is None else found
            case Part():
                whole = self.value(source.of)
                found = None if whole is None else plain(self.expressions.part(source.selector, whole))
                return source.default if found is None else found
            case Ending():
                return self._ending(source.task)
            case Template():
                fillings = source.fillings
                return filled(source.value, lambda name: self.value(fillings.get(name)), self.constants(source.task))
            case _:
                assert_never(source)

    def artifacts(self, source: Artifacts | None) -> tuple[Artifact, ...]:
        """The artifacts that the source yields: one, of a list several, or none."""
        match source:
            case None:
                return ()
            case Produced():
                return tuple(self._artifacts(source.task, source.output))
            case Held():
                return (source.artifact,)
            case _:
                assert_never(source)

    def omitted(self, task: str, output: str) -> bool:
        """Whether nothing made the output because the tasks that would have were skipped."""
        if self.told(task)[0] is TaskState.SKIPPED:
            return True
        behind = list(self._behind(task, output))
        return bool(behind) and all(self.omitted(inner, key) for inner, key in behind)

    def _parameter(self, task: str, output: str) -> Json:
        if task not in self.groups:
            made = self.made.get(task)
            return None if made is None else made.parameters.get(output)
        found = (self._parameter(inner, key) for inner, key in self._behind(task, output))
        present = (value for value in found if value is not None)
        if task in self.counts:
            return list(present)
        return next(present, None)

    def _artifacts(self, task: str, output: str) -> Iterator[Artifact]:
        if task not in self.groups:
            made = self.made.get(task)
            found_here = {} if made is None else made.artifacts
            if output in found_here:
                yield found_here[output]
            # Those of a list have numbers.
            numbers = itertools.takewhile(lambda index: f"{output}[{index}]" in found_here, itertools.count())
            yield from (found_here[f"{output}[{index}]"] for index in numbers)
            return
        for inner, key in self._behind(task, output):
            found = list(self._artifacts(inner, key))
            yield from found
            if found and task not in self.counts:
                return

    def _behind(self, task: str, output: str) -> Iterator[tuple[str, str]]:
        """The outputs within a group that its own one is made of: of a loop each iteration's, else alternatives."""
        if task in self.counts:
            for index in range(self.counts[task]):
                yield f"{task}.{index}", output
        elif task in self.groups:
            outputs = self.groups[task].dag.outputs
            for parameter in outputs.parameters.get(output, ()):
                yield f"{task}.{parameter.producer_subtask}", parameter.output_parameter_key
            for artifact in outputs.artifacts.get(output, ()):
                yield f"{task}.{artifact.producer_subtask}", artifact.output_artifact_key

    def _ending(self, task: str) -> Json:
        state, message = self.told(task)
        return {
            "state": _WORDS.get(state, state.value),
            "error": {"code": 9, "message": message} if state is TaskState.FAILED else {},
            "pipelineJobResourceName": self.job,
            "pipelineTaskName": task,
        }
