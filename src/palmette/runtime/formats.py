"""Values as files: how each format writes and reads, and what it says of what it wrote.

A file says itself how it is read (metadata "format"), so that a step may be handed what another project wrote. Equal
values give equal bytes, on which early cut-off rests. A library is imported when its format is used.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from palmette.authoring.annotations import Format
from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
from palmette.authoring.source import reference, resolve
from palmette.domain.graph import Output
from palmette.domain.values import Json
from palmette.errors import DefinitionError, PalmetteError
from palmette.runtime import evaluations, tables
from palmette.runtime.environment import library

_SUFFIXES: Final = {
    "pandas": ".parquet",
    "polars": ".parquet",
    "arrow": ".parquet",
    "numpy": ".npy",
    "joblib": ".joblib",
    "text": ".txt",
    "html": ".html",
    "markdown": ".md",
    "image": ".png",
    "bytes": ".bin",
    "evaluation": ".npz",
    "metrics": ".json",
}
_TABLES: Final = ("pandas", "polars", "arrow")
_TEXTS: Final[Mapping[str, type[str]]] = {"text": Text, "html": HTML, "markdown": Markdown}
#: what the classes of a format's values are called, where they are not Palmette's own
_CLASSES: Final = {
    "pandas": "pandas.DataFrame",
    "polars": "polars.DataFrame",
    "arrow": "pyarrow.Table",
    "numpy": "numpy.ndarray",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a step wants to be given an artifact; a parameter without an annotation wants it as it was written."""

    #: a format's name; empty for the artifact's own
    format: str = ""
    #: the reader, for format "custom"
    custom: Format | None = None
    #: the class that is asked for, where that decides
    python: Any = None


def write(
    value: Any, path: Path, output: Output, declared: Any = None, custom: Format | None = None
) -> dict[str, Json]:
    """Write a step's output to a path that does not exist; its metadata.

    `declared` is the class that the step promises. A value that the output cannot hold is a DefinitionError; what a
    custom format raises is passed on.
    """
    _expect(value, output, declared)
    if custom is not None:
        filename, found = _write_custom(value, path, output, custom)
    else:
        try:
            filename, found = _write(value, path, output)
        except (ValueError, TypeError, AttributeError, NotImplementedError, pickle.PicklingError) as error:
            raise DefinitionError(f"output {output.name!r} cannot be written as {output.format}: {error}") from error
    said = {"format": output.format, "filename": filename, "type": _class(value)}
    return {**said, "sensitive": True} if output.sensitive else {**found, **said}


def read(path: Path, metadata: Mapping[str, Any], wanted: Wanted) -> Any:
    """An input artifact as the step wants it."""
    stored = str(metadata.get("format") or wanted.format)
    kind = wanted.format or stored
    if kind == "path":
        return _named(path, str(metadata.get("filename", "")))
    if not path.exists():
        raise PalmetteError(f"its file is not there: {path}")
    if kind == "bytes":
        return path.read_bytes()
    if stored != kind and stored != "path" and not any({stored, kind} <= {*group} for group in (_TABLES, _TEXTS)):
        raise DefinitionError(f"it holds {stored}, and {kind} is wanted", "Change the annotation of either step.")
    if kind == "custom":
        reader: Callable[[Path], Any] = wanted.custom.read if wanted.custom else resolve(str(metadata["reader"]))
        return reader(_named(path, str(metadata.get("filename", ""))))
    return _read(path, kind, wanted, metadata)


def _write_custom(value: Any, path: Path, output: Output, custom: Format) -> tuple[str, dict[str, Json]]:
    custom.write(value, path)
    if not path.exists():
        raise DefinitionError(f"{reference(custom.write)} wrote nothing to {path}, the path it was given")
    filename = output.name + ("/" if path.is_dir() else custom.suffix.rstrip("/"))
    return filename, {"reader": reference(custom.read)}


def _write(value: Any, path: Path, output: Output) -> tuple[str, dict[str, Json]]:
    """Write by format; the name of the file and what is to be said of its content."""
    filename = output.name + _SUFFIXES.get(output.format, "")
    match output.format:
        case "pandas" | "polars" | "arrow":
            return filename, tables.write(value, output.format, path, output.sensitive)
        case "numpy":
            with path.open("xb") as file:
                library("numpy").save(file, value, allow_pickle=False)
            return filename, {"shape": list(value.shape), "dtype": str(value.dtype)}
        case "joblib":
            with path.open("xb") as file:
                library("joblib").dump(value, file, protocol=4)
        case "text" | "html" | "markdown":
            path.write_bytes(value.encode())
        case "bytes":
            path.write_bytes(value)
        case "image":
            data, kind = _image(value)
            path.write_bytes(data)
            return f"{output.name}.{kind}", {}
        case "path":
            return _copied(Path(value), path), {}
        case "evaluation":
            return filename, evaluations.write_evaluation(value, path)
        case "metrics":
            return filename, evaluations.write_metrics(Metrics(value), path)
        case unknown:
            raise ValueError(f"there is no format {unknown!r}")
    return filename, {}


