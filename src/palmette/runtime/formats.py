"""Values as files: how each format writes and reads, and what it says of what it wrote.

A file says itself how it is read (metadata "format"), so that a step may be handed what another project wrote. Equal
values give equal bytes, on which early cut-off rests. A library is imported when its format is used.
"""

from __future__ import annotations

import atexit
import io
import os
import pickle
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from palmette.authoring.annotations import Format
from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
from palmette.authoring.signatures import TABLES, Kind
from palmette.authoring.source import reference, resolve
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
_TEXTS: Final[Mapping[str, type[str]]] = {"text": Text, "html": HTML, "markdown": Markdown}
#: what the classes of a format's values are called, where they are not Palmette's own
_CLASSES: Final = {
    "pandas": "pandas.DataFrame",
    "polars": "polars.DataFrame",
    "arrow": "pyarrow.Table",
    "numpy": "numpy.ndarray",
}


def filename(name: str, kind: Kind) -> str:
    """What a file of the kind is called."""
    return name + (kind.custom.suffix.rstrip("/") if kind.custom else _SUFFIXES.get(kind.format, ""))


def write(value: Any, path: Path, name: str, kind: Kind, *, spare: bool = False) -> dict[str, Json]:
    """Write a step's output to a path that does not exist; its metadata. A directory that is `spare` may be moved.

    A value that is not of the kind is a DefinitionError; what a custom format raises is passed on.
    """
    _expect(value, name, kind)
    if kind.custom is not None:
        filename, found = _write_custom(value, path, name, kind.custom)
    else:
        try:
            moved = spare and _moved(Path(value), path)
            filename, found = (moved, {}) if moved else _write(value, path, name, kind)
        except (ValueError, TypeError, AttributeError, NotImplementedError, pickle.PicklingError) as error:
            raise DefinitionError(f"output {name!r} cannot be written as {kind.format}: {error}") from error
    said = {"format": kind.format, "filename": filename, "type": _class(value)}
    return {**said, "sensitive": True} if kind.sensitive else {**found, **said}


def read(path: Path, metadata: Mapping[str, Any], kind: Kind | None) -> Any:
    """An input artifact as the step wants it; without a kind, as it was written."""
    filename = str(metadata.get("filename", ""))
    wanted = kind.format if kind else ""
    stored = str(metadata.get("format") or wanted)
    if not path.exists():
        raise PalmetteError(f"its file is not there: {path}")
    match wanted or stored:
        case "path":
            return _named(path, filename)
        case "bytes":
            return path.read_bytes()
        case form if stored not in (form, "path") and not any({stored, form} <= {*group} for group in (TABLES, _TEXTS)):
            raise DefinitionError(f"it holds {stored}, and {form} is wanted", "Change the annotation of either step.")
        case "custom":
            own = kind.custom if kind else None
            reader: Callable[[Path], Any] = own.read if own else resolve(str(metadata["reader"]))
            return reader(_named(path, filename))
        case "image":
            image = Image(data=path.read_bytes(), kind=PurePath(filename).suffix[1:] or "png")
            foreign = kind is not None and any(_named_class(each).startswith("PIL.") for each in kind.classes)
            return _pillow(image) if foreign else image
        case form:
            return _read(path, form)


def _write_custom(value: Any, path: Path, name: str, custom: Format) -> tuple[str, dict[str, Json]]:
    custom.write(value, path)
    if not path.exists():
        raise DefinitionError(f"{reference(custom.write)} wrote nothing to {path}, the path it was given")
    named = name + ("/" if path.is_dir() else custom.suffix.rstrip("/"))
    return named, {"reader": reference(custom.read)}


def _write(value: Any, path: Path, name: str, kind: Kind) -> tuple[str, dict[str, Json]]:
    """Write by format; the name of the file and what is to be said of its content."""
    filename = name + _SUFFIXES.get(kind.format, "")
    match kind.format:
        case "pandas" | "polars" | "arrow":
            return filename, tables.write(value, kind.format, path, kind.sensitive)
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
            data, suffix = _image(value)
            path.write_bytes(data)
            return f"{name}.{suffix}", {}
        case "path":
            return _copied(Path(value), path), {}
        case "evaluation":
            return filename, evaluations.write_evaluation(value, path)
        case "metrics":
            return filename, evaluations.write_metrics(Metrics(value), path)
        case unknown:
            raise ValueError(f"there is no format {unknown!r}")
    return filename, {}


def _read(path: Path, form: str) -> Any:
    match form:
        case "pandas" | "polars" | "arrow":
            return tables.read(path, form)
        case "numpy":
            return library("numpy").load(path, allow_pickle=False)
        case "joblib":
            return library("joblib").load(path)
        case "text" | "html" | "markdown":
            return _TEXTS[form](path.read_bytes().decode())
        case "evaluation":
            return evaluations.read_evaluation(path)
        case "metrics":
            return evaluations.read_metrics(path)
        case unknown:
            raise PalmetteError(
                f"nothing says how to read it (format {unknown!r})", "Annotate the parameter, with Path for instance."
            )


def _expect(value: Any, name: str, kind: Kind) -> None:
    """Refuse a value that is not what the step's annotation promised."""
    wanted = " or ".join(_named_class(each) for each in kind.classes) or kind.declared
    match kind.format:
        case "pandas" | "polars" | "arrow" | "numpy":
            fits = any(_named_class(base) == _CLASSES[kind.format] for base in type(value).__mro__)
        case "text" | "html" | "markdown":
            fits = isinstance(value, str)
        case "path":
            fits = isinstance(value, (str, PurePath))
        case "bytes":
            fits = isinstance(value, (bytes, bytearray, memoryview))
        case "evaluation":
            fits = isinstance(value, Evaluation)
        case "metrics":
            fits = isinstance(value, Mapping)
        case "image":
            fits = isinstance(value, Image) or hasattr(value, "savefig") or hasattr(value, "save")
        case "joblib":
            # A pipeline that ends in what was promised is as good: whatever can be fitted is an estimator.
            fits = (hasattr(value, "fit") and not isinstance(value, type)) or isinstance(value, kind.classes)
        case _:
            fits = value is not None
    if not fits:
        raise DefinitionError(f"output {name!r} should be {wanted}, and is {_class(value)}")


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


def _moved(source: Path, path: Path) -> str:
    """Move a directory out of where the step worked, if nothing but plain files is in it; its name, or nothing."""
    real, own = source.resolve(), path.parents[1].resolve() / "work"
    if not real.is_dir() or own not in real.parents:
        return ""
    for directory, names, files in os.walk(real):
        if any(not stat.S_ISREG(os.lstat(f"{directory}/{name}").st_mode) for name in files):
            return ""
        if any(Path(directory, name).is_symlink() for name in names):
            return ""
    real.rename(path)
    return f"{real.name}/"


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
    # What it was given lies in the store already, read-only, and is known there by its link.
    own, given = (directory.resolve() / room for room in ("work", "inputs"))
    if real.is_relative_to(own if found.st_nlink == 1 else given):
        try:
            os.link(real, path)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(real, path)


def temporary() -> Path:
    """A directory that is gone with this interpreter."""
    found = tempfile.mkdtemp(prefix="palmette-")
    atexit.register(shutil.rmtree, found, ignore_errors=True)
    return Path(found)


def _named(path: Path, filename: str) -> Path:
    """The path under the name that the artifact was given, through a symbolic link where it has lost it."""
    name = filename.rstrip("/")
    if not name or PurePath(name).name != name or path.name == name:
        return path
    link = temporary() / name
    link.symlink_to(path.absolute())
    return link
