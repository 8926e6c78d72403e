"""Whether a task may use again what an earlier one made: the same key, and outputs that still stand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import assert_never

from palmette.domain.fingerprint import fingerprint
from palmette.domain.graph import Freshness, Resources
from palmette.domain.run import Reused, Run
from palmette.engine.attempt import secret_values
from palmette.engine.claims import claimed, claims, deleted
from palmette.engine.fingerprints import parts
from palmette.engine.importing import imported
from palmette.engine.inputs import Inputs, Omitted, UnusableInput, parameter_text, resolve
from palmette.engine.plan import PlannedTask
from palmette.engine.pods import Lent
from palmette.engine.quantities import requested
from palmette.engine.references import standing
from palmette.engine.sources import outside
from palmette.engine.tree import Tree
from palmette.engine.vocabulary import Answer, Bypassed, Hit, Imported, Missed, Refused
from palmette.engine.world import World
from palmette.errors import PalmetteError
from palmette.ir.spec import ImporterSpec


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What whoever started the run wants of the engine."""

    #: outputs of a step that reads the world and does not say how long they stand may be used again
    reuse_unsaid: bool = False
    #: everything that reads the world is read again
    refresh: bool = False
    #: nothing is used again but what is adopted
    anew: bool = False
    #: tasks that are executed anew, whatever was done before
    forced: frozenset[str] = frozenset()
    #: task → what another run's task made, which is taken over whatever its fingerprint
    adopted: Mapping[str, Reused] = field(default_factory=dict)
    #: tasks that somebody can reach into while they run: executed anew, and never used again
    handled: frozenset[str] = frozenset()
    #: seconds between asking an attempt to stop and killing it
    grace: float = 10.0


def reads_world(task: PlannedTask) -> bool:
    """Whether what the task makes comes from outside: nothing of another task's goes into it."""
    return not task.artifacts and all(outside(source) for source in task.parameters.values())


def stands(task: PlannedTask, policy: Policy, token: str, reused: Reused | None, now: float) -> bool:
    """Whether these outputs may be used again; without them, whether it is worth looking for some."""
    # What lies on a volume is no input that a key could know, unless the author has decided what counts.
    volumes = task.kubernetes.volumes and not task.cache_key
    if not task.cache or volumes or policy.anew or task.name in policy.forced:
        return False
    source, fresh = reads_world(task), task.fresh
    if policy.refresh and (source or (fresh is not None and fresh.kind is not Freshness.UNSAID)):
        return False
    if fresh is None:
        return True
    match fresh.kind:
        case Freshness.UNSAID:
            return not source or policy.reuse_unsaid
        case Freshness.ALWAYS:
            return False
        case Freshness.FOR:
            return reused is None or now - reused.made <= fresh.seconds
        case Freshness.FUNCTION:
            # Without its token the key says nothing of the world.
            return bool(token)
        case _:
            assert_never(fresh.kind)


class Library:
    """Knows what the tasks of a run are given, and whether they were done before."""

    def __init__(self, run: Run, world: World, policy: Policy, tree: Tree) -> None:
        self._run, self._world, self._policy, self._tree = run, world, policy, tree
        self._given: dict[str, tuple[Inputs, Resources]] = {}

    def given(self, task: PlannedTask) -> tuple[Inputs, Resources]:
        """What the task is given and asks for; UnusableInput if either makes no sense, Omitted if the task is left
        out."""
        known = self._given.get(task.name)
        if known is None:
            inputs = resolve(task, self._tree.values, self._tree.job)
            try:
                resources = requested(task.container.resources, lambda text: parameter_text(inputs, text))
            except ValueError as error:
                raise UnusableInput(str(error)) from None
            known = self._given[task.name] = inputs, resources
        return known

    def deleted(self, task: PlannedTask) -> str | None:
        """The name of the volume that the task is there to delete; None if it is there for something else."""
        if not claims(task.container):
            return None
        with suppress(Omitted, UnusableInput):
            return deleted(task, self.given(task)[0]) or None
        return None

    def look_up(self, task: PlannedTask, now: float) -> Answer:
        """Whether the task was done before, and its outputs stand; or whether it is left out, or executes nothing."""
        try:
            inputs, resources = self.given(task)
            secret_values(task, self._world.secrets)
            hurdle = self._tree.hurdle(task, inputs)
            if hurdle:
                return Bypassed(task=task.name, time=now, message=hurdle)
            if claims(task.container) and task.importer is None:
                return claimed(task, inputs, self._world.vault, job=self._tree.job, now=now)
            lent = self._lent(task, inputs)
            if task.importer is not None and task.name not in self._policy.adopted:
                return self._imported(task, task.importer, inputs, now)
        except Omitted as omitted:
            return Bypassed(task=task.name, time=now, message=str(omitted))
        except UnusableInput as error:
            return Refused(task=task.name, time=now, message=str(error))
        return self._found(task, inputs, resources, lent, now)

    def _lent(self, task: PlannedTask, inputs: Inputs) -> Lent:
        try:
            lent = Lent(task, inputs, self._world.vault)
        except PalmetteError as error:
            raise UnusableInput(str(error)) from None
        lent.check()
        return lent

    def _imported(self, task: PlannedTask, spec: ImporterSpec, inputs: Inputs, now: float) -> Imported:
        world = self._world
        return imported(task, spec, inputs, world.importer, files=world.files, job=self._tree.job, now=now)

    def _found(self, task: PlannedTask, inputs: Inputs, resources: Resources, lent: Lent, now: float) -> Hit | Missed:
        token = self._run.tokens.get(task.executor, "")
        if task.shares:
            # What lies there is no input that a key could know.
            token = f"{token} in the workspace of {self._run.id}"
        known = parts(
            task,
            inputs,
            secrets=self._world.secrets,
            environment=self._world.where.variables,
            gpu=resources.gpu > 0,
            token=token,
            lent=lent,
        )
        adopted = self._policy.adopted.get(task.name)
        if adopted is not None:
            # Another code may have made it, so under this fingerprint nobody may find it.
            apart = replace(known, token=f"{token} taken over from {adopted.run}/{adopted.task}")
            return Hit(task=task.name, time=now, reused=adopted, fingerprint=fingerprint(apart), parts=known)
        if task.name in self._policy.handled:
            apart = replace(known, token=f"{token} by hand in {self._run.id}")
            return Missed(task=task.name, time=now, fingerprint=fingerprint(apart), parts=known)
        key = fingerprint(known)
        worth = stands(task, self._policy, token, None, now)
        reused = self._world.ledger.reusable(key) if worth else None
        good = reused is not None and standing(reused.outputs, self._world.importer)
        if reused is None or not good or not stands(task, self._policy, token, reused, now):
            return Missed(task=task.name, time=now, fingerprint=key, parts=known)
        return Hit(task=task.name, time=now, reused=reused, fingerprint=key, parts=known)
