"""What a server remembers: experiments, pipelines, recurring runs, secrets, tokens, and who drives what.

A migration states what was true when it was written: it imports nothing of Palmette's.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_OF_RUNS: Final = (
    *("experiment", "pipeline", "pipeline_version", "schedule", "queue", "owner", "root", "service_account"),
    *("states", "notices"),
)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moment(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False)


def upgrade() -> None:
    """Add what the third release remembers."""
    for name in _OF_RUNS:
        op.add_column("runs", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for name in ("scheduled", "archived"):
        op.add_column("runs", sa.Column(name, sa.Double))
    op.create_index("ix_runs_experiment_created_id", "runs", ["experiment", "created", "id"])
    op.create_index("ix_runs_queue_state", "runs", ["queue", "state"])
    op.create_index("ix_runs_schedule_scheduled", "runs", ["schedule", "scheduled"])
    _hosted()
    _scheduled()
    _of_the_engine()
    _of_servers()


def _hosted() -> None:
    op.create_table(
        "experiments",
        *_texts("id", "project", "name", "description"),
        _moment("created"),
        sa.Column("last_run", sa.Double),
        sa.Column("archived", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("name", name="uq_experiments_name"),
    )
    op.create_table(
        "pipelines",
        *_texts("id", "project", "name", "display_name", "description", "tags"),
        _moment("created"),
        sa.PrimaryKeyConstraint("id", name="pk_pipelines"),
        sa.UniqueConstraint("name", name="uq_pipelines_name"),
    )
    op.create_table(
        "versions",
        *_texts("id", "pipeline", "name", "display_name", "description", "tags", "spec"),
        *_texts("code_source_url", "package_url"),
        _moment("created"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.id"], name="fk_versions_pipeline", ondelete="CASCADE"),
        sa.UniqueConstraint("pipeline", "name", name="uq_versions_pipeline_name"),
    )
    for table in ("experiments", "pipelines"):
        op.create_index(f"ix_{table}_created_id", table, ["created", "id"])
    op.create_index("ix_versions_pipeline_created_id", "versions", ["pipeline", "created", "id"])


def _scheduled() -> None:
    op.create_table(
        "schedules",
        *_texts("id", "project", "name", "description", "experiment", "pipeline", "pipeline_version", "spec"),
        *_texts("parameters", "root", "service_account", "trigger"),
        sa.Column("max_concurrency", sa.Integer, nullable=False),
        sa.Column("catchup", sa.Boolean, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        _moment("created"),
        _moment("updated"),
        sa.Column("next", sa.Double),
        sa.Column("last", sa.Double),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
    )
    op.create_index("ix_schedules_created_id", "schedules", ["created", "id"])
    op.create_index("ix_schedules_enabled_next", "schedules", ["enabled", "next"])
    op.create_table(
        "ticks",
        *_texts("schedule", "run"),
        _moment("moment"),
        sa.PrimaryKeyConstraint("schedule", "moment", name="pk_ticks"),
        sa.ForeignKeyConstraint(["schedule"], ["schedules.id"], name="fk_ticks_schedule", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )


def _of_the_engine() -> None:
    op.create_table(
        "secrets",
        *_texts("project", "name", "key", "value", "version"),
        _moment("updated"),
        sa.PrimaryKeyConstraint("project", "name", "key", name="pk_secrets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "configmaps",
        *_texts("project", "name", "key", "value"),
        _moment("updated"),
        sa.PrimaryKeyConstraint("project", "name", "key", name="pk_configmaps"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "volumes",
        *_texts("project", "name", "size", "access_modes", "storage_class", "path", "run"),
        _moment("created"),
        sa.PrimaryKeyConstraint("project", "name", name="pk_volumes"),
        sqlite_with_rowid=False,
    )


def _of_servers() -> None:
    op.create_table(
        "tokens",
        *_texts("name", "role", "digest"),
        _moment("created"),
        sa.Column("expires", sa.Double),
        sa.Column("used", sa.Double),
        sa.PrimaryKeyConstraint("name", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "servers",
        *_texts("id", "host", "boot", "address"),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        _moment("started"),
        _moment("seen"),
        sa.PrimaryKeyConstraint("id", name="pk_servers"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facts",
        *_texts("name", "value"),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
        sqlite_with_rowid=False,
    )
