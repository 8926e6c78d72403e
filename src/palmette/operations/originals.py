"""A run as it was: its pipeline, its code, its packages; what is still there of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from palmette.capture import bundle
from palmette.domain import wire
from palmette.domain.config import settle
from palmette.domain.graph import Algorithm, Field
from palmette.domain.run import Environment, Run, Setting, Source, TaskRecord
from palmette.domain.values import Json, canonical
from palmette.errors import CorruptBlob, NotFound, StoreError, UsageError
from palmette.ir import codec
from palmette.ir.spec import ContainerSpec, ExecutorSpec, PipelineDocument
from palmette.operations.home import Home, interrupted
from palmette.store import runs, tasks


@dataclass(frozen=True)
class Original:
    """A run that is executed again, or parts of it."""

    home: Home
    run: Run
    tasks: tuple[TaskRecord, ...]
    document: PipelineDocument

    @cached_property
    def algorithm(self) -> Algorithm:
        """What its pipeline says of its algorithm: config and presets, no steps."""
        said: Any = self.document.platform.algorithm
        return wire.load(Algorithm, said) if said else Algorithm(name=self.run.algorithm, target="")

    @property
    def bundle(self) -> Path:
        """Its unpacked code, which need not be there."""
        return self.home.bundles / self.run.bundle

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The modules of its steps."""
        steps = (config.step for config in self.document.platform.palmette.values() if config.step)
        return tuple(dict.fromkeys(step.partition(":")[0] for step in steps))


def recall(home: Home, ref: str, *, over: bool = True) -> Original:
    """The run of that name with its pipeline. NotFound where there is none, UsageError for one that still goes on
    (unless `over` is false), StoreError where its pipeline is gone."""
    run = runs.get(home.store, ref, project=home.project)
    if over and not run.state.final:
        if interrupted(run):
            raise UsageError(f"run {run.id} was interrupted", f"Continue it: palmette resume {run.id}.")
        raise UsageError(f"run {run.id} is still going", f"Wait for its end, or: palmette cancel {run.id}.")
    if not run.spec:
        raise NotFound(f"run {run.id} was imported: it has no pipeline that could be executed", "Choose another run.")
    try:
        with home.blobs.open(run.spec) as file:
            document = codec.loads(file.read())
    except CorruptBlob:
        raise
    except (NotFound, StoreError) as error:
        raise StoreError(f"the pipeline of run {run.id} is gone", "Run its algorithm anew: palmette run.") from error
    return Original(home, run, tasks.of_run(home.store, run.id), document)


def asked(home: Home, ref: str) -> Original:
    """As `recall`, for a run that somebody asked for. UsageError for one that was executed for a comparison: it is a
    part of that, and no training."""
    original = recall(home, ref)
    if original.run.trigger == runs.EXTRA:
        raise UsageError(
            f"run {original.run.id} was executed for a comparison of run {original.run.origin}",
            f"Compare that run again: palmette diff {original.run.origin} --again.",
        )
    return original


def code(original: Original) -> Path:
    """Its code as it was captured, each file compared with its digest; StoreError if it is gone or not what it was."""
    if not original.bundle.is_dir():
        short = original.run.bundle[:12]
        raise StoreError(
            f"the code of run {original.run.id} is gone (bundle {short})", "Take the code as it is now: --current."
        )
    bundle.verify(original.bundle)
    return original.bundle


def differences(before: Environment, after: Environment) -> list[str]:
    """What is another one now: "pandas 2.2.0 → 2.3.1"."""
    old, new = ({pin.name: pin.version for pin in each.pins} for each in (before, after))
    changes = [
        f"{name} {old.get(name, '—')} → {new.get(name, '—')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    facts = (("Python", "python"), ("", "implementation"), ("", "platform"))
    for word, name in facts:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            changes.insert(0, f"{word} {was} → {now}".strip())
    return changes


def rebound(
    document: PipelineDocument, before: Environment, after: Environment, *, digest: str = ""
) -> PipelineDocument:
    """The same pipeline for another environment, and for another bundle where `digest` names one. Steps with an
    environment of their own keep it."""
    pins = canonical({pin.name: pin.version for pin in after.pins}).decode()

    def container(spec: ContainerSpec) -> ContainerSpec:
        if spec.env.get("PALMETTE_ENVIRONMENT") != before.digest:
            return _with(spec, "--bundle", digest) if digest else spec
        bound = _with(replace(spec, env={**spec.env, "PALMETTE_ENVIRONMENT": after.digest}), "--pins", pins)
        return _with(bound, "--bundle", digest) if digest else bound

    def executor(spec: ExecutorSpec) -> ExecutorSpec:
        return replace(spec, container=container(spec.container)) if spec.container else spec

    executors = {label: executor(spec) for label, spec in document.pipeline.executors.items()}
    return replace(document, pipeline=replace(document.pipeline, executors=executors))


def _with(spec: ContainerSpec, option: str, value: str) -> ContainerSpec:
    """The container with another value of an option that it has."""
    if option not in spec.args[:-1]:
        return spec
    place = spec.args.index(option) + 1
    return replace(spec, args=(*spec.args[:place], value, *spec.args[place + 1 :]))


def settings(
    fields: Sequence[Field],
    presets: Mapping[str, Mapping[str, Json]],
    before: Sequence[Setting],
    *,
    run: str,
    preset: str | None = None,
    overrides: Sequence[str] = (),
) -> tuple[Setting, ...]:
    """The values of an earlier run with overrides over them, or those of a preset. ConfigError with every problem."""
    if preset is not None:
        return settle(fields, presets, preset=preset, overrides=overrides)
    known = {field.name for field in fields}
    old = {setting.name: setting for setting in before if setting.name in known}
    name = f"run {run}"
    values = {each.name: each.value for each in old.values()}
    settled = settle(fields, presets, file=values, file_name=name, overrides=overrides)
    return tuple(
        old[each.name] if each.source is Source.FILE and each.origin == name and each.name in old else each
        for each in settled
    )


def files(directory: Path) -> dict[str, str]:
    """The project's own files of an unpacked bundle, and their SHA-256; Palmette's are left out."""
    listed = json.loads((directory / bundle.MANIFEST).read_bytes())["files"]
    return {entry["path"]: entry["sha256"] for entry in listed if not entry["path"].startswith("palmette/")}
