"""A home full of trainings, written down as a driver would: what compares runs finds them as if they were executed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from palmette.authoring.results import Evaluation
from palmette.blobs import Blobs
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.graph import MetricSpec
from palmette.domain.metric import MetricPoint
from palmette.domain.run import (
    Attempt,
    AttemptStarted,
    Change,
    Git,
    PointsLogged,
    Process,
    Reused,
    Run,
    RunChanged,
    Setting,
    Source,
    TaskChanged,
    TaskRecord,
)
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.operations.home import Home
from palmette.runtime.evaluations import write_evaluation
from palmette.store import database, identity, leases, runs
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

_ME = Process(pid=os.getpid(), start=1, boot="boot")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A training: its code, config and data, and what came out."""

    algorithm: str = "tumour"
    preset: str = "full"
    metrics: tuple[MetricSpec, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    #: names of what was overridden
    overrides: Sequence[str] = ()
    code: str = "1"
    data: str = "monday"
    #: what the model is; by default another one each time
    model: str = ""
    branch: str = "main"
    commit: str = ""
    dirty: bool = False
    trigger: str = "cli"
    sweep: str = ""
    state: RunState = RunState.SUCCEEDED
    sensitive: bool = False
    #: the run whose outputs are used again
    reused: str = ""


class Past:
    """A home, and the trainings in it, each newer than the one before."""

    def __init__(self, directory: Path, store: Store | None = None) -> None:
        store = store or database.open(directory)
        self.home = Home(directory=directory, project="clinic", store=store, blobs=Blobs(directory / "blobs"))
        self._clock = 1_000.0

    def add(self, told: Told) -> str:
        """A training that is over; its id."""
        self._clock += 10.0
        run = Run(
            id=identity.new_run_id(),
            project="clinic",
            algorithm=told.algorithm,
            preset=told.preset,
            settings=tuple(_setting(name, value, told) for name, value in told.config.items()),
            metrics=told.metrics,
            git=Git(branch=told.branch, commit=told.commit, dirty=told.dirty),
            trigger=told.trigger,
            sweep=told.sweep,
            created=self._clock,
        )
        records = [
            TaskRecord(name=name, executor=f"exec-{name}", component=name, needs=needs)
            for name, needs in (("fetch", ()), ("fit", ("fetch",)), ("evaluate", ("fetch", "fit")))
        ]
        runs.create(self.home.store, run, records)
        lease = leases.take(self.home.store, run.id, "host", _ME, alive=lambda _: False)
        RunLedger(self.home.store, lease, lambda _: True).record([*self._changes(run, told)])
        return run.id

    def _changes(self, run: Run, told: Told) -> list[Change]:
        digests = {name: _digest(each) for name, each in (("fetch", told.data), ("fit", told.model or run.id))}
        made = {
            "fetch": Artifact(type="system.Dataset", digest=digests["fetch"], size=1, filename="output.parquet"),
            "fit": Artifact(type="system.Model", digest=digests["fit"], size=1, filename="output.joblib"),
        }
        if told.evaluation is not None:
            made["evaluate"] = self._kept(told.evaluation, sensitive=told.sensitive)
        changes: list[Change] = [RunChanged(state=RunState.RUNNING, time=self._clock)]
        for name in ("fetch", "fit", "evaluate"):
            parts = Parts(what=name, closure=f"{name} {told.code}")
            attempt = Attempt(serial=1, number=1, state=AttemptState.SUCCEEDED, how="fork")
            outputs = Outputs(artifacts={"output": made[name]} if name in made else {})
            changes += [AttemptStarted(task=name, attempt=attempt)]
            if name == "evaluate":
                points = tuple(MetricPoint(name=each, value=value) for each, value in told.numbers.items())
                changes += [PointsLogged(task=name, serial=1, points=points, position=1)]
            good = TaskState.SUCCEEDED
            again = Reused(run=told.reused, task=name, made=self._clock, outputs=outputs) if told.reused else None
            changes += [
                TaskChanged(task=name, state=good, time=self._clock, parts=parts, outputs=outputs, reused=again)
            ]
        return [*changes, RunChanged(state=told.state, time=self._clock + 1)]

    def _kept(self, evaluation: Evaluation, *, sensitive: bool) -> Artifact:
        path = self.home.directory / "evaluation.npz"
        metadata = {**write_evaluation(evaluation, path), "format": "evaluation", "sensitive": sensitive}
        digest, size = self.home.blobs.put(path)
        return Artifact(type="system.Metrics", digest=digest, size=size, filename="output.npz", metadata=metadata)


def _digest(text: str) -> str:
    return f"sha256:{sha256(json.dumps(text).encode()).hexdigest()}"


def _setting(name: str, value: Any, told: Told) -> Setting:
    return Setting(name=name, value=value, source=Source.OVERRIDE if name in told.overrides else Source.DEFAULT)
