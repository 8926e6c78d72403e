"""Speak HTTP to a server of Palmette's, with what Python brings along."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from palmette import errors
from palmette.errors import AccessDenied, NotFound, PalmetteError, Problem, ServerError, UsageError

#: Where all that is Palmette's own stands on a server.
PREFIX: Final = "/apis/palmette/v1"
#: Seconds until a server answers, or goes on with its answer.
PATIENCE: Final = 30.0
#: Seconds before a question that may be asked again is asked again, where a server was not ready for it.
_PAUSES: Final = (0.2, 0.6, 1.5)
#: Seconds before it is looked again whether a server that is being started again is back, for those who can wait.
RESTARTS: Final = (0.3, 0.7, 1.5, 2.5, 4.0, 6.0)
_BUSY: Final = (502, 503, 504)
_AGAIN: Final = ("GET", "PUT", "DELETE", "HEAD")
#: what a server says of a question that is none of its own
_UNKNOWN: Final = "the request cannot be understood"
_NOWHERE: Final = ("there is nothing at this address", "this cannot be asked with that method")
_MISFITS: Final = ("there is no such parameter", "it is missing")
_STOPPED: Final = "It may have been stopped. Try again."
_PART: Final = 1 << 18
#: what a connection says that was closed while nobody used it
_STALE: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, http.client.CannotSendRequest)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is, and who asks."""

    #: "https://palmette.example.org", with a path where it is behind one
    url: str
    #: as its user knows it, for messages
    name: str = ""
    token: str = field(default="", repr=False)

    @property
    def called(self) -> str:
        """The name for messages."""
        return self.name or self.url


