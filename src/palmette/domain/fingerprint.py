"""The fingerprint of a task: the key under which its outputs may be used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.values import Json, digest

#: Raised when the meaning of a fingerprint, or of what a format writes, changes: old outputs are then not reused.
SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that decides a task's outputs. Two tasks with equal parts would do the same."""

    #: what is executed: the step's target for a captured step; image, command and arguments for a foreign container
    what: str
    image: str = ""
    #: digest of the definitions reached (captured steps), else ""
    closure: str = ""
    #: digest of the pinned environment (captured steps), else ""
    environment: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: input artifact name → content digests
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: output name → type and format, since a consumer sees them
    outputs: Mapping[str, str] = field(default_factory=dict)
    #: declared environment variable → digest of its value; "" where it is unset
    env: Mapping[str, str] = field(default_factory=dict)
    #: secret name → its version, never its value
    secrets: Mapping[str, str] = field(default_factory=dict)
    #: whether a GPU was handed out, since results differ there
    gpu: bool = False
    #: what the step's `fresh` function said, else ""
    token: str = ""
    schema: int = SCHEMA


def fingerprint(parts: Parts) -> str:
    """The key of a task with these parts: 64 hexadecimal digits."""
    return digest(plain(parts))


def plain(parts: Parts) -> dict[str, Json]:
    """The parts as JSON."""
    values = {name: getattr(parts, name) for name in Parts.__dataclass_fields__}
    return {**values, "inputs": {name: list(digests) for name, digests in parts.inputs.items()}}


def changed(before: Parts, after: Parts) -> tuple[str, ...]:
    """The names of the parts that differ, entries of mappings as "parameters.C"; in the order of the fields."""
    names: list[str] = []
    for name in Parts.__dataclass_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            keys = sorted({*old, *new})
            names += [f"{name}.{key}" for key in keys if (key in old, old.get(key)) != (key in new, new.get(key))]
        elif old != new:
            names.append(name)
    return tuple(names)
