"""Kubernetes quantities, as far as a document must be judged by them."""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2}|[numkMGTPE]|[KMGTPE]i)?", re.ASCII)
#: what the SDK takes beyond Kubernetes: an upper-case K
_KILO: Final = re.compile(r"\d+K", re.ASCII)


def is_quantity(text: str) -> bool:
    """Whether the text is an amount such as "2", "500m" or "4Gi"."""
    return bool(_FORM.fullmatch(text) or _KILO.fullmatch(text))


def cores(cpu: float) -> str:
    """A number of cores as a quantity, in thousandths where it is not whole."""
    return f"{cpu:g}" if cpu == int(cpu) else f"{max(1, round(cpu * 1000))}m"


def size(amount: int) -> str:
    """A number of bytes as a quantity, in the largest unit that divides it."""
    for unit, factor in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if amount and amount % factor == 0:
            return f"{amount // factor}{unit}"
    return str(amount)
