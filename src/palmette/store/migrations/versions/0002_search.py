"""What a search asks, sweeps, saved views, and artifacts that lie elsewhere.

A migration states what was true when it was written: it imports nothing of Palmette's.
"""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TICKET: Final = re.compile(r"(?<![A-Za-z0-9])([A-Z][A-Z0-9_]{1,9})-([1-9][0-9]{0,6})(?![A-Za-z0-9])")

_LISTED: Final = ["project", "created", "id", "algorithm", "state", "preset", "git_branch", "ticket", "git_author"]
_LISTED_TOO: Final = ["trigger", "sweep", "started", "ended", "git_dirty"]


def upgrade() -> None:
    """Add what the second release remembers, and work it out for the runs that are there."""
    for table, names in {"runs": ("environments", "sweep", "origin", "ticket"), "artifacts": ("uri",)}.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("artifacts", sa.Column("rows", sa.BigInteger))
    _tables()
    _indexes()
    _fill(op.get_bind())


def _tables() -> None:
    op.create_table(
        "sweeps",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "project", "algorithm", "plan", "note")),
        sa.Column("created", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_sweeps_project"),
    )
    op.create_table(
        "views",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("project", "name", "query")),
        sa.Column("created", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("project", "name", name="pk_views"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "texts",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("run", "text")),
        sa.PrimaryKeyConstraint("run", name="pk_texts"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_texts_run", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "collected",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("run", "rule")),
        sa.Column("time", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_collected"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_collected_run", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )


def _indexes() -> None:
    op.create_index("ix_runs_sweep", "runs", ["sweep"])
    op.create_index("ix_settings_name_number_run", "settings", ["name", "number", "run"])
    op.create_index("ix_summaries_name_last_low_high_run", "summaries", ["name", "last", "low", "high", "run"])
    op.create_index("ix_tasks_searched", "tasks", ["component", "run", "state", "name", "started", "ended"])
    op.create_index("ix_artifacts_searched", "artifacts", ["task", "rows", "size", "run"])
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_runs_listed", "runs", [*_LISTED, *_LISTED_TOO])
        op.create_index("ix_settings_name_text_run", "settings", ["name", "text", "run"])
        neither = sa.text("coalesce(number, text) IS NULL")
        op.create_index("ix_settings_other", "settings", ["name", "run"], sqlite_where=neither)
    else:
        # A row of a PostgreSQL B-tree has at most some 2,700 bytes; of these texts users decide the length.
        for column in ("git_branch", "ticket"):
            op.create_index(f"ix_runs_{column}_hash", "runs", [column], postgresql_using="hash")
        short = sa.text("length(text) <= 200")
        op.create_index("ix_settings_name_short_run", "settings", ["name", "text", "run"], postgresql_where=short)
        neither = sa.text("number IS NULL AND (length(text) <= 200) IS NOT TRUE")
        op.create_index("ix_settings_other", "settings", ["name", "run"], postgresql_where=neither)


def _fill(connection: sa.Connection) -> None:
    columns = "id, name, note, git_branch, git_message, message"
    for row in connection.execute(sa.text(f"SELECT {columns} FROM runs")).all():
        found = _TICKET.search(row.git_branch)
        ticket = found[0] if found else ""
        connection.execute(
            sa.text("UPDATE runs SET ticket = :ticket WHERE id = :run"), {"ticket": ticket, "run": row.id}
        )
        said = (row.name, row.note, row.git_message, row.message, ticket)
        connection.execute(
            sa.text("INSERT INTO texts (run, text) VALUES (:run, :text)"),
            {"run": row.id, "text": "\n".join(filter(None, said)).casefold()},
        )
    asked = (
        "json_extract(metadata, '$.rows')"
        if connection.dialect.name == "sqlite"
        else "CAST(metadata AS json) ->> 'rows'"
    )
    connection.execute(sa.text(f'UPDATE artifacts SET "rows" = CAST({asked} AS BIGINT)'))
