"""A part of a list: what is wanted of it, in which order, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

#: What a field is compared with.
Operand: TypeAlias = str | int | float | bool | None


class Comparing(StrEnum):
    """How a field is compared, in KFP's words."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_EQUALS = "GREATER_THAN_EQUALS"
    LESS_THAN = "LESS_THAN"
    LESS_THAN_EQUALS = "LESS_THAN_EQUALS"
    IN = "IN"
    IS_SUBSTRING = "IS_SUBSTRING"


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """One comparison; a list holds what meets all of them."""

    #: a field of the noun ("name", "created"), or "tags.KEY"
    field: str
    comparing: Comparing
    #: several for IN, else one
    operands: tuple[Operand, ...]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which part of a list is wanted. Ties are broken by the id, in the same direction."""

    predicates: tuple[Predicate, ...] = ()
    order: str = "created"
    descending: bool = False
    size: int = 20
    #: the values (order's field, id) of the first row wanted; None for the beginning
    start: tuple[Operand, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    #: how many there are in the whole list
    total: int
    #: the values of the first row that is not here; None at the end
    following: tuple[Operand, str] | None = None
