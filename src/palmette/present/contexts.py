"""What a job of a CI knows of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain import wire
from palmette.domain.context import Context, Provider
from palmette.domain.values import Json

#: field → how it is called on the screen; the others by their names
_CALLED: Final = {
    "provider": "CI",
    "head": "head commit",
    "api": "API",
    "base": "base commit",
    "target": "target branch",
    "merge_request_url": "request page",
    "job_url": "job page",
    "pipeline_url": "pipeline page",
}
_PROVIDERS: Final = {
    Provider.GITLAB: "GitLab",
    Provider.GITHUB: "GitHub Actions",
    Provider.JENKINS: "Jenkins",
    Provider.NONE: "none that is known",
}
#: shown in a line of their own, or nowhere: a description may be long
_APART: Final = ("remarks", "description")


def shown(context: Context, sources: Mapping[str, str]) -> RenderableType:
    """What is known, with where it comes from; then what is not."""
    return Group(*_shown(context, sources))


def _shown(context: Context, sources: Mapping[str, str]) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    # A commit stays whole in a terminal of 80 columns.
    table.add_column(overflow="fold", min_width=40)
    table.add_column(style="dim", overflow="fold", max_width=22)
    lacking = []
    for each in fields(Context):
        value = _text(context, each.name)
        name = _CALLED.get(each.name, each.name.replace("_", " "))
        if value and each.name not in _APART:
            table.add_row(name, value, sources.get(each.name, ""))
        elif not each.name.endswith("_url") and each.name not in _APART:
            lacking.append(name)
    yield table
    if lacking:
        yield Text(f"\nnot known: {', '.join(lacking)}", style="dim")
    for number, remark in enumerate(context.remarks):
        yield Text(f"\nnote: {remark}" if not number else f"note: {remark}", overflow="fold")


def _text(context: Context, name: str) -> str:
    value = getattr(context, name)
    if name == "provider":
        return _PROVIDERS[context.provider]
    if name == "cause":
        return "" if value == "unknown" else str(value)
    if name == "branch" and context.on_default:
        return f"{value} (the default branch)"
    if name == "deadline" and value is not None:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(value) if value and name not in _APART else ""


def plain(context: Context, sources: Mapping[str, str]) -> dict[str, Json]:
    """The same as JSON: every field by its name, and under `sources` where it comes from."""
    body = wire.dump(context)
    assert isinstance(body, dict)
    del body["kind"]
    return {**body, "on_default": context.on_default, "sources": dict(sources)}
