"""`python -m palmette`: the command, where its script is not on the PATH."""

from __future__ import annotations

from palmette.cli import main

main()
