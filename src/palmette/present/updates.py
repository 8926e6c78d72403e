"""What an update of a host came to, as a screen and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.ir.dialects import Dialect
from palmette.operations.updates import Filed, Filing, Followed, Updated, Uploaded

_DONE: Final = {
    Filing.MADE: "made",
    Filing.FOUND: "there already",
    Filing.DESCRIBED: "given its ticket's text",
    Filing.RESTORED: "taken out of the archive",
}
_WOULD: Final = {**_DONE, Filing.MADE: "would be made", Filing.DESCRIBED: "would be given its ticket's text"}


def shown(updated: Updated) -> RenderableType:
    """Versions, experiment, recurring runs; then what else is to be known."""
    return Group(*_shown(updated))


def _shown(updated: Updated) -> Iterator[RenderableType]:
    ref = updated.branch or f"tag {updated.tag}"
    does = "would be updated to" if updated.dry else "has versions of" if updated.stays or updated.tag else "is at"
    yield Text(f"{updated.host} {does} {ref} {updated.commit[:8]}", style="bold")
    if updated.versions:
        yield Text()
        yield _versions(updated)
    if updated.experiment:
        yield Text()
        yield from _experiment(updated, updated.experiment)
    if updated.recurring:
        yield Text()
        yield from _recurring(updated.recurring, dry=updated.dry)
    for number, warning in enumerate(updated.warnings):
        yield Text(f"{'' if number else chr(10)}warning: {warning}", style="yellow")


def _versions(updated: Updated) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(style="dim", no_wrap=True)
    for each in updated.versions:
        done = "there already" if each.known else "would be uploaded" if updated.dry else "uploaded"
        table.add_row(each.algorithm, each.name, done)
    return table


def _experiment(updated: Updated, filed: Filed) -> Iterator[Text]:
    done = (_WOULD if updated.dry else _DONE)[filed.done]
    yield Text.assemble(f"experiment {filed.name}  ", (done, "dim"))
    if filed.text not in ("", updated.branch):
        yield Text(f"  {filed.text.partition(chr(10))[0]}")
    if filed.pending:
        yield Text("  its text is filled in at a later update", style="dim")
    if link := address(updated, filed):
        yield Text(f"  {link}", style="dim", overflow="fold")


def _recurring(found: Sequence[Followed], *, dry: bool) -> Iterator[Text]:
    for each in found:
        done = (
            ("would be moved to " if dry else "moved to ") + each.version if each.moved else f"stays at {each.version}"
        )
        paused = ", paused as before" if each.paused else ""
        yield Text.assemble(f"recurring run {each.name}  ", (f"{done}{paused}", "dim"))
        if each.defaults:
            yield Text(f"  new defaults: {', '.join(each.defaults)}")
        if each.why:
            yield Text(f"  {each.why}")


def address(updated: Updated, filed: Filed) -> str:
    """The page of the experiment; empty where the host has none."""
    if not updated.pages or not filed.id or updated.dialect is Dialect.PALMETTE:
        return ""
    return f"{updated.pages.rstrip('/')}/#/experiments/details/{filed.id}"


def plain(updated: Updated) -> dict[str, Json]:
    """As `--json` prints it."""
    return {
        "project": updated.project,
        "branch": updated.branch or None,
        "tag": updated.tag or None,
        "commit": updated.commit,
        "host": updated.host,
        "dry_run": updated.dry,
        "versions": [_version(each) for each in updated.versions],
        "experiment": _filed(updated, updated.experiment),
        "head": updated.head.head if updated.head else None,
        "stays": updated.stays or None,
        "recurring_runs": [_followed(each) for each in updated.recurring],
        "warnings": list(updated.warnings),
    }


def _version(each: Uploaded) -> dict[str, Json]:
    return {
        "algorithm": each.algorithm,
        "pipeline_id": each.pipeline or None,
        "version_id": each.version or None,
        "name": each.name,
        "already_there": each.known,
        "document": each.document,
        "closure": each.closure,
    }


def _filed(updated: Updated, filed: Filed | None) -> dict[str, Json] | None:
    if filed is None:
        return None
    return {
        "experiment_id": filed.id or None,
        "name": filed.name,
        "text": filed.text,
        "done": filed.done.value,
        "pending": filed.pending,
        "url": address(updated, filed) or None,
    }


def _followed(each: Followed) -> dict[str, Json]:
    return {
        "recurring_run_id": each.id,
        "name": each.name,
        "moved": each.moved,
        "before": each.before or None,
        "version": each.version or None,
        "new_defaults": list(each.defaults),
        "paused": each.paused,
        "why": each.why or None,
    }
