"""Bring a store's schema to the newest revision.

The only module that imports Alembic, which costs more than everything else about opening a store; `database` imports
it when there is something to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run what is missing in the connection's transaction; the caller commits."""
    config = Config(attributes={"connection": connection})
    # A per cent sign in a path would be read as an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
