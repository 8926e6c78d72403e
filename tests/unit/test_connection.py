"""The way to a server that is ended and started again while it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import overload

import pytest

from palmette.client.connection import Connection, Server
from palmette.errors import ServerError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Lives:
    """A server of several lives on one port, which is its own in between, too: whoever comes then is refused."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._socket = self._bound(0)
        self._port = self._socket.getsockname()[1]
        self._thread: threading.Thread | None = None

    @property
    def server(self) -> Server:
        return Server(url=f"http://127.0.0.1:{self._port}")

    def begin(self, answers: Sequence[bytes]) -> None:
        """Answer so many requests, hanging up where there is no answer; then be gone."""
        self.gone()
        following = self._bound(self._port)
        self._socket.listen()
        self._thread = threading.Thread(target=self._live, args=(self._socket, answers))
        self._thread.start()
        self._socket = following

    def gone(self) -> None:
        """Wait until it is."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self._socket.close()

    def _live(self, listening: socket.socket, answers: Sequence[bytes]) -> None:
        with listening:
            for answer in answers:
                line, _ = listening.accept()
                with line, line.makefile("rb") as file:
                    self.heard.append(file.readline().decode().rpartition(" ")[0].replace("/apis/palmette/v1", ""))
                    while file.readline().strip():
                        pass
                    line.sendall(answer)

    @staticmethod
    def _bound(port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", port))
        return made


class Pauses(Sequence[float]):
    """Pauses of no time, in the last of which something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self._happens, self.taken = happens, 0

    def __len__(self) -> int:
        return 3

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        if not isinstance(at, int) or at >= len(self):
            raise IndexError(at)
        self.taken += 1
        if at == len(self) - 1:
            self._happens()
        return 0.0


@pytest.fixture
def lives() -> Iterator[Lives]:
    made = Lives()
    yield made
    made.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_is_started_again_is_told_what_it_did_not_hear(lives: Lives, method: str) -> None:
    lives.begin([ANSWER])
    connection = Connection(lives.server, restarts=Pauses(lambda: lives.begin([ANSWER])))
    connection.ask("GET", "/first")
    lives.gone()

    assert connection.ask(method, "/second").body == b"{}"

    lives.gone()
    assert lives.heard == ["GET /first", f"{method} /second"]


def test_what_it_may_have_heard_is_said_again_only_if_it_may_be_said_twice(lives: Lives) -> None:
    lives.begin([ANSWER, b"", b""])
    connection = Connection(lives.server, restarts=Pauses(lambda: lives.begin([ANSWER])))
    connection.ask("GET", "/first")

    with pytest.raises(ServerError, match="closed the connection"):
        connection.ask("POST", "/second")
    connection.ask("GET", "/third")

    lives.gone()
    assert lives.heard == ["GET /first", "POST /second", "GET /third", "GET /third"]


def test_a_server_that_never_answered_is_not_waited_for(lives: Lives) -> None:
    pauses = Pauses(lambda: None)

    with pytest.raises(ServerError, match="nobody answers at"):
        Connection(lives.server, restarts=pauses).ask("GET", "/first")

    assert pauses.taken == 0


def test_who_has_no_patience_is_told_at_once(lives: Lives) -> None:
    lives.begin([ANSWER])
    connection = Connection(lives.server)
    connection.ask("GET", "/first")
    lives.gone()

    with pytest.raises(ServerError, match="nobody answers at"):
        connection.ask("GET", "/second")
