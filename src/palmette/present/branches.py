"""Branches and how they do: for a terminal, as JSON values."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison.trends import Entry
from palmette.domain.branches import Branch, Kind, Ticket
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.operations.attention import Finding, Need, Verdict
from palmette.operations.histories import History
from palmette.operations.overviews import Brief, Overview, Overviews, Page, Version
from palmette.present import histories, words
from palmette.present.histories import printable
from palmette.present.layout import giving, hanging
from palmette.present.plots import Plot, lines

STYLES: Final = {
    Need.FAILED: "bold red",
    Need.WORSE: "bold red",
    Need.UNCLEAR: "yellow",
    Need.STALE: "yellow",
    Need.RUNNING: "cyan",
    Need.READY: "bold green",
    Need.QUIET: "dim",
    Need.GONE: "dim",
}
_HEIGHT: Final = 6
#: of a branch's page: rows of a table before the rest is counted
_ROWS: Final = 12
#: columns of a branch's name in the list, and of all the others
_NAME: Final = 34
_REST: Final = 60


def screen(found: Overviews, now: float, *, width: int = 80) -> RenderableType:
    """The branches, those first that need somebody. Names are cut where there is no room for them."""
    return Group(*_screen(found, now, max(_NAME, width - _REST)))


def _screen(found: Overviews, now: float, longest: int) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("needs", no_wrap=True)
    table.add_column("branch", overflow="ellipsis", no_wrap=True, max_width=longest)
    table.add_column("commits", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for each in found.items:
        table.add_row(
            Text(each.need.value, style=STYLES[each.need]),
            Text(printable(each.branch.name), style="bold" if each.need.urgency < Need.RUNNING.urgency else ""),
            Text(_distance(each), style="dim"),
            Text(words.age(now - each.at)),
            Text(printable(each.why)),
        )
    yield table
    if not all(each.updated for each in found.items):
        yield hanging(Text("  ·", style="dim"), Text("local: no CI told of it, its runs alone do", style="dim"))


def _distance(each: Overview) -> str:
    """Commits of its own and those that it lacks: "+3 −1"."""
    if not each.updated:
        return "local"
    own = each.branch
    parts = [f"+{own.ahead}" if own.ahead else "", f"−{own.behind}" if own.behind else ""]
    return "trunk" if each.trunk else " ".join(filter(None, parts))


def aside(found: Overviews) -> str:
    """What is not in the list, for standard error; empty for nothing."""
    parts = [f"{len(found.items)} of {found.total:,}; --all shows more"] if len(found.items) < found.total else []
    if found.gone and not any(each.need is Need.GONE for each in found.items):
        parts.append(f"{found.gone:,} that {'is' if found.gone == 1 else 'are'} gone: --all")
    return "; ".join(parts)


def page(found: Page, now: float, *, width: int = 80, on: str = "") -> RenderableType:
    """All about one branch. `on` is the server that was named for it."""
    return Group(*_page(found, now, width, f" --on {shlex.quote(on)}" if on else ""))


def _page(found: Page, now: float, width: int, on: str) -> Iterator[RenderableType]:
    yield from _header(found, now)
    yield from _tried(found, now)
    for history in found.histories:
        yield Text("")
        yield from _history(history, width)
    yield from _runs(found, now)
    yield from _versions(found.versions, now)
    yield Text("")
    yield hanging(Text("→", style="bold"), next_step(found, on))


def _header(found: Page, now: float) -> Iterator[RenderableType]:
    each, branch = found.overview, found.overview.branch
    yield hanging(
        Text(printable(branch.name), style="bold"),
        Text.assemble(" ", (each.need.value, STYLES[each.need]), f": {printable(each.why)}" if each.why else ""),
    )
    for ticket in branch.tickets:
        yield hanging(" ", Text(printable(" ".join(filter(None, (_ticket(ticket), ticket.status, ticket.url))))))
    if branch.merge_request:
        about = " ".join(filter(None, (f"!{branch.merge_request}", branch.title, branch.merge_request_url)))
        yield hanging(" ", Text(printable(about)))
    if said := ", ".join(_standing(branch)):
        yield hanging(" ", Text(printable(said)))
    if not each.updated:
        yield hanging(" ", Text("local: no CI told of it, its runs alone do", style="dim"))
    if found.experiment is not None:
        archived = found.experiment.archived
        since = f", archived {words.ago(now - archived)}" if archived is not None else ""
        yield hanging(" ", Text(printable(f"experiment {found.experiment.name} ({found.experiment.id}){since}")))
    if each.runs:
        yield hanging(" ", Text(_counts(each)))


def _ticket(ticket: Ticket) -> str:
    return f"[{ticket.key}] " + (ticket.title or f"({ticket.why or 'no title'})")


def _standing(branch: Branch) -> Iterator[str]:
    if branch.author:
        yield branch.author
    if branch.head:
        yield f"at {branch.head[:8]}" + (f" of {words.moment(branch.committed)[:16]}" if branch.committed else "")
    own = [f"{branch.ahead} ahead" if branch.ahead else "", f"{branch.behind} behind" if branch.behind else ""]
    if apart := " and ".join(filter(None, own)):
        yield f"{apart} of {branch.target}" if branch.target else apart
    if branch.fork and branch.target:
        yield f"left {branch.target} at {branch.fork[:8]}"
    if branch.gone is not None:
        yield f"gone since {words.moment(branch.gone)[:16]}"


def _counts(each: Overview) -> str:
    states = ", ".join(f"{count:,} {state.lower()}" for state, count in each.runs.items())
    return f"{words.count(sum(each.runs.values()), 'run')}: {states}"


def _tried(found: Page, now: float) -> Iterator[RenderableType]:
    if not found.tried:
        return
    yield Text("")
    table = _table("commit", "algorithm", "tried", "became", "age")
    table.add_column("verdict", overflow="fold", ratio=1)
    for each in found.tried[:_ROWS]:
        table.add_row(
            _commit(each.commit, found),
            giving(printable(each.algorithm)),
            each.kind.value,
            _became(each),
            words.age(now - each.created),
            Text(printable(_said(each))),
        )
    yield table
    if len(found.tried) > _ROWS:
        yield Text(f"and {len(found.tried) - _ROWS} earlier ones", style="dim")


def _commit(commit: str, found: Page) -> Text:
    gone = commit in found.orphaned
    return Text(f"{words.commit(commit)}{'~' if gone else ''}", style="dim" if gone else "")


def _became(each: Finding) -> Text:
    if each.state is None:
        return Text("unchanged" if each.unchanged else "not here" if each.run else "not begun", style="dim")
    word = each.state.value.lower()
    return Text("unchanged" if each.unchanged and each.trains else word, style=words.RUN_STYLES[each.state])


def _said(each: Finding) -> str:
    verdict = said(each.verdict) if each.verdict else ""
    return verdict or (f"as in {each.run}" if each.unchanged and each.run else each.run)


def said(verdict: Verdict) -> str:
    """ "worse: auc 0.9120 → 0.8740 (−0.0380)"."""
    if not verdict.metric or verdict.head is None:
        return verdict.outcome.value
    if verdict.baseline is None:
        return f"{verdict.outcome}: {verdict.metric} {words.number(verdict.head)}"
    moved = f"{words.number(verdict.baseline)} → {words.number(verdict.head)}"
    by = f" ({words.signed(verdict.difference)})" if verdict.difference is not None else ""
    return f"{verdict.outcome}: {verdict.metric} {moved}{by}"


def _history(found: History, width: int) -> Iterator[RenderableType]:
    entries = found.entries
    yield giving(histories.title(found), "bold")
    yield giving(histories.summary(found), "dim")
    if len(entries) == 1:
        return
    plot = Plot(
        ys=[each.value for each in entries],
        marks={found.fork: "▲"} if found.fork else {},
        loud=frozenset(place for place, each in enumerate(entries) if each.outside),
        first=_name(entries[0]),
        last=_name(entries[-1]) if len(entries) > 1 else "",
    )
    yield from lines(plot, width=min(width, 100), height=_HEIGHT)
    if found.fork:
        left = f"{found.branch} left {found.target} after {_name(entries[found.fork - 1])}; what follows is its own"
        yield hanging(Text("  ▲", style="yellow"), printable(left))
    for remark in found.remarks:
        yield hanging(Text("  ·", style="dim"), Text(printable(remark), style="dim"))


def _name(entry: Entry) -> str:
    return words.commit(entry.commit) or entry.run


def _runs(found: Page, now: float) -> Iterator[RenderableType]:
    if not found.runs:
        return
    yield Text("")
    table = _table("run", "algorithm", "preset", "commit", "state", "age")
    table.add_column("", overflow="fold", ratio=1)
    for each in found.runs[:_ROWS]:
        table.add_row(
            each.run,
            giving(printable(each.algorithm)),
            giving(printable(each.preset)),
            Text.assemble(_commit(each.commit, found), "+" if each.dirty else ""),
            Text(each.state.value.lower(), style=words.RUN_STYLES[each.state]),
            words.age(now - each.created),
            Text(printable(each.subject), style="dim", no_wrap=True, overflow="ellipsis"),
        )
    yield table
    if (rest := sum(found.overview.runs.values()) - min(len(found.runs), _ROWS)) > 0:
        query = shlex.quote(f"branch = {_quoted(found.overview.branch.name)}")
        yield hanging("", Text(f"and {rest:,} more: palmette runs {query}", style="dim"))
    shown = [each.commit for each in found.runs[:_ROWS]] + [each.commit for each in found.tried[:_ROWS]]
    if any(commit in found.orphaned for commit in shown):
        yield hanging(Text("  ~", style="dim"), Text("the commit is on no branch any more", style="dim"))


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _versions(found: Sequence[Version], now: float) -> Iterator[RenderableType]:
    if not found:
        return
    yield Text("")
    table = _table("version", "pipeline", "commit")
    table.add_column("age", no_wrap=True)
    for each in found[:_ROWS]:
        cells = (giving(printable(each.name)), giving(printable(each.pipeline)), words.commit(each.commit))
        table.add_row(*cells, words.age(now - each.created))
    yield table
    if len(found) > _ROWS:
        yield Text(f"and {len(found) - _ROWS} earlier ones", style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for each in columns:
        flexible = each in ("algorithm", "preset", "version", "pipeline")
        table.add_column(each, no_wrap=True, overflow="ellipsis" if flexible else "fold")
    return table


def next_step(found: Page, on: str = "") -> str:
    """What to do about the branch, with what names the server in each command."""
    each = found.overview
    branch = each.branch
    wrong = _first(found, each.need)
    match each.need:
        case Need.FAILED | Need.RUNNING:
            return f"Look into it: palmette {'logs' if each.need is Need.FAILED else 'show'} {wrong}{on}"
        case Need.WORSE | Need.UNCLEAR:
            return f"See what changed: palmette diff {wrong}{on}"
        case Need.STALE:
            return f"Try its head, from a checkout of it: palmette ci toy -b {shlex.quote(branch.name)}{on}"
        case Need.READY:
            where = branch.merge_request_url or (f"!{branch.merge_request}" if branch.merge_request else "")
            return f"It can be merged{f': {printable(where)}' if where else ''}."
        case Need.GONE:
            return "Nothing. `palmette ci gc` archives its experiment once it has been gone for long enough."
        case Need.QUIET if (run := _uncompared(each)) and not each.trunk:
            return f"See whether it is better: palmette diff {run}{on}"
        case Need.QUIET if each.trunk:
            return f"Nothing. To train it again: palmette ci run ALGORITHM{on}"
        case Need.QUIET:
            return f"Train it in full, from a checkout of it: palmette ci run ALGORITHM{on}"
        case _:
            assert_never(each.need)


def _uncompared(each: Overview) -> str:
    """A full training of its head that nobody has compared yet; empty for none."""
    of_ci = (one.run for one in each.findings if one.kind is Kind.FULL and one.state is RunState.SUCCEEDED)
    return next(of_ci, "") or (each.newest.run if each.newest and each.trained else "")


def _first(found: Page, need: Need) -> str:
    """The run that the need is about."""
    for each in found.overview.findings:
        if each.kind is Kind.VARIANT:
            continue
        open_ = each.state is not None and not each.state.final
        failed = need is Need.FAILED and each.state is RunState.FAILED
        judged = need is Need.WORSE and each.verdict is not None and each.verdict.outcome.value == "worse"
        unclear = need is Need.UNCLEAR and (each.state is RunState.CANCELED or _doubtful(each))
        if failed or judged or unclear or (need is Need.RUNNING and open_):
            return each.run
    return found.overview.newest.run if found.overview.newest else "last"


def _doubtful(each: Finding) -> bool:
    return each.verdict is not None and each.verdict.outcome.value in ("inconclusive", "not comparable")


# For machines


def plain(found: Overviews) -> dict[str, Json]:
    """What `branches --json` prints."""
    return {
        "branches": [_plain(each) for each in found.items],
        "total": found.total,
        "needs": dict(found.needs),
        "gone": found.gone,
    }


def plain_page(found: Page) -> dict[str, Json]:
    """What `branches NAME --json` prints."""
    experiment = found.experiment
    return {
        **_plain(found.overview),
        "experiment": None
        if experiment is None
        else {"id": experiment.id, "name": experiment.name, "archived_at": words.instant(experiment.archived)},
        "tried": [_finding(each) | {"orphaned": each.commit in found.orphaned} for each in found.tried],
        "histories": [histories.plain(each) for each in found.histories],
        "latest_runs": [_brief(each) | {"orphaned": each.commit in found.orphaned} for each in found.runs],
        "versions": [
            {
                "pipeline": each.pipeline,
                "name": each.name,
                "version_id": each.id,
                "commit": each.commit or None,
                "created_at": words.instant(each.created),
            }
            for each in found.versions
        ],
    }


def _plain(each: Overview) -> dict[str, Json]:
    branch = each.branch
    return {
        "project": branch.project,
        "branch": branch.name,
        "needs": each.need.value,
        "why": each.why,
        "told_by_ci": each.updated,
        "trunk": each.trunk,
        "experiment_id": branch.experiment or None,
        "head": branch.head or None,
        "author": branch.author or None,
        "committed_at": words.instant(branch.committed or None),
        "target": branch.target or None,
        "fork": branch.fork or None,
        "ahead": branch.ahead,
        "behind": branch.behind,
        "merge_request": branch.merge_request or None,
        "merge_request_url": branch.merge_request_url or None,
        "title": branch.title or None,
        "tickets": [
            {"key": one.key, "title": one.title or None, "url": one.url or None, "status": one.status or None}
            for one in branch.tickets
        ],
        "seen_at": words.instant(branch.seen or None),
        "gone_at": words.instant(branch.gone),
        "archived_at": words.instant(branch.archived),
        "head_tried": [_finding(one) for one in each.findings],
        "runs": {state.lower(): count for state, count in each.runs.items()},
        "newest_run": None if each.newest is None else _brief(each.newest),
    }


def _finding(each: Finding) -> dict[str, Json]:
    verdict = each.verdict
    return {
        "algorithm": each.algorithm,
        "kind": each.kind.value,
        "commit": each.commit or None,
        "run_id": each.run or None,
        "state": None if each.state is None else each.state.value.lower(),
        "unchanged": each.unchanged,
        "reason": each.reason,
        "tried_at": words.instant(each.created or None),
        "verdict": None
        if verdict is None
        else {
            "outcome": verdict.outcome.value,
            "metric": verdict.metric or None,
            "head": verdict.head,
            "baseline": verdict.baseline,
            "difference": verdict.difference,
            "baseline_run_id": verdict.against or None,
        },
    }


def _brief(each: Brief) -> dict[str, Json]:
    return {
        "run_id": each.run,
        "algorithm": each.algorithm,
        "preset": each.preset,
        "state": each.state.value.lower(),
        "commit": each.commit or None,
        "dirty": each.dirty,
        "author": each.author or None,
        "subject": each.subject or None,
        "trigger": each.trigger,
        "created_at": words.instant(each.created),
    }
