"""One plain exchange with the API of a forge or of an issue tracker: JSON over HTTP, within a time.

What opens the API goes to the address that was named and nowhere else: no redirect is followed to another one. No
message holds it.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urljoin, urlsplit

from palmette.domain.values import Json
from palmette.errors import ServerError

#: Bytes of an answer that are read.
LIMIT: Final = 8 << 20
_REDIRECTS: Final = 5
#: Pages of a list that are asked for, of a hundred entries each.
_PAGES: Final = 200
_FOLLOWED: Final = (301, 302, 303, 307, 308)
_TEMPORARY: Final = (408, 425, 429, 500, 502, 503, 504)
_PORTS: Final = {"https": 443, "http": 80}
#: Variables that name a file of authorities, the first that is set.
_AUTHORITIES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class WebError(ServerError):
    """A forge or a tracker cannot be reached, or does not answer what was asked for."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        reason: str,
        temporary: bool = False,
        status: int = 0,
        json: Json = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint)
        #: a short phrase: "timed out", "answered HTML, not JSON", "401"
        self.reason = reason
        #: it may work later
        self.temporary = temporary
        #: of the answer; 0 where there was none
        self.status = status
        #: what the answer says, where that is JSON
        self.json = json
        #: seconds after which it wants to be asked again, where it says so
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was answered."""

    status: int
    json: Json
    #: by names in lower case
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Web:
    """An API, and what opens it."""

    #: "https://gitlab.example/api/v4"
    base: str
    #: what each question carries: the token stands here
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: how long a whole exchange may take, from the look-up of its name to the last byte
    seconds: float = field(default=5.0, kw_only=True)
    #: as messages call it: "JIRA"
    called: str = field(kw_only=True)
    #: where proxies and authorities are named
    environ: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)

    def ask(self, method: str, path: str, query: Sequence[tuple[str, str]] = (), body: Json = None) -> Reply:
        """Ask below the base; WebError for whatever is no success. Parts of the path are quoted already."""
        url = _parsed(self)
        target = f"{url.path.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._within(_Exchange(self, url), method, target, body)

    def each(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Iterator[Json]:
        """The entries of a list, page by page: as GitLab (`x-next-page`) and GitHub (`Link`) name the next one."""
        given = [("per_page", "100"), *query]
        for _ in range(_PAGES):
            reply = self.ask("GET", path, given)
            if not isinstance(reply.json, list):
                raise WebError(f"{self.called} did not answer with a list", reason="answered no list")
            yield from reply.json
            following = _following(reply, given)
            if following is None:
                return
            given = following
        raise WebError(f"{self.called} lists more than {_PAGES} pages", reason="lists too much")

    def _within(self, exchange: _Exchange, method: str, target: str, body: Json) -> Reply:
        # A thread, since nothing else ends the look-up of a name, or an answer that comes a byte at a time.
        thread = threading.Thread(target=exchange.run, args=(method, target, body), daemon=True)
        thread.start()
        thread.join(self.seconds)
        if thread.is_alive():
            exchange.abandon()
            what = f"{self.called} did not answer within {self.seconds:g} s"
            raise WebError(what, "Try again later.", reason="timed out", temporary=True)
        return exchange.outcome()


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Exchange:
    """One question, with the redirects that it is sent along."""

    def __init__(self, web: Web, url: SplitResult) -> None:
        self._web, self._url = web, url
        self._line: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._abandoned = False
        self._answer: _Answer | None = None
        self._error: WebError | None = None

    def run(self, method: str, target: str, body: Json) -> None:
        """Ask, and keep what comes of it."""
        try:
            self._answer = self._followed(method, target, body)
        except WebError as error:
            self._error = error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._error = self._unreachable(error)
        finally:
            self._close()

    def abandon(self) -> None:
        """Let go of the connection under the thread that waits for it."""
        self._abandoned = True
        if self._socket is not None:
            with suppress(OSError):
                # Not that of TLS, which would pull what is encrypted from under whoever reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def outcome(self) -> Reply:
        """What was answered, or the error that it means."""
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return _judged(self._web.called, self._answer)

    def _followed(self, method: str, target: str, body: Json) -> _Answer:
        for _ in range(_REDIRECTS):
            answer = self._exchanged(method, target, body)
            if answer.status not in _FOLLOWED:
                return answer
            target = self._onward(method, target, answer)
        what = f"{self._web.called} sends from one address to the next without end"
        raise WebError(what, reason="redirects without end")

    def _exchanged(self, method: str, target: str, body: Json) -> _Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", **self._web.headers, "User-Agent": f"palmette/{version('palmette')}"}
        headers |= {} if data is None else {"Content-Type": "application/json"}
        # Python's own complaint about such a header would quote it, and with it the token.
        if any(not value.isascii() or not value.isprintable() for value in headers.values()):
            hint = "Is it a token of one line?"
            raise WebError(f"what opens {self._web.called} holds signs that cannot be sent", hint, reason="bad token")
        self._close()
        line, prefix, more = self._connection()
        self._line = line
        line.connect()
        # Kept beside the connection, which forgets it when an answer's end is that of the connection.
        self._socket = line.sock
        if self._abandoned:
            # The name was found too late: nobody waits any more, and nothing is said.
            raise TimeoutError
        line.request(method, f"{prefix}{target}", body=data, headers=headers | more)
        response = line.getresponse()
        content = response.read(LIMIT + 1)
        if len(content) > LIMIT:
            what = f"{self._web.called} answered more than {LIMIT >> 20} MiB"
            raise WebError(what, reason=f"answered more than {LIMIT >> 20} MiB", status=response.status)
        named = {name.lower(): value for name, value in response.getheaders()}
        return _Answer(status=response.status, headers=named, body=content)

    def _connection(self) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """A connection that is not open yet, what precedes each path on it, and what its proxy is told."""
        url, seconds = self._url, self._web.seconds
        host, port = url.hostname or "", url.port or _PORTS[url.scheme]
        proxy = _proxy(url, self._web.environ)
        if url.scheme == "http":
            if proxy is None:
                return http.client.HTTPConnection(host, port, timeout=seconds), "", {}
            line = http.client.HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=seconds)
            return line, f"http://{url.netloc}", _opening(proxy)
        trusted = self._trusted()
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=trusted), "", {}
        tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=seconds, context=trusted)
        tunnel.set_tunnel(host, port, headers=_opening(proxy))
        return tunnel, "", {}

    def _trusted(self) -> ssl.SSLContext:
        named = next((name for each in _AUTHORITIES if (name := self._web.environ.get(each, ""))), None)
        own = self._web.environ.get("CI_SERVER_TLS_CA_FILE", "")
        try:
            file = named if named and Path(named).is_file() else None
            trusted = ssl.create_default_context(cafile=file, capath=None if file else named)
            if own and self._url.hostname == self._web.environ.get("CI_SERVER_HOST", ""):
                # What the runner was told of its own GitLab.
                trusted.load_verify_locations(cafile=own)
        except (OSError, ssl.SSLError):
            what = f"the authorities that {named or own} names cannot be read"
            raise WebError(what, "SSL_CERT_FILE names a PEM file.", reason="no authorities") from None
        return trusted

    def _onward(self, method: str, target: str, answer: _Answer) -> str:
        """Where a redirect leads, if that is on the same server."""
        here = f"{self._url.scheme}://{self._url.netloc}"
        there = urlsplit(urljoin(f"{here}{target}", answer.headers.get("location", "")))
        port = there.port or _PORTS.get(there.scheme)
        same = (there.scheme, there.hostname, port) == _origin(self._url)
        if not same or method != "GET":
            place = f"{there.scheme}://{there.hostname}"
            what = f"{self._web.called} sends to {place if not same else 'another address'}, which is not followed"
            raise WebError(
                what, "Name the address that it leads to.", reason=f"redirects to {place}", status=answer.status
            )
        return (there.path or "/") + (f"?{there.query}" if there.query else "")

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()

    def _unreachable(self, error: OSError | http.client.HTTPException | ValueError) -> WebError:
        called, hint, temporary = self._web.called, "Check the address, and the network.", True
        match error:
            case socket.gaierror():
                reason = f"there is no host {self._url.hostname}"
            case ssl.SSLCertVerificationError():
                reason, temporary = f"its certificate cannot be verified ({error.verify_message})", False
                hint = "Name the authority that signed it in SSL_CERT_FILE."
            case TimeoutError():
                reason = "timed out"
            case ConnectionRefusedError():
                reason = "nobody answers there"
            case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
                reason = "closed the connection"
            case http.client.IncompleteRead():
                reason = "its answer was cut short"
            case OSError():
                # A proxy that refuses a tunnel is told of by a text alone.
                reason = str(error.strerror or error)
            case http.client.InvalidURL():
                reason, temporary = "its address is none", False
            case _:
                reason, temporary = "what answers there does not speak HTTP", False
        return WebError(f"{called} cannot be asked: {reason}", hint, reason=reason, temporary=temporary)


def _parsed(web: Web) -> SplitResult:
    """The base, taken apart. What is wrong with it is said without it: it may hold a password."""
    with suppress(ValueError):
        url = urlsplit(web.base.strip())
        if url.scheme in _PORTS and url.hostname and not url.username and not url.password:
            _ = url.port
            return url
    hint = "It looks like https://tracker.example, without a user or a password."
    raise WebError(f"the address of {web.called} is none", hint, reason="its address is none")


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def _proxy(url: SplitResult, environ: Mapping[str, str]) -> SplitResult | None:
    """The proxy that the environment names for an address. This machine is never asked through one."""
    host = url.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return None
    # Lower case precedes, as everywhere.
    said = {name: environ.get(name) or environ.get(name.upper(), "") for name in ("no_proxy", "all_proxy")}
    named = environ.get(f"{url.scheme}_proxy") or environ.get(f"{url.scheme.upper()}_PROXY") or said["all_proxy"]
    if not named or _spared(host, said["no_proxy"]):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme != "http" or not proxy.hostname:
        what = f"{url.hostname} is to be asked through a proxy of a kind that is not known"
        raise WebError(what, "HTTPS_PROXY names it like http://proxy.example:3128.", reason="its proxy cannot be used")
    return proxy


def _spared(host: str, without: str) -> bool:
    """Whether NO_PROXY names a host, or a domain that it is in."""
    ends = [
        name.strip().lstrip("*").lstrip(".").partition(":")[0].lower() for name in without.split(",") if name.strip()
    ]
    return any(not end or host.lower() == end or host.lower().endswith(f".{end}") for end in ends)


def _opening(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _judged(called: str, answer: _Answer) -> Reply:
    """The reply, or the error that an answer means."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    said: Json = None
    readable = not answer.body
    if kind.endswith("json") and answer.body:
        with suppress(ValueError):
            said, readable = json.loads(answer.body), True
    if answer.status >= 300:
        raise WebError(
            f"{called} answers {answer.status} {http.client.responses.get(answer.status, '')}".rstrip(),
            reason=str(answer.status),
            temporary=answer.status in _TEMPORARY,
            status=answer.status,
            json=said,
            retry_after=_pause(answer.headers),
        )
    if not readable:
        # A page to log in at, most often.
        shown = "HTML" if "html" in kind else "something else"
        reason = f"answered {shown}, not JSON"
        raise WebError(f"{called} {reason}", "Is it the address of the API?", reason=reason, status=answer.status)
    return Reply(status=answer.status, json=said, headers=answer.headers)


def _pause(headers: Mapping[str, str]) -> float | None:
    """What Retry-After says: a number of seconds, or a date, which counts from the server's own clock."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(said).timestamp()
        now = time.time()
        with suppress(ValueError, TypeError):
            now = parsedate_to_datetime(headers.get("date", "")).timestamp()
        return max(0.0, until - now)
    return None


def _following(reply: Reply, given: Sequence[tuple[str, str]]) -> list[tuple[str, str]] | None:
    """What the next page of a list is asked for with; None after the last one."""
    number = reply.headers.get("x-next-page")
    if number is not None:
        return [pair for pair in given if pair[0] != "page"] + [("page", number)] if number else None
    for link in reply.headers.get("link", "").split(","):
        address, _, rest = link.strip().partition(">")
        if address.startswith("<") and 'rel="next"' in rest:
            # Its host need not be spelled as ours: a question to the same path, with what it says beyond that.
            return parse_qsl(urlsplit(address[1:]).query, keep_blank_values=True)
    return None
