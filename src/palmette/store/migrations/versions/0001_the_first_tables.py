"""The first tables.

A migration states what was true when it was written: it imports nothing of Palmette's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_RUN = ("run", "runs.id")


def upgrade() -> None:
    """Make every table of the first release."""
    _projects_and_runs()
    _of_runs()
    _tasks()
    _metrics()
    _outputs()
    _captures()


def _projects_and_runs() -> None:
    _table("projects", 1, _texts("name"), _doubles("created"))
    _table(
        "runs",
        1,
        _texts("id project algorithm state name description preset metrics"),
        _texts("git_branch git_commit git_author git_message git_diff"),
        _doubles("git_committed created"),
        _flags("git_dirty refresh"),
        _texts("bundle environment python implementation platform executable lock lock_digest"),
        _texts("host_name spec version trigger tokens message note"),
        _texts("host lease_host lease_boot", nullable=True),
        _doubles("started ended lease_renewed cancel_requested", nullable=True),
        _whole("epoch"),
        _large("lease_pid lease_start", nullable=True),
        parent=("project", "projects.name"),
    )
    op.create_index("ix_runs_created_id", "runs", ["created", "id"])
    op.create_index("ix_runs_git_commit", "runs", ["git_commit"])
    op.create_index("ix_runs_project_algorithm_created_id", "runs", ["project", "algorithm", "created", "id"])


def _of_runs() -> None:
    _table(
        "settings",
        2,
        _texts("run name value source origin"),
        _whole("position"),
        _doubles("number", nullable=True),
        _texts("text", nullable=True),
        parent=_RUN,
        clustered=True,
    )
    _table("tags", 2, _texts("run tag"), parent=_RUN, clustered=True)
    op.create_index("ix_tags_tag_run", "tags", ["tag", "run"])


def _tasks() -> None:
    _table(
        "tasks",
        2,
        _texts("run name project state executor component needs message"),
        _whole("position"),
        _texts("fingerprint parts cached_from", nullable=True),
        _doubles("cached_made made started ended", nullable=True),
        parent=_RUN,
    )
    op.create_index("ix_tasks_run_position", "tasks", ["run", "position"])
    op.create_index("ix_tasks_reusable", "tasks", ["project", "fingerprint", "made"])
    _table(
        "attempts",
        3,
        _texts("run task"),
        _whole("serial number"),
        _texts("state how why message directory"),
        _large("pid pid_start peak_memory", nullable=True),
        _texts("pid_boot", nullable=True),
        _doubles("queued started"),
        _doubles("ended cpu_seconds", nullable=True),
        _whole("exit_code", nullable=True),
        parent=_RUN,
        clustered=True,
    )


def _metrics() -> None:
    reading = _texts("run task"), _whole("serial"), _large("position")
    _table("readings", 3, *reading, parent=_RUN, clustered=True)
    _table(
        "points",
        6,
        _texts("run name task"),
        _whole("serial"),
        _large("position"),
        _whole("ordinal"),
        _large("step", nullable=True),
        _doubles("value", nullable=True),
        _doubles("time"),
        parent=_RUN,
        clustered=True,
    )
    _table(
        "summaries",
        3,
        _texts("run name task"),
        _whole("serial"),
        _large("points"),
        _large("step", nullable=True),
        _doubles("last low high", nullable=True),
        _doubles("time"),
        parent=_RUN,
        clustered=True,
    )


def _outputs() -> None:
    described = _texts("type digest filename metadata"), _large("size")
    _table("artifacts", 4, _texts("run task name"), _whole("position"), *described, parent=_RUN)
    op.create_index("ix_artifacts_digest", "artifacts", ["digest"])
    _table("parameters", 3, _texts("run task name value"), parent=_RUN)


def _captures() -> None:
    _table("closures", 1, _texts("digest definitions"))
    _table("environments", 1, _texts("digest pins"))
    _table("bundles", 1, _texts("digest files"), _large("size"))


def _table(
    name: str,
    keys: int,
    *groups: list[sa.Column[Any]],
    parent: tuple[str, str] | None = None,
    clustered: bool = False,
) -> None:
    """Create a table whose first `keys` columns are its primary key."""
    columns = [column for group in groups for column in group]
    constraints: list[sa.Constraint] = [
        sa.PrimaryKeyConstraint(*(column.name for column in columns[:keys]), name=f"pk_{name}")
    ]
    if parent is not None:
        column, target = parent
        cascade = "CASCADE" if parent == _RUN else None
        constraints.append(sa.ForeignKeyConstraint([column], [target], name=f"fk_{name}_{column}", ondelete=cascade))
    op.create_table(name, *columns, *constraints, **({"sqlite_with_rowid": False} if clustered else {}))


def _texts(names: str, *, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names.split()]


def _doubles(names: str, *, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Double, nullable=nullable) for name in names.split()]


def _whole(names: str, *, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer, nullable=nullable) for name in names.split()]


def _large(names: str, *, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger, nullable=nullable) for name in names.split()]


def _flags(names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Boolean, nullable=False) for name in names.split()]
