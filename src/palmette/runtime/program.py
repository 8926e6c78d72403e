"""A step that is a command, carried out; as a module, a Python program of the project, run from the bundle."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

from palmette.authoring.parameters import decode, encode
from palmette.authoring.references import Reference
from palmette.authoring.signatures import Kind, Signature
from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.errors import DefinitionError, PalmetteError
from palmette.runtime import finder, formats
from palmette.runtime.complaint import complain

_BUNDLE = "PALMETTE_BUNDLE"


def carry_out(
    command: Any, signature: Signature, texts: Mapping[str, str | list[str]], place: Path, bundle: str = ""
) -> dict[str, Any]:
    """Run the words of a command with the texts of its inputs; what it wrote below `place`, by output.

    The error of one that fails has its exit code.
    """
    paths = {name: place / formats.filename(name, kind) for name, kind in signature.outputs.items()}
    words = command.filled({**texts, **{name: str(path) for name, path in paths.items()}})
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    if bundle:
        environment |= {_BUNDLE: bundle, "PYTHONPATH": bundle}
    sys.stdout.flush()
    sys.stderr.flush()
    shown = " ".join(command.words)
    shown = shown if len(shown) <= 160 else f"{shown[:160]}…"
    try:
        code = subprocess.run(list(_started(words, bundle)), env=environment, check=False).returncode
    except OSError as error:
        raise PalmetteError(f"{words[0]} cannot be started: {error.strerror}: {shown}") from None
    if code:
        failed = PalmetteError(f"the command ended with exit code {code if code > 0 else 128 - code}: {shown}")
        failed.exit_code = code if code > 0 else 128 - code
        raise failed
    return {name: _made(name, kind, paths[name]) for name, kind in signature.outputs.items()}


def call(step: Any, given: Mapping[str, Any]) -> Any:
    """Run a command outside of a pipeline, and give what it made: by name, or alone. Its files go with the
    interpreter."""
    place = formats.temporary()
    kinds = {slot.name: slot.kind for slot in step.signature.slots}
    texts: dict[str, str | list[str]] = {}
    for name, value in given.items():
        kind = kinds[name]
        if kind and kind.many:
            texts[name] = [_given(name, one, kind, Path(mkdtemp(dir=place))) for one in value]
        else:
            texts[name] = _given(name, value, kind, place)
    made = carry_out(step.function, step.signature, texts, Path(mkdtemp(dir=place)))
    return made["output"] if [*made] == ["output"] else SimpleNamespace(**made) if made else None


def text(value: Json) -> str:
    """A parameter value as a word has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _given(name: str, value: Any, kind: Kind | None, place: Path) -> str:
    if kind is None or kind.format in ("path", "reference"):
        return str(value)
    if kind.parameter is not None:
        return text(encode(kind.parameter, value))
    path = place / formats.filename(name, kind)
    formats.write(value, path, name, kind)
    return str(path)


def _made(name: str, kind: Kind, path: Path) -> Any:
    """What a command wrote for an output."""
    if not path.exists():
        raise PalmetteError(f"the command did not write its output {name!r}, which belongs at {{{name}}}: {path}")
    if kind.format == "path":
        return path
    if kind.parameter is None and kind.format != "reference":
        return formats.read(path, {"format": kind.format, "filename": path.name}, kind)
    said = path.read_text().removesuffix("\n")
    if kind.parameter is None:
        return Reference(said)
    kind_of = kind.parameter.field.type
    try:
        plain = said.lower() if kind_of is ParameterType.BOOLEAN else said
        return decode(kind.parameter, plain if kind_of is ParameterType.STRING else json.loads(plain))
    except ValueError:
        raise DefinitionError(
            f"output {name!r} should be {kind.declared}, and the command wrote {said[:60]!r}"
        ) from None


def _started(words: Sequence[str], bundle: str) -> Iterator[str]:
    """The words with this interpreter for "python", and with the bundle's for the project's own programs and files."""
    rest = list(words)
    if re.fullmatch(r"python[\d.]*", rest[0]):
        yield sys.executable
        del rest[0]
        while rest and rest[0][:1] == "-" and rest[0] not in ("-m", "-c", "-"):
            yield rest.pop(0)
        if bundle and rest and rest[0] not in ("-c", "-"):
            yield from ("-m", __name__)
    elif rest[0] != Path(rest[0]).name:
        rest[0] = _taken(rest[0], bundle)
    yield from (rest[:1] if rest[:1] == ["-m"] else [_taken(word, bundle) for word in rest[:1]])
    yield from (_taken(word, bundle) if "/" in word else word for word in rest[1:])


def _taken(word: str, bundle: str) -> str:
    """A word; if it names a file that was taken along, where that is."""
    found = Path(bundle) / word
    return str(found) if bundle and word[:1] not in ("/", "-") and found.is_file() else word


def main(words: Sequence[str]) -> int:
    """Run "-m", a module and its arguments, or a script and its arguments, with the bundle's modules."""
    finder.install(Path(os.environ[_BUNDLE]), os.environ)
    module = words[0] == "-m"
    name = words[1] if module else words[0]
    sys.argv[:] = words[1:] if module else words
    try:
        if module:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(name).parent))
            runpy.run_path(name, run_name="__main__")
    except Exception as error:  # noqa: BLE001 - the program's own failure, told as a step's is
        complain(error, os.environ)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
