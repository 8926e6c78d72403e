"""What comparisons need: histories, pinned baselines, promotions, extra tasks.

A migration states what was true when it was written: it imports nothing of Palmette's.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moment(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False)


def _of_run(table: str, column: str = "run") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["runs.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def upgrade() -> None:
    """Add what the fourth release remembers."""
    op.add_column("runs", sa.Column("fork", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "commits",
        *_texts("project", "sha", "parent"),
        _moment("committed"),
        sa.PrimaryKeyConstraint("project", "sha", name="pk_commits"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pins",
        *_texts("project", "algorithm", "preset", "branch", "run", "author", "reason"),
        _moment("created"),
        sa.PrimaryKeyConstraint("project", "algorithm", "preset", "branch", name="pk_pins"),
        _of_run("pins"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "promotions",
        *_texts("project", "algorithm", "alias"),
        sa.Column("serial", sa.Integer, nullable=False),
        *_texts("run"),
        sa.Column("restored", sa.Integer),
        *_texts("author", "reason", "gates"),
        _moment("created"),
        sa.PrimaryKeyConstraint("project", "algorithm", "alias", "serial", name="pk_promotions"),
        _of_run("promotions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "extras",
        *_texts("head", "baseline", "purpose", "run"),
        sa.PrimaryKeyConstraint("head", "baseline", "purpose", name="pk_extras"),
        *(_of_run("extras", column) for column in ("head", "baseline", "run")),
        sqlite_with_rowid=False,
    )
    for table, column in (("extras", "run"), ("extras", "baseline"), ("pins", "run"), ("promotions", "run")):
        op.create_index(f"ix_{table}_{column}", table, [column])
