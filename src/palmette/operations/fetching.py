"""Pipeline files by URL."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from palmette.errors import UsageError
from palmette.ir.reading import MAX_SIZE

_SCHEMES: Final = ("http", "https")
#: Seconds without an answer, and in all.
_SILENCE: Final = 15.0
_PATIENCE: Final = 60.0
_PIECE: Final = 1 << 16
_LONGEST: Final = 4096


def fetch(url: str) -> tuple[str, bytes]:
    """The name and the content of the file at a URL. UsageError for anything but http and https, for what does not
    answer in a minute, and for what is larger than a pipeline may be."""
    if not _allowed(url):
        raise UsageError(
            f"{url[:200]!r} is no URL of a pipeline file", "Give one that begins with https:// or http://."
        )
    try:
        with _opener().open(url, timeout=_SILENCE) as answer:
            content = _read(answer, url)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(f"{url} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = getattr(error, "reason", None) or error
        raise UsageError(f"{url} cannot be fetched: {said}", "Look at the address, or upload the file.") from error
    return PurePosixPath(unquote(urlsplit(url).path)).name, content


def _allowed(url: str) -> bool:
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return False


def _opener() -> urllib.request.OpenerDirector:
    """What opens http and https, and nothing else, wherever it is sent on to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    deadline, pieces, size = time.monotonic() + _PATIENCE, [], 0
    while piece := answer.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_SIZE:
            raise UsageError(f"{url} is larger than {MAX_SIZE // 1024 // 1024} MiB", "A pipeline is far smaller.")
        if time.monotonic() > deadline:
            raise UsageError(f"{url} takes longer than {_PATIENCE:.0f} seconds", "Upload the file instead.")
    return b"".join(pieces)