def parsed(url: str) -> SplitResult:
    """A server's URL, taken apart; UsageError if it is none."""
    hint = "Name it like https://palmette.example.org or http://localhost:8080."
    try:
        found = urlsplit(url.strip().rstrip("/"))
        _ = found.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL of a server: {error}", hint) from None
    if found.scheme not in ("http", "https") or not found.hostname:
        raise UsageError(f"{url!r} is no URL of a server", hint)
    if found.username or found.password or found.query or found.fragment or any(sign.isspace() for sign in url.strip()):
        raise UsageError("a server's URL has no user, password, query or blanks", "Say the token to: palmette login.")
    return found


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Connection:
    """The way to a server, kept open between questions. Threads may share it."""

    def __init__(self, server: Server, *, patience: float = PATIENCE, restarts: Sequence[float] = ()) -> None:
        """`restarts`: how long a server is waited for that has answered before, and is gone now."""
        self.server = server
        self._url = parsed(server.url)
        self._patience, self._restarts = patience, restarts
        self._answered = False
        self._open = threading.local()
        #: of all threads
        self._lines: set[http.client.HTTPConnection] = set()

    def ask(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: bytes | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """The whole answer to a question below the prefix; what a server says is wrong is raised as the error it is.
        A question that changes nothing is asked again where a server is not ready."""

        def asked() -> Answer:
            return self._whole(self._sent(method, path, query, body, accept))

        answer = self._awaited(asked, again=method in _AGAIN)
        for pause in _PAUSES if method in _AGAIN else ():
            if answer.status not in _BUSY:
                break
            time.sleep(pause)
            answer = self._awaited(asked, again=True)
        self._judge(answer)
        return answer

    def stream(self, path: str, query: Sequence[tuple[str, str]] = (), *, accept: str) -> Iterator[bytes]:
        """An answer in parts, as they come; the connection is closed when whoever asks stops asking."""
        yield from self.flow("GET", path, query, accept=accept)

    def flow(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: bytes | None = None,
        accept: str = "application/json",
    ) -> Iterator[bytes]:
        """As `stream`, of a question of any kind."""
        response = self._sent(method, path, query, body, accept)
        if response.status >= 300:
            self._judge(self._whole(response))
        whole = False
        try:
            while part := self._part(response):
                yield part
            whole = not response.will_close
        finally:
            response.close()
            if not whole:
                # What is left of the answer would be taken for the next one.
                self.close()

    def send(self, path: str, parts: Callable[[], Iterable[bytes]], size: int) -> Answer:
        """Put bytes of a known size at a path, part by part."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}

        def put() -> Answer:
            return self._whole(self._exchange("PUT", path, (), parts(), headers))

        def sent() -> Answer:
            try:
                return put()
            except _Lost:
                return put()

        answer = self._awaited(sent, again=True)
        if answer.status >= 300:
            self.close()
        self._judge(answer)
        return answer

    def close(self) -> None:
        """Let go of this thread's connection."""
        line: http.client.HTTPConnection | None = getattr(self._open, "line", None)
        self._open.line = None
        if line is not None:
            self._lines.discard(line)
            line.close()

    def __del__(self) -> None:
        # Nobody else can: a thread that has ended leaves its line open.
        for line in getattr(self, "_lines", ()):
            line.close()

    # One exchange

    def _awaited(self, ask: Callable[[], Answer], *, again: bool) -> Answer:
        """What is answered. A server that has answered before and is gone is being started again: it is told what it
        never heard, and what it may hear twice."""
        for pause in self._restarts if self._answered else ():
            try:
                return ask()
            except _Away:
                pass
            except _Lost:
                if not again:
                    raise
            time.sleep(pause)
        answer = ask()
        self._answered = True
        return answer

    def _sent(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes | None, accept: str
    ) -> http.client.HTTPResponse:
        headers = {"Accept": accept} | ({"Content-Type": "application/json"} if body is not None else {})
        reused = getattr(self._open, "line", None) is not None
        try:
            return self._exchange(method, path, query, body, headers)
        except _Lost:
            # A server closes what was idle for long; what it has begun to do is not said twice, unless it may be.
            if not reused or method not in _AGAIN:
                raise
            return self._exchange(method, path, query, body, headers)

    def _exchange(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        target = f"{self._url.path}{PREFIX}{path}" + (f"?{urlencode(query)}" if query else "")
        given = {**headers, "User-Agent": "palmette"}
        if self.server.token:
            given["Authorization"] = f"Bearer {self.server.token}"
        try:
            line = self._line()
            try:
                line.request(method, target, body=body, headers=given)
            except (BrokenPipeError, ConnectionResetError):
                # It may have answered before all was sent, and closed: too large, not allowed.
                if not isinstance(body, Iterable) or isinstance(body, bytes):
                    raise
            return line.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _line(self) -> http.client.HTTPConnection:
        line: http.client.HTTPConnection | None = getattr(self._open, "line", None)
        if line is None:
            host, port = self._url.hostname or "", self._url.port
            if self._url.scheme == "https":
                context = ssl.create_default_context()
                line = http.client.HTTPSConnection(host, port, timeout=self._patience, context=context)
            else:
                line = http.client.HTTPConnection(host, port, timeout=self._patience)
            self._lines.add(line)
            line.connect()
            line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.line = line
        return line

    def _whole(self, response: http.client.HTTPResponse) -> Answer:
        try:
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        if response.will_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=body)

    def _part(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_PART)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    # What is wrong

    def _judge(self, answer: Answer) -> None:
        """Raise the error that the server means, if it means one."""
        if answer.status < 300:
            return
        raise self.said(answer)

    def said(self, answer: Answer) -> PalmetteError:
        """The error that an answer means."""
        where = self.server.called
        if answer.status < 400:
            place = answer.headers.get("location", "another place")
            return ServerError(f"{where} sends to {place}", "Log in there: palmette login URL.")
        error = error_of(answer.body)
        if answer.status == 401:
            had = "does not accept the token" if self.server.token else "wants a token"
            return AccessDenied(f"{where} {had}", error.hint if error and error.hint else _token_hint(self.server))
        if answer.status == 403:
            what = f"{where} does not allow it" + (f": {error.message}" if error else "")
            return AccessDenied(what, error.hint if error and error.hint else "Ask for a token with another role.")
        if error is not None and _strange(error):
            return self._apart(error, answer.headers.get("palmette-version", ""))
        if error is not None:
            # What a server says that stands before all routes is no error of a verb.
            return ServerError(f"{where}: {error.message}", error.hint) if type(error) is PalmetteError else error
        if answer.status >= 500:
            return ServerError(f"{where} has an error of its own ({answer.status})", "Its log says more.")
        hint = f"Is {self.server.url} right? It should be the address of a `palmette serve`."
        return ServerError(f"{where} is no server of Palmette's ({answer.status})", hint)

    def _apart(self, error: PalmetteError, version: str) -> ServerError:
        """Of a server that does not know a verb or a parameter, or wants one more: it is of another version."""
        own = metadata.version("palmette")
        told = f"{version}, and this is {own}" if version not in ("", own) else f"another version than this, {own}"
        names = ", ".join(each.where for each in error.problems if each.where)
        what = f"{self.server.called} does not understand what this Palmette asks for{f' ({names})' if names else ''}"
        return ServerError(what, f"It is of {told}. Install the same version here and there.")

    def _unreachable(self, error: OSError | http.client.HTTPException) -> ServerError:
        where = self.server.called
        kind = ServerError
        url = f" at {self.server.url}" if self.server.name else ""
        match error:
            case socket.gaierror():
                what, hint = f"there is no host {self._url.hostname}", "Check the name, and the network."
            case ssl.SSLCertVerificationError():
                what = f"the certificate of {where} cannot be verified: {error.verify_message}"
                hint = "Name the authority that signed it in SSL_CERT_FILE."
            case ssl.SSLError():
                what = f"{where}{url} does not speak TLS as it should: {error.reason or error}"
                hint = "Is it an address that begins with http://?"
            case TimeoutError():
                what, hint = f"{where}{url} did not answer within {self._patience:g} s", "Try again, or see its log."
            case ConnectionRefusedError():
                kind, what = _Away, f"nobody answers at {self.server.url}"
                hint = "Is it running? palmette serve"
            case _ if isinstance(error, _STALE):
                kind, what = _Lost, f"{where}{url} closed the connection"
                hint = _STOPPED
            case http.client.IncompleteRead():
                what, hint = f"{where}{url} closed the connection in the middle of its answer", _STOPPED
            case http.client.HTTPException():
                what, hint = f"what answers at {self.server.url} is no HTTP server", "Check the address."
            case _:
                what, hint = f"{where}{url} cannot be reached: {error.strerror or error}", "Check the network."
        return kind(what, hint)


class _Away(ServerError):
    """Nobody is there, so nobody heard it."""


class _Lost(ServerError):
    """The connection was closed before there was an answer."""


def _token_hint(server: Server) -> str:
    name = f" --name {server.name}" if server.name else ""
    return f"Give it one: palmette login {server.url}{name} --token - (or PALMETTE_TOKEN)."


def _strange(error: PalmetteError) -> bool:
    """Whether a server does not know what no user has said, but this Palmette."""
    misfits = [each for each in error.problems if each.what in _MISFITS]
    return error.message in _NOWHERE or (error.message == _UNKNOWN and bool(misfits))


def error_of(body: bytes | str) -> PalmetteError | None:
    """The error in an answer, as it was raised there; None if there is none."""
    try:
        said = json.loads(body)["error"]
        kind = getattr(errors, str(said["type"]), PalmetteError)
        problems = [Problem(where=each["where"], what=each["what"], hint=each["hint"]) for each in said["problems"]]
        if not (isinstance(kind, type) and issubclass(kind, PalmetteError)):
            kind = PalmetteError
        return kind(str(said["message"]), str(said["hint"]), problems=problems)
    except (ValueError, KeyError, TypeError):
        return None


def lines(parts: Iterable[bytes]) -> Iterator[Any]:
    """The values of an answer with one JSON value a line, as they come; an error among them is raised."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for line in filter(None, whole):
            yield _value(line)
    if rest:
        # It ends with a line's end, unless the server ended first.
        raise ServerError("the server's answer was cut short", "Try again.")


def _value(line: bytes) -> Any:
    if line.startswith(b'{"error":') and (error := error_of(line)) is not None:
        raise error
    return json.loads(line)


def segment(text: str, what: str = "thing") -> str:
    """A text as one part of a path; NotFound for one that cannot be, and so is the name of nothing."""
    if not text or text in (".", "..") or "/" in text or "\0" in text:
        raise NotFound(f"there is no {what} {text!r}")
    return quote(text, safe="")


def document(connection: Connection, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
    """The JSON value at a path."""
    answer = connection.ask("GET", path, query)
    try:
        return json.loads(answer.body)
    except ValueError:
        raise not_ours(connection.server) from None


def not_ours(server: Server) -> ServerError:
    """The error that says that something else answered."""
    hint = f"Is {server.url} right? It should be the address of a `palmette serve`."
    return ServerError(f"{server.called} is no server of Palmette's", hint)
