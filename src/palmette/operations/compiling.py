"""Compile an algorithm to a Kubeflow pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palmette.capture.bundle import Bundle
from palmette.compile.containers import Captured
from palmette.compile.pipeline import Compiled, compile_algorithm
from palmette.ir import codec
from palmette.ir.dialects import Dialect
from palmette.operations.preparing import begin
from palmette.operations.project import Project
from palmette.operations.recording import Recorded, finish
from palmette.operations.writing import write_bytes


@dataclass(frozen=True, kw_only=True)
class Written:
    """A compiled pipeline."""

    text: str
    #: digest of the bundle that is in it
    bundle: str
    warnings: tuple[str, ...] = ()


def record(project: Project, environ: Mapping[str, str], name: str) -> Recorded:
    """Record an algorithm as its code has it now, leaving nothing behind."""
    with tempfile.TemporaryDirectory(prefix="palmette-") as temporary, begin(project, environ, name) as preparation:
        return finish(preparation, Path(temporary))


def compile_recorded(recorded: Recorded, *, image: str = "", dialect: Dialect = Dialect.PALMETTE) -> Compiled:
    """The pipeline of a recorded algorithm, checked; for Kubeflow its source is in it, as nobody there has it."""
    embed = dialect is not Dialect.PALMETTE
    project = recorded.project
    captured = Captured(
        bundle=recorded.bundle.digest,
        archive=recorded.bundle.archive() if embed else None,
        closures={name: reached.digest for name, reached in recorded.reached.items()},
        environment=recorded.pinned.environment,
        environments=recorded.environments,
        image=image or project.image,
        images=project.images,
        install=project.install and embed,
    )
    return compile_algorithm(recorded.algorithm, captured, dialect=dialect)


def compile_for_kubeflow(
    project: Project, environ: Mapping[str, str], name: str, *, image: str = "", dialect: Dialect = Dialect.V2_0
) -> Written:
    """The algorithm's pipeline for a stock Kubeflow of the dialect; CompileError with every problem at once."""
    recorded = record(project, environ, name)
    compiled = compile_recorded(recorded, image=image, dialect=dialect)
    text = codec.dumps(compiled.document)
    return Written(text=text, bundle=recorded.bundle.digest, warnings=(*compiled.warnings, *recorded.pinned.remarks))


def write(written: Written, output: Path) -> None:
    """Write the pipeline to a file, whole or not at all."""
    write_bytes(output, written.text.encode())


def write_archive(bundle: Bundle, output: Path) -> None:
    """Write the bundle's archive to a file, whole or not at all."""
    write_bytes(output, bundle.archive())
