"""Whether a task may use again what an earlier one made: the same key, and outputs that still stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import fingerprint
from palmette.domain.graph import Freshness, Resources
from palmette.domain.run import Reused, Run
from palmette.engine.attempt import secret_values
from palmette.engine.fingerprints import parts
from palmette.engine.inputs import Inputs, Job, UnusableInput, parameter_text, resolve
from palmette.engine.plan import PlannedTask, Produced
from palmette.engine.quantities import requested
from palmette.engine.vocabulary import Hit, Missed, Refused
from palmette.engine.world import World


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What whoever started the run wants of the engine."""

    #: outputs of a step that reads the world and does not say how long they stand may be used again
    reuse_unsaid: bool = False
    #: everything that reads the world is read again
    refresh: bool = False
    #: seconds between asking an attempt to stop and killing it
    grace: float = 10.0


def reads_world(task: PlannedTask) -> bool:
    """Whether what the task makes comes from outside: nothing of another task's goes into it."""
    return not task.artifacts and not any(isinstance(source, Produced) for source in task.parameters.values())


def stands(task: PlannedTask, policy: Policy, token: str, reused: Reused | None, now: float) -> bool:
    """Whether these outputs may be used again; without them, whether it is worth looking for some."""
    if not task.cache:
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

    def __init__(self, run: Run, job: Job, world: World, policy: Policy) -> None:
        self._run, self._job, self._world, self._policy = run, job, world, policy
        self._given: dict[str, tuple[Inputs, Resources]] = {}
        #: what the tasks of this run have made so far
        self.made: dict[str, Outputs] = {}

    def given(self, task: PlannedTask) -> tuple[Inputs, Resources]:
        """What the task is given and asks for; UnusableInput if either makes no sense."""
        known = self._given.get(task.name)
        if known is None:
            inputs = resolve(task, lambda name: self.made.get(name, Outputs()), self._job)
            try:
                resources = requested(task.container.resources, lambda text: parameter_text(inputs, text))
            except ValueError as error:
                raise UnusableInput(str(error)) from None
            known = self._given[task.name] = inputs, resources
        return known

    def look_up(self, task: PlannedTask, now: float) -> Hit | Missed | Refused:
        """Whether the task was done before, and its outputs stand."""
        try:
            inputs, resources = self.given(task)
            secret_values(task, self._world.secrets)
        except UnusableInput as error:
            return Refused(task=task.name, time=now, message=str(error))
        token = self._run.tokens.get(task.executor, "")
        known = parts(
            task,
            inputs,
            secrets=self._world.secrets,
            environment=self._world.where.variables,
            gpu=resources.gpu > 0,
            token=token,
        )
        key = fingerprint(known)
        worth = stands(task, self._policy, token, None, now)
        reused = self._world.ledger.reusable(key) if worth else None
        if reused is None or not stands(task, self._policy, token, reused, now):
            return Missed(task=task.name, time=now, fingerprint=key, parts=known)
        return Hit(task=task.name, time=now, reused=reused, fingerprint=key, parts=known)
