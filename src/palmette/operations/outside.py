"""What lies outside of the store, for the engine and for whoever fetches an artifact."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from palmette.blobs.references import KeptDigests, NoDigests, References
from palmette.domain.artifact import Artifact
from palmette.domain.graph import Field, Reading
from palmette.domain.run import Setting
from palmette.engine.ports import Referred
from palmette.errors import ConfigError, Problem, UsageError
from palmette.operations.directories import cache_directory


class Outside:
    """The engine's importer: addresses, and paths that begin at the project."""

    def __init__(self, references: References) -> None:
        self._references = references

    def refer(self, uri: str) -> Referred:
        """What lies there now; PalmetteError if nothing does, or it cannot be read."""
        found = self._references.content(uri)
        return Referred(uri=found.uri, digest=found.digest, size=found.size, filename=found.filename)

    def fetch(self, uri: str, target: Path) -> None:
        """Copy what lies there to a path that does not exist yet, whole or not at all."""
        try:
            self._references.fetch(uri, target)
        except BaseException:
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            raise


def references(root: Path, environ: Mapping[str, str]) -> References:
    """What is outside, seen from a project."""
    cache = cache_directory(environ)
    cache.mkdir(parents=True, exist_ok=True)
    return References(root, KeptDigests(cache / "digests.sqlite"))


def importer(root: Path, environ: Mapping[str, str]) -> Outside:
    """The engine's importer for a project."""
    return Outside(references(root, environ))


def copy(artifact: Artifact, target: Path) -> None:
    """Copy what was passed by reference to a path that does not exist yet; UsageError if it is not what it was. What
    cannot be copied whole is not there afterwards."""
    there = References(Path("/"), NoDigests())
    _unchanged(there, artifact)
    try:
        there.fetch(artifact.uri, target)
        _unchanged(there, artifact)
    except BaseException:
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        raise


def _unchanged(there: References, artifact: Artifact) -> None:
    now = there.content(artifact.uri).digest
    if now != artifact.digest:
        raise UsageError(
            f"{artifact.uri} is not what it was: it was {artifact.digest}, and is {now}",
            "It was passed by reference, so there is no copy of what it was.",
        )


def typed_at(overrides: Iterable[str], directory: Path) -> dict[str, Path]:
    """Where each field was typed whose override, "C=0.1", came from this directory."""
    return {text.partition("=")[0].strip(): directory for text in overrides}


def placed(
    fields: Sequence[Field],
    settings: Sequence[Setting],
    root: Path,
    typed: Mapping[str, Path],
    *,
    elsewhere: bool = False,
) -> tuple[Setting, ...]:
    """The settings with the files that they name as paths below the project, else absolute; ConfigError for each that
    is not there.

    A path in the code, a preset or a config file begins at the project; one on the command line where that was typed:
    `typed` says where by field. One that is named as file:// is left as it is if another machine (`elsewhere`) has it.
    """
    files = {field.name for field in fields if field.reading is Reading.FILE}
    problems: list[Problem] = []
    found = tuple(
        _placed(each, root, typed.get(each.name, root), problems)
        if each.name in files and isinstance(each.value, str) and not (elsewhere and "://" in each.value)
        else each
        for each in settings
    )
    if problems:
        raise ConfigError("a file that the config names is not there", problems=problems)
    return found


def _placed(setting: Setting, root: Path, base: Path, problems: list[Problem]) -> Setting:
    text = str(setting.value)
    if "://" in text.removeprefix("file://"):
        return setting
    path = Path(base, Path(text.removeprefix("file://")).expanduser())
    if not path.exists():
        where = "the project" if base == root else "the current directory"
        hint = "Check the path." if Path(text).is_absolute() else f"A path here begins at {where}, {base}."
        problems.append(Problem(where=setting.name, what=f"{text} does not exist", hint=hint))
        return setting
    whole = Path(os.path.normpath(path.absolute()))
    return replace(setting, value=(whole.relative_to(root) if whole.is_relative_to(root) else whole).as_posix())
