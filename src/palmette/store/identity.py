"""Names for runs, and for what else a host of pipelines keeps."""

from __future__ import annotations

import secrets
import uuid
from hashlib import sha256
from typing import Final

#: Without i, l, o and u: nothing is mistaken for a digit, and hardly a word comes out.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH: Final = 12


def new_run_id() -> str:
    """A name for a run: 12 characters, a letter first.

    Random, not by time: four characters then tell a day's runs apart, as with Git's commits, and lists are sorted by
    the time of creation anyway. With some 2**59 names, a million runs meet with a chance of one in a million.
    """
    letter = secrets.choice(_ALPHABET[10:])
    return letter + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH - 1))


def derived_run_id(text: str) -> str:
    """The name for a run that was known elsewhere by this text; always the same one."""
    number = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])
    places = []
    for _ in range(_LENGTH - 1):
        number, place = divmod(number, len(_ALPHABET))
        places.append(_ALPHABET[place])
    return _ALPHABET[10 + number % len(_ALPHABET[10:])] + "".join(places)


def new_id() -> str:
    """An identifier as Kubeflow Pipelines has them, for an experiment, a pipeline, a version, a recurring run."""
    return str(uuid.uuid4())


def is_run_id(text: str) -> bool:
    """Whether the text is a name of a run's."""
    return len(text) == _LENGTH and text[0] in _ALPHABET[10:] and set(text) <= set(_ALPHABET)
