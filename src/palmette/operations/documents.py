"""Pipeline files as they come from outside: unpacked, read, checked, kept."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from palmette.domain.values import Json
from palmette.errors import Problem, SpecError
from palmette.ir import codec
from palmette.ir.check import check
from palmette.ir.reading import MAX_SIZE
from palmette.ir.spec import PipelineDocument
from palmette.operations.home import Home

_ZIP: Final = b"PK\x03\x04"
_GZIP: Final = b"\x1f\x8b"
#: The file that is meant where an archive has several.
_PIPELINE: Final = ("pipeline.yaml", "pipeline.yml", "pipeline.json")
_ENDINGS: Final = (".yaml", ".yml", ".json")
#: What an archive may come to: the pipeline, and what lies beside it; and how many files those may be.
_EXPANDED: Final = 2 * MAX_SIZE
_FILES: Final = 1000
_BROKEN: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError),
)


def unpacked(data: bytes, filename: str = "") -> bytes:
    """The pipeline file in an archive (zip, tar.gz), or the file itself. SpecError for an archive that is broken, that
    comes to too much, or in which no single file is meant."""
    if not data.startswith((_ZIP, _GZIP)):
        if filename.lower().endswith((".zip", ".tar.gz", ".tgz")):
            raise SpecError(
                f"{filename[:200]!r} is no archive, though its name says so", "Upload .yaml, .json, .zip or .tar.gz."
            )
        return data
    try:
        return _from_zip(data) if data.startswith(_ZIP) else _from_gzip(data)
    except _BROKEN as error:
        raise SpecError(f"the archive cannot be read: {error or type(error).__name__}") from error


def _from_zip(data: bytes) -> bytes:
    # Counted before they are read: a list of 700,000 files fits into an upload.
    _refuse_many(data.count(b"PK\x01\x02"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        chosen = _chosen([entry.filename for entry in archive.infolist() if not entry.is_dir()])
        if archive.getinfo(chosen).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others may ask for gigabytes of memory before they give a byte.
            raise SpecError("the archive is packed in a way that pipeline packages are not", "Make it with `zip`.")
        with archive.open(chosen) as file:
            return _within(file.read(MAX_SIZE + 1), MAX_SIZE)


def _from_gzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        content = _within(packed.read(_EXPANDED + 1), _EXPANDED)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        members: dict[str, tarfile.TarInfo] = {}
        for count, entry in enumerate(archive, start=1):
            _refuse_many(count)
            if entry.isreg():
                members[entry.name] = entry
        file = archive.extractfile(members[_chosen(list(members))])
        return b"" if file is None else _within(file.read(MAX_SIZE + 1), MAX_SIZE)


def _refuse_many(count: int) -> None:
    if count > _FILES:
        raise SpecError(f"the archive holds more than {_FILES:,} files", "A package holds one pipeline.")


def _within(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise SpecError(f"the archive comes to more than {most // 1024 // 1024} MiB", "A pipeline is far smaller.")
    return content


def _chosen(names: Sequence[str]) -> str:
    """The one pipeline file of these."""
    fitting = [name for name in names if name.lower().endswith(_ENDINGS)]
    meant = [name for name in fitting if PurePosixPath(name).name.lower() in _PIPELINE]
    for found in (meant, fitting):
        if len(found) == 1:
            return found[0]
    if not fitting:
        raise SpecError("the archive has no pipeline in it", "It has to hold one .yaml or .json file.")
    raise SpecError(
        f"the archive has {len(fitting)} files that may be the pipeline", "Name the one that is meant pipeline.yaml."
    )


def read(data: bytes, filename: str = "") -> PipelineDocument:
    """The pipeline in a file from outside. SpecError with all that is wrong with it."""
    document = codec.loads(unpacked(data, filename))
    require(document)
    return document


def require(document: PipelineDocument) -> None:
    """SpecError with all that is wrong with a pipeline from outside."""
    pipeline, platform = codec.to_plain(document)
    problems = [*check(document), *unsayable("", [pipeline, platform])]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise SpecError(f"the pipeline has {count}", problems=problems)


def unsayable(where: str, value: Json) -> Iterator[Problem]:
    """The texts in a value that no command line, no file name and no database takes; one problem for all of them."""
    if any(_unsayable(text) for text in _texts(value)):
        yield Problem(where=where or "the pipeline", what="a text in it holds a NUL, or half a character")


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _texts(entry)


def _unsayable(text: str) -> bool:
    return (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)) or "\0" in text


def keep(home: Home, document: PipelineDocument) -> str:
    """Keep a document; the digest by which it is found again."""
    return home.blobs.put_bytes(codec.to_json(document).encode())


def load(home: Home, digest: str) -> PipelineDocument:
    """The document that was kept. StoreError where it is gone."""
    with home.blobs.open(digest) as file:
        return codec.loads(file.read())
