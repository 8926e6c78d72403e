"""What people write on runs: tags and notes."""

from __future__ import annotations

from collections.abc import Sequence

from palmette.operations import tags
from palmette.operations.home import Home
from palmette.store import runs


def tag(home: Home, ref: str, names: Sequence[str]) -> tuple[str, ...]:
    """Add tags; all that the run has then. A tag has 1 to 63 letters, digits and ``_ . : / -``."""
    tags.require(names)
    run = runs.get(home.store, ref, project=home.project)
    runs.tag(home.store, run.id, names)
    return runs.get(home.store, run.id).tags


def untag(home: Home, ref: str, names: Sequence[str]) -> tuple[str, ...]:
    """Remove tags, those that are not there included; all that the run has then."""
    run = runs.get(home.store, ref, project=home.project)
    runs.untag(home.store, run.id, names)
    return runs.get(home.store, run.id).tags


def note(home: Home, ref: str, text: str) -> None:
    """Replace the run's note; an empty text removes it."""
    runs.note(home.store, runs.get(home.store, ref, project=home.project).id, text)


def read_note(home: Home, ref: str) -> str:
    """The run's note; empty if there is none."""
    return runs.get(home.store, ref, project=home.project).note
