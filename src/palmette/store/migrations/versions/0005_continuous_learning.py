"""What continuous learning needs: branches, checks of commits, edits of recurring runs, names, tickets, mirrored runs.

A migration states what was true when it was written: it imports nothing of Palmette's.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moment(name: str, *, always: bool = True) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=not always)


def upgrade() -> None:
    """Add what the fifth release remembers."""
    op.create_table(
        "branches",
        *_texts("project", "name", "experiment", "head", "author"),
        _moment("committed"),
        sa.Column("order", sa.BigInteger, nullable=False),
        *_texts("target", "fork"),
        sa.Column("ahead", sa.Integer),
        sa.Column("behind", sa.Integer),
        *_texts("merge_request", "merge_request_url", "title", "tickets"),
        _moment("seen"),
        _moment("gone", always=False),
        _moment("archived", always=False),
        sa.PrimaryKeyConstraint("project", "name", name="pk_branches"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checks",
        *_texts("project", "commit", "algorithm", "kind", "variant", "run"),
        sa.Column("unchanged", sa.Boolean, nullable=False),
        *_texts("branch", "closure", "reason", "key"),
        _moment("created"),
        *_texts("verdict"),
        _moment("settled", always=False),
        sa.Column("tries", sa.Integer, nullable=False),
        *_texts("trouble", "parts", "context"),
        sa.PrimaryKeyConstraint("project", "commit", "algorithm", "kind", "variant", name="pk_checks"),
    )
    op.create_index("ix_checks_project_branch_created", "checks", ["project", "branch", "created"])
    op.create_index("ix_checks_settled_created", "checks", ["settled", "created"])
    op.create_index("ix_checks_run", "checks", ["run"])
    op.create_table(
        "edits",
        *_texts("schedule"),
        sa.Column("serial", sa.Integer, nullable=False),
        *_texts("author", "why", "before", "after"),
        _moment("created"),
        sa.PrimaryKeyConstraint("schedule", "serial", name="pk_edits"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scopes",
        *_texts("project", "prefix"),
        _moment("created"),
        sa.PrimaryKeyConstraint("project", name="pk_scopes"),
        sa.UniqueConstraint("prefix", name="uq_scopes_prefix"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tickets",
        *_texts("project", "key", "title", "url", "status", "why"),
        _moment("looked"),
        sa.PrimaryKeyConstraint("project", "key", name="pk_tickets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mirrored",
        *_texts("run", "host", "id", "progress"),
        _moment("seen"),
        sa.PrimaryKeyConstraint("run", name="pk_mirrored"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_mirrored_run", ondelete="CASCADE"),
        sa.UniqueConstraint("host", "id", name="uq_mirrored_host"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "orphans",
        *_texts("project", "commit"),
        _moment("since"),
        sa.PrimaryKeyConstraint("project", "commit", name="pk_orphans"),
        sqlite_with_rowid=False,
    )
    counted = ["project", "git_branch", "state", "created", "trigger"]
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_runs_counted", "runs", counted)
    else:
        # On PostgreSQL a row of a B-tree has at most some 2,700 bytes, and users decide how long a branch's name is.
        short, long = sa.text("length(git_branch) <= 200"), sa.text("length(git_branch) > 200")
        op.create_index("ix_runs_counted_short", "runs", counted, postgresql_where=short)
        op.create_index("ix_runs_counted_long", "runs", ["project"], postgresql_where=long)
