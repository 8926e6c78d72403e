"""Kubernetes quantities ("500m", "4Gi") as numbers, and what a container asks the machine for."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from palmette.domain.graph import Resources
from palmette.domain.values import Json
from palmette.ir.spec import ResourceSpec

_FORM: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = "KMGTPE"


def quantity(text: str) -> float:
    """The number that a quantity stands for; ValueError if it is none, or negative."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a quantity such as "2", "500m" or "4Gi"')
    number, exponent, suffix = match.groups()
    if exponent:
        return float(Decimal(number + exponent))
    if suffix and suffix.endswith("i"):
        return float(Decimal(number) * 1024 ** (_BINARY.index(suffix[0]) + 1))
    return float(Decimal(number).scaleb(_DECIMAL[suffix or ""]))


def requested(spec: ResourceSpec | None, filled: Callable[[str], str] = str) -> Resources:
    """What a task asks for: its request, else its limit, else one core. `filled` replaces placeholders.

    ValueError if an amount is none.
    """
    if spec is None:
        return Resources()
    cpu = filled(spec.cpu_request) or filled(spec.cpu_limit) or _old(spec, "cpuRequest", "cpuLimit")
    memory = filled(spec.memory_request) or filled(spec.memory_limit) or _old(spec, "memoryRequest", "memoryLimit", "G")
    kind = filled(accelerator(spec))
    gpu = filled(spec.accelerator_count) or _accelerators(spec.extra.get("accelerator"))
    gpu = gpu if not kind or is_gpu(kind) else ""
    return Resources(
        cpu=quantity(cpu) if cpu else 1.0,
        memory=int(quantity(memory)) if memory else 0,
        gpu=int(quantity(gpu)) if gpu else 0,
    )


def limit(spec: ResourceSpec | None, filled: Callable[[str], str] = str) -> int:
    """The most bytes of memory that a task may hold; 0 for no limit. ValueError if that is no amount."""
    if spec is None:
        return 0
    memory = filled(spec.memory_limit) or _old(spec, "memoryLimit", "memoryLimit", "G")
    return int(quantity(memory)) if memory else 0


def processors(spec: ResourceSpec | None, filled: Callable[[str], str] = str) -> float:
    """The most cores that a container may use; 0 for no limit."""
    cpu = (filled(spec.cpu_limit) or _old(spec, "cpuLimit", "cpuLimit")) if spec is not None else ""
    return quantity(cpu) if cpu else 0.0


def accelerator(spec: ResourceSpec | None) -> str:
    """The type of accelerator that is asked for: "nvidia.com/gpu"."""
    return spec.accelerator_type if spec is not None else ""


def is_gpu(kind: str) -> bool:
    """Whether this type of accelerator is one that the machine may have; a type that is not known yet may be."""
    return any(word in kind.lower() for word in ("gpu", "nvidia", "{{"))


def _old(spec: ResourceSpec, request: str, limit: str, unit: str = "") -> str:
    """The field that older compilers wrote as a number: cores, or gigabytes."""
    value = spec.extra.get(request) or spec.extra.get(limit)
    return f"{value}{unit}" if value else ""


def _accelerators(old: Json) -> str:
    return str(old.get("count") or "") if isinstance(old, dict) else ""
