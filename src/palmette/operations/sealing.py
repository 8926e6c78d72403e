"""Encrypt and decrypt a value with the user's key. Apart from the rest, because cryptography is imported here."""

from __future__ import annotations

import binascii
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from palmette.errors import CorruptBlob, StoreError
from palmette.operations import keys
from palmette.operations.keys import Keys

_FORM: Final = "1"
_NONCE: Final = 12


#: project, secret, key
Place: TypeAlias = tuple[str, str, str]


def seal(known: Keys, place: Place, value: str) -> str:
    """The value, encrypted and authenticated together with its place: it can be read only there."""
    nonce = os.urandom(_NONCE)
    closed = nonce + _cipher(known.current).encrypt(nonce, _bytes(value), _bytes("\0".join(place)))
    return ".".join([_FORM, keys.name(known.current), urlsafe_b64encode(closed).decode()])


def unseal(known: Keys | None, place: Place, text: str) -> str:
    """The inverse of `seal`, with the key that was used then; StoreError without it, CorruptBlob if it was changed."""
    form, _, rest = text.partition(".")
    used, _, closed = rest.partition(".")
    key = next((each for each in (known.current, *known.older) if keys.name(each) == used), None) if known else None
    if form != _FORM or key is None:
        has = f"the key here, {keys.name(known.current)} of {known.where}, is another one" if known else "there is none"
        hint = f"Bring that key: as {keys.VARIABLE} or {keys.FORMER}, or as ~/.config/palmette/key; or set it again."
        raise StoreError(f"{_spelled(place)} was encrypted with the key {used}, and {has}", hint)
    try:
        sealed = urlsafe_b64decode(closed)
        opened = _cipher(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bytes("\0".join(place)))
    except (InvalidTag, ValueError, binascii.Error):
        hint = "Set it again, and find out who writes into the store."
        raise CorruptBlob(f"{_spelled(place)} is not what was stored", hint) from None
    return opened.decode("utf-8", "surrogatepass")


def _spelled(place: Place) -> str:
    return f"the secret {place[1]}/{place[2]}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cipher(key: bytes) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"palmette secrets 1").derive(key)
    return AESGCM(derived)
