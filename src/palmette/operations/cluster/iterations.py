"""Which iteration of a loop a cluster's task was of. Nothing there says a number: an outcome says its items, and the
pipeline which items there are. Where either is unknown, the n-th that began is taken for the n-th."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TypeAlias

from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.ir.spec import DagSpec, PipelineDocument, TaskSpec
from palmette.operations.cluster.outcomes import Outcome

#: the loops around a task by their keys, the outermost first, and of each the number of the item
Path: TypeAlias = tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Iterations:
    """The loops of a run."""

    #: loop → its items, of those that are known
    items: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()

    @classmethod
    def of(
        cls, document: PipelineDocument | None, outcomes: Sequence[Outcome], config: Mapping[str, Json]
    ) -> Iterations:
        """Those of a pipeline that was run with this config."""
        found: dict[str, Sequence[Json] | None] = {}
        values = {
            (each.task, name): value
            for outcome in outcomes
            for each in (outcome.kept if outcome.scope == "root" else ())
            for name, value in each.values.items()
        }
        for dag, outermost in _dags(document):
            for key, task in dag.tasks.items():
                if task.parameter_iterator is not None:
                    # Two nested pipelines may have a loop of one name each, which then says nothing.
                    once = key not in found
                    found[key] = _listed(task, config, values, outermost=outermost) if once else None
        return cls(items={key: items for key, items in found.items() if items is not None}, outcomes=outcomes)

    def numbered(self, pattern: str, good: Sequence[bool]) -> list[Path]:
        """Which iteration each node of a task was of. The nodes are given in the order in which they began, as whether
        they came to a good end; `pattern` is the task's name in the first iteration."""
        loops = [key for key, _ in path(pattern)]
        several = product(*(range(len(self.items[key])) for key in loops)) if {*loops} <= {*self.items} else ()
        places = [tuple(zip(loops, numbers, strict=True)) for numbers in several]
        if len(places) < len(good):
            rest = tuple((key, 0) for key in loops[1:])
            return [((loops[0], number), *rest) for number in range(len(good))]
        told: list[Path] = []
        for outcome in self.outcomes:
            if pattern.rpartition(".")[2] in outcome.tasks:
                told += [place for place in places if place not in told and self._fits(place, outcome)][:1]
        told.sort()
        others = [place for place in places if place not in told]
        return [(told if end and told else others or told).pop(0) for end in good]

    def assigned(self, records: Sequence[TaskRecord]) -> Iterator[tuple[Outcome, dict[str, str]]]:
        """Each outcome, and the names of the tasks that it tells of, by their keys."""
        free: dict[str, list[str]] = {}
        for record in records:
            if record.state.good and not record.group:
                free.setdefault(record.name.rpartition(".")[2], []).append(record.name)
        for outcome in self.outcomes:
            names: dict[str, str] = {}
            for key in outcome.tasks:
                if several := free.get(key):
                    fitting = (name for name in several if self._fits(path(name), outcome))
                    names[key] = next(fitting, several[0])
                    several.remove(names[key])
            yield outcome, names

    def _fits(self, place: Path, outcome: Outcome) -> bool:
        known = ((self.items[key], number, key) for key, number in place if key in self.items and key in outcome.items)
        return all(number < len(items) and items[number] == outcome.items[key] for items, number, key in known)


def path(name: str) -> Path:
    """The loops around a task of this name, and which iteration of each it is in."""
    parts = name.split(".")
    return tuple((key, int(number)) for key, number in pairwise(parts) if number.isdigit())


def _dags(document: PipelineDocument | None) -> Iterator[tuple[DagSpec, bool]]:
    """All pipelines of a document, and whether each is the outermost."""
    if document is not None:
        if document.pipeline.root.dag is not None:
            yield document.pipeline.root.dag, True
        yield from ((each.dag, False) for each in document.pipeline.components.values() if each.dag is not None)


def _listed(
    task: TaskSpec, config: Mapping[str, Json], values: Mapping[tuple[str, str], Json], *, outermost: bool
) -> Sequence[Json] | None:
    """The items of a loop; None where it is not known here what they were."""
    assert task.parameter_iterator is not None
    given = task.inputs.parameters.get(task.parameter_iterator.input_parameter)
    found: Json = None
    if task.parameter_iterator.raw:
        found = json.loads(task.parameter_iterator.raw)
    elif given is None or given.parameter_expression_selector:
        return None
    elif given.has_constant:
        found = given.constant
    elif outermost and given.task_output_parameter is not None:
        made = given.task_output_parameter
        found = values.get((made.producer_task, made.output_parameter_key))
    elif outermost:
        found = config.get(given.component_input_parameter)
    return found if isinstance(found, list) else None
