"""What goes on beside a server's answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.server.conftest import open_home

from palmette.server.follower import Follower
from palmette.server.serving import Together


def test_what_goes_on_beside_the_answers_goes_on_together_until_it_is_canceled(tmp_path: Path) -> None:
    asyncio.run(together(tmp_path / "home"))


async def together(directory: Path) -> None:
    """A follower and something else, until both have begun."""
    both, looked, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()

    class Life:
        async def live(self) -> None:
            both.set()
            await asyncio.Event().wait()

    class Looking(Follower):
        def look(self) -> None:
            super().look()
            loop.call_soon_threadsafe(looked.set)

    home = open_home(directory)
    task = asyncio.create_task(Together((Looking(home, {}), Life())).live())
    await asyncio.wait_for(asyncio.gather(both.wait(), looked.wait()), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    home.store.close()
