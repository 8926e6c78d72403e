"""What a server does while its store cannot be used: it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from starlette.applications import Starlette

from palmette.errors import StoreError
from palmette.operations import presence
from palmette.operations.home import serve_home
from palmette.server.serving import Serving, bind, serve


class Stopping:
    """Looks after recurring runs by telling the server to stop."""

    async def live(self) -> None:
        """Stop."""
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_store_that_is_away_when_recurring_runs_are_first_looked_after_is_asked_again(tmp_path: Path) -> None:
    home = serve_home(tmp_path / "home")
    answers: Iterator[StoreError | Stopping] = iter([StoreError("the database does not answer"), Stopping()])

    def scheduler() -> Stopping:
        answer = next(answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    bound = bind("127.0.0.1", 0)
    serving = Serving(make=Starlette, presence=presence.enter(home, "http://127.0.0.1"), scheduler=scheduler)
    try:
        serve(serving, bound, lambda _: None)
    finally:
        home.store.close()
        bound.close()
    assert next(answers, None) is None