def _read(path: Path, kind: str, wanted: Wanted, metadata: Mapping[str, Any]) -> Any:
    match kind:
        case "pandas" | "polars" | "arrow":
            return tables.read(path, kind)
        case "numpy":
            return library("numpy").load(path, allow_pickle=False)
        case "joblib":
            return library("joblib").load(path)
        case "text" | "html" | "markdown":
            return _TEXTS[kind](path.read_bytes().decode())
        case "image":
            suffix = PurePath(str(metadata.get("filename", ""))).suffix[1:]
            image = Image(data=path.read_bytes(), kind=suffix or "png")
            return _pillow(image) if _named_class(wanted.python).startswith("PIL.") else image
        case "evaluation":
            return evaluations.read_evaluation(path)
        case "metrics":
            return evaluations.read_metrics(path)
        case unknown:
            raise PalmetteError(
                f"nothing says how to read it (format {unknown!r})", "Annotate the parameter, with Path for instance."
            )


def _expect(value: Any, output: Output, declared: Any) -> None:
    """Refuse a value that is not what the step's annotation promised."""
    match output.format:
        case "pandas" | "polars" | "arrow" | "numpy":
            wanted = _CLASSES[output.format]
            fits = any(_named_class(base) == wanted for base in type(value).__mro__)
        case "text" | "html" | "markdown":
            wanted, fits = _TEXTS[output.format].__name__, isinstance(value, str)
        case "path":
            wanted, fits = "a path", isinstance(value, (str, PurePath))
        case "bytes":
            wanted, fits = "bytes", isinstance(value, (bytes, bytearray, memoryview))
        case "evaluation":
            wanted, fits = "Evaluation", isinstance(value, Evaluation)
        case "metrics":
            wanted, fits = "Metrics", isinstance(value, Mapping)
        case "image":
            wanted = "a Matplotlib figure, a Pillow image or an Image"
            fits = isinstance(value, Image) or hasattr(value, "savefig") or hasattr(value, "save")
        case "joblib":
            # A pipeline that ends in what was promised is as good: whatever can be fitted is an estimator.
            wanted = _named_class(declared) if isinstance(declared, type) else "an estimator"
            fits = (hasattr(value, "fit") and not isinstance(value, type)) or (
                isinstance(declared, type) and isinstance(value, declared)
            )
        case _:
            wanted, fits = "a value", value is not None
    if not fits:
        raise DefinitionError(f"output {output.name!r} should be {wanted}, and is {_class(value)}")


def _class(value: Any) -> str:
    return "None" if value is None else _named_class(type(value))


def _named_class(python: Any) -> str:
    """The name under which users know a class: that of the package, not of the module where it happens to stand."""
    module, name = getattr(python, "__module__", ""), getattr(python, "__qualname__", "")
    top = module.partition(".")[0]
    return name if top in ("builtins", "palmette") else f"{top}.{name}"


def _image(value: Any) -> tuple[bytes, str]:
    if isinstance(value, Image):
        return value.data, value.kind
    stream = io.BytesIO()
    if hasattr(value, "savefig"):
        # Matplotlib would name its version in the file.
        value.savefig(stream, format="png", metadata={"Software": None})
    else:
        value.save(stream, format="PNG")
    return stream.getvalue(), "png"


def _pillow(image: Image) -> Any:
    opened = library("PIL.Image").open(io.BytesIO(image.data))
    opened.load()
    return opened


def _copied(source: Path, path: Path) -> str:
    """Copy a file or directory; its name. Symbolic links become what they point to, as in an object store."""
    if not source.exists():
        raise ValueError(f"{source} does not exist")
    if source.is_dir():
        _copy_directory(source, path, path.parents[1], (source.resolve(),))
        return f"{source.resolve().name}/"
    _copy_file(source, path, path.parents[1])
    return source.name


def _copy_directory(source: Path, path: Path, directory: Path, above: tuple[Path, ...]) -> None:
    path.mkdir()
    for entry in sorted(source.iterdir()):
        if not entry.exists():
            raise ValueError(f"{entry} is a symbolic link to nothing")
        if not entry.is_dir():
            _copy_file(entry, path / entry.name, directory)
        elif (real := entry.resolve()) in above:
            raise ValueError(f"{entry} is a symbolic link to a directory that holds it")
        else:
            _copy_directory(entry, path / entry.name, directory, (*above, real))


def _copy_file(source: Path, path: Path, directory: Path) -> None:
    real = source.resolve()
    found = real.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{source} is neither a file nor a directory")
    # What lies in the attempt's own directory is linked; the store must not share bytes with any other file.
    if found.st_nlink == 1 and real.is_relative_to(directory.resolve() / "work"):
        try:
            os.link(real, path)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(real, path)


def _named(path: Path, filename: str) -> Path:
    """The path under the name that the artifact was given, through a symbolic link where it has lost it."""
    name = filename.rstrip("/")
    if not name or PurePath(name).name != name or path.name == name:
        return path
    link = Path(tempfile.mkdtemp(prefix="palmette-")) / name
    link.symlink_to(path.absolute())
    return link
