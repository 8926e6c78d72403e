"""Compile an algorithm to a Kubeflow pipeline."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from palmette.capture.bundle import Bundle
from palmette.compile.containers import Captured
from palmette.compile.pipeline import Compiled, compile_algorithm
from palmette.domain.graph import Algorithm
from palmette.ir import codec
from palmette.ir.dialects import Dialect
from palmette.ir.spec import PipelineDocument
from palmette.operations.closures import closures
from palmette.operations.gathering import each_of, record_all
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


@dataclass(frozen=True, kw_only=True)
class Built:
    """An algorithm as a version of a pipeline: it brings its code along, so that any host can execute it."""

    algorithm: Algorithm
    document: PipelineDocument
    #: what is uploaded
    text: bytes
    #: SHA-256 of what is uploaded
    digest: str
    #: digest of the bundle that is in it
    bundle: str
    #: the files of that one
    files: tuple[str, ...] = ()
    #: digest of all that goes into it (`closures`)
    closure: str = ""
    warnings: tuple[str, ...] = ()


def record(project: Project, environ: Mapping[str, str], name: str) -> Recorded:
    """Record an algorithm as its code has it now, leaving nothing behind."""
    with tempfile.TemporaryDirectory(prefix="palmette-") as temporary, begin(project, environ, name) as preparation:
        return finish(preparation, Path(temporary))


def compile_all(
    project: Project,
    environ: Mapping[str, str],
    names: Sequence[str] = (),
    *,
    image: str = "",
    dialect: Dialect = Dialect.PALMETTE,
    prefix: str = "",
) -> dict[str, Built]:
    """These algorithms of a project, else all, as pipelines for a host of that dialect, by name; every problem of all
    of them at once. `prefix` precedes the names that the pipelines have among themselves."""
    recorded = record_all(project, environ, names)

    def built(name: str) -> Built:
        each = recorded[name]
        compiled = compile_recorded(each, image=image, dialect=dialect, embed=True, prefix=prefix)
        # A cluster is sent what people read there; JSON takes a fraction of the time on both sides.
        text = (codec.to_json if dialect is Dialect.PALMETTE else codec.dumps)(compiled.document).encode()
        return Built(
            algorithm=each.algorithm,
            document=compiled.document,
            text=text,
            digest=hashlib.sha256(text).hexdigest(),
            bundle=each.bundle.digest,
            files=tuple(each.bundle.files),
            closure=digests[name].digest,
            warnings=(*compiled.warnings, *each.pinned.notes),
        )

    digests = closures(project, tuple(recorded))
    return each_of({name: partial(built, name) for name in recorded})


def compile_recorded(
    recorded: Recorded,
    *,
    image: str = "",
    dialect: Dialect = Dialect.PALMETTE,
    embed: bool | None = None,
    prefix: str = "",
) -> Compiled:
    """The pipeline of a recorded algorithm, checked; for Kubeflow its source is in it, as nobody there has it."""
    embed = dialect is not Dialect.PALMETTE if embed is None else embed
    project = recorded.project
    captured = Captured(
        bundle=recorded.bundle.digest,
        archive=recorded.bundle.archive() if embed else None,
        closures={name: reached.digest for name, reached in recorded.reached.items()},
        environment=recorded.pinned.environment,
        environments=recorded.environments,
        image=image or project.image,
        images=project.images,
        install=project.install and dialect is not Dialect.PALMETTE,
    )
    return compile_algorithm(recorded.algorithm, captured, dialect=dialect, prefix=prefix)


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
