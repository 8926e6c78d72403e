"""A look at a directory's store with nothing but Python's own SQLite: for answers that cannot wait for SQLAlchemy.

Completion has the time between two keys. Only short lists of names are read, nothing is written, and a store that
cannot be read has no names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

#: of the newest runs, how many tell what is in use; and how long a busy writer is waited for, in seconds
_RECENT: Final = 100
_PATIENCE: Final = 0.05

_NEWEST: Final = (
    "SELECT id FROM runs WHERE project = :project AND \"trigger\" <> 'comparison' "
    "ORDER BY created DESC, id DESC LIMIT :recent"
)
#: what is asked for → how; of the names of a project, or of something that has a name itself
QUERIES: Final = {
    "algorithm": "SELECT DISTINCT algorithm FROM runs WHERE id IN ({newest})",
    "author": "SELECT DISTINCT git_author FROM runs WHERE id IN ({newest})",
    "branch": "SELECT DISTINCT git_branch FROM runs WHERE id IN ({newest})",
    "id": _NEWEST,
    "preset": "SELECT DISTINCT preset FROM runs WHERE id IN ({newest})",
    "sweep": "SELECT DISTINCT sweep FROM runs WHERE id IN ({newest})",
    "ticket": "SELECT DISTINCT ticket FROM runs WHERE id IN ({newest})",
    "tag": "SELECT DISTINCT tag FROM tags WHERE run IN ({newest})",
    "config": "SELECT DISTINCT name FROM settings WHERE run IN ({newest})",
    "metric": "SELECT DISTINCT name FROM summaries WHERE run IN ({newest})",
    "step": "SELECT DISTINCT component FROM tasks WHERE run IN ({newest})",
    "view": "SELECT name FROM views WHERE project = :project ORDER BY name",
    "value": "SELECT DISTINCT value FROM settings WHERE name = :name AND run IN ({newest})",
    "field": "SELECT name FROM settings WHERE run = :name ORDER BY position",
    "of": "SELECT algorithm FROM runs WHERE id = :name",
    "last": "SELECT id FROM runs WHERE project = :project AND algorithm = :name ORDER BY created DESC LIMIT 1",
    "steps": "SELECT component FROM tasks WHERE run = :name ORDER BY position",
    "outputs": "SELECT task || '.' || name FROM artifacts WHERE run = :name ORDER BY task, name",
    "prefix": "SELECT id FROM runs WHERE project = :project AND id >= :name ORDER BY id LIMIT 1",
}


def names(file: Path, what: str, project: str, name: str = "") -> Sequence[str]:
    """The names of one kind that are in use, none where the store does not tell."""
    query, given = question(what, project, name)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as connection:
            rows = connection.execute(query, given).fetchall()
    except sqlite3.Error:
        return ()
    return tuple(value for (value,) in rows if value)


def question(what: str, project: str, name: str) -> tuple[str, dict[str, str | int]]:
    """The SQL that asks for names of one kind, and its parameters."""
    return QUERIES[what].format(newest=_NEWEST), {"project": project, "name": name, "recent": _RECENT}


def run(file: Path, reference: str, project: str) -> str:
    """The id of the run that a reference names: "last", an algorithm's, or the beginning of an id; empty for none."""
    return resolved(lambda what, name: names(file, what, project, name), reference)


def resolved(ask: Callable[[str, str], Sequence[str]], reference: str) -> str:
    """The same, of whoever answers what is asked for names of one kind."""
    if reference == "last":
        return next(iter(ask("id", "")), "")
    newest = next(iter(ask("last", reference)), "")
    found = newest or next(iter(ask("prefix", reference)), "")
    return found if newest or found.startswith(reference) else ""
