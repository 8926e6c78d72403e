"""Aliases and promotions, for a terminal and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison.verdict import Outcome
from palmette.domain.values import Json
from palmette.operations.gating import Promoted
from palmette.present import words
from palmette.present.layout import hanging
from palmette.store.promotions import Promotion, Ruling


def promoted(done: Promoted) -> RenderableType:
    """What the alias is now, and what its gates said."""
    made, before = done.promotion, done.before
    if done.already:
        return Text(f"{made.name} is {made.run} already.")
    was = f", it was {before.run}" if before else ""
    return Group(Text(f"{made.name} is {made.run} now{was}."), *_gates(made.ruling, before))


def restored(made: Promotion) -> RenderableType:
    """What the alias is again."""
    return Text(f"{made.name} is {made.run} again.")


def _gates(ruling: Ruling, before: Promotion | None) -> Iterator[RenderableType]:
    if ruling.baseline:
        found = "which it was" if before and before.run == ruling.baseline else ruling.found
        yield hanging("compared with", f"{ruling.baseline}, {found}: {ruling.verdict}")
    for each in ruling.gates:
        bound = "" if each.limit is None else f" {each.limit:g}"
        because = f" ({each.reason})" if each.reason else ""
        yield hanging("gate", f"{each.metric}, {each.gate.replace('_', ' ')}{bound}: {each.outcome}{because}")
    if not ruling.gates:
        yield Text("No gate is declared, so nothing was asked of its metrics.", style="dim")
    if ruling.forced:
        yield Text("It was forced: the reason is kept.", style="yellow")
    elif ruling.verdict == Outcome.WORSE:
        yield Text("It is worse, and no gate forbids that.", style="yellow")


def listed(log: Sequence[Promotion]) -> RenderableType:
    """Alias by alias what it was, the newest first."""
    return Group(*_blocks(log))


def _blocks(log: Sequence[Promotion]) -> Iterator[RenderableType]:
    several = len({each.project for each in log}) > 1
    for number, (key, name) in enumerate(_names(log, several=several)):
        if number:
            yield Text("")
        yield Text(name, style="bold")
        yield _table([each for each in log if _key(each) == key])


def _names(log: Sequence[Promotion], *, several: bool) -> list[tuple[tuple[str, str, str], str]]:
    found = sorted({_key(each): each for each in log}.items())
    return [(key, f"{each.name}  ({each.project})" if several else each.name) for key, each in found]


def _key(promotion: Promotion) -> tuple[str, str, str]:
    return promotion.project, promotion.algorithm, promotion.alias


def _table(log: Sequence[Promotion]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("run", "since"):
        table.add_column(heading, no_wrap=True)
    for heading in ("by", "gates", "reason"):
        table.add_column(heading, overflow="fold")
    for place, each in enumerate(sorted(log, key=lambda each: -each.serial)):
        cells = (each.run, words.moment(each.created)[:16], each.author, said(each), each.reason)
        table.add_row("now" if place == 0 else "", *map(Text, cells))
    return table


def said(promotion: Promotion) -> str:
    """What the gates said, in a word or two."""
    ruling = promotion.ruling
    if promotion.restored is not None:
        return "rollback"
    if not ruling.gates:
        return "none"
    return f"{ruling.gate}, forced" if ruling.forced else ruling.gate


def plain(promotion: Promotion, *, now: bool | None = None) -> dict[str, Json]:
    """One of them, for machines."""
    ruling = promotion.ruling
    return {
        "alias": promotion.name,
        "project": promotion.project,
        "serial": promotion.serial,
        "run_id": promotion.run,
        **({} if now is None else {"current": now}),
        "rolled_back_to": promotion.restored,
        "by": promotion.author or None,
        "reason": promotion.reason or None,
        "promoted_at": words.instant(promotion.created),
        "forced": ruling.forced,
        "dirty": ruling.dirty,
        "baseline": ruling.baseline or None,
        "verdict": ruling.verdict or None,
        "gate": ruling.gate,
        "gates": [
            {
                "metric": each.metric,
                "gate": each.gate,
                "outcome": each.outcome,
                "limit": each.limit,
                "value": each.value,
                "reason": each.reason,
            }
            for each in ruling.gates
        ],
    }


def plain_log(log: Sequence[Promotion]) -> list[Json]:
    """All of them, for machines."""
    newest: dict[tuple[str, str, str], int] = {}
    for each in log:
        newest[_key(each)] = max(newest.get(_key(each), 0), each.serial)
    return [plain(each, now=each.serial == newest[_key(each)]) for each in log]


def plain_promoted(done: Promoted) -> dict[str, Json]:
    """What was done, for machines."""
    return {**plain(done.promotion), "already": done.already, "before": done.before.run if done.before else None}
