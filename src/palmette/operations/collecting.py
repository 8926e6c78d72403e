"""Free space: let go what no run refers to, and the runs that rules let go.

The order makes it safe to be killed at any moment, and beside runs that go on: rows first, then what is only reached
through rows, and of that nothing that was needed since the look at the rows began.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from palmette.domain.grammar import parse
from palmette.engine import processes
from palmette.errors import NotFound, StoreError, UsageError
from palmette.operations import environments, leftovers, retention
from palmette.operations.home import DATABASES, Home
from palmette.operations.leftovers import Kind, Leftover, Used
from palmette.operations.preparing import Directories, directories
from palmette.operations.retention import Choice, Rules
from palmette.store import database, runs, search
from palmette.store import retention as rows
from palmette.store.database import FILE, Store
from palmette.store.leases import SILENCE

NO_RULES: Final = Rules()
#: Seconds in which whoever was given bytes has written down that they are needed: a commit waits for others 60 at most.
GRACE: Final = 120.0
#: Seconds between unpacking a bundle and accepting the run that needs it: imports may take long.
_RECORDING: Final = 3600.0
#: What failed within a day is still looked into.
_FRESH: Final = 86_400.0
_UNUSED: Final = 7 * 86_400.0
#: Environments take long to build.
_COLD: Final = 30 * 86_400.0
#: Seconds after which a driver on another machine is certainly dead, whatever the clocks say.
_SILENT: Final = 20 * SILENCE


@dataclass(frozen=True, kw_only=True)
class User:
    """Whose things are looked through."""

    environ: Mapping[str, str]
    directories: Directories
    #: where everybody's temporary files are
    temporary: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Whoever has this environment."""
        temporary = Path(environ.get("TMPDIR") or tempfile.gettempdir())
        return cls(environ=environ, directories=directories(environ), temporary=temporary)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asked to let go, as it was written."""

    keep_last: int | None = None
    #: "90d"
    older_than: str | None = None
    keep: tuple[str, ...] = ()
    #: what names runs: ids, beginnings of ids
    named: tuple[str, ...] = ()
    #: a search
    query: str | None = None

    def __str__(self) -> str:
        parts = {
            "--keep-last": () if self.keep_last is None else (str(self.keep_last),),
            "--older-than": filter(None, (self.older_than,)),
            "--keep": self.keep,
            "--run": self.named,
            "--runs": filter(None, (self.query,)),
        }
        return " ".join(f"{option} {shlex.quote(value)}" for option, values in parts.items() for value in values)


def rules(home: Home | None, wanted: Wanted) -> Rules:
    """The rules that were asked for; UsageError if they contradict each other, NotFound for a run that is not there."""
    of_bytes = wanted.keep_last is not None or wanted.older_than is not None
    if of_bytes and (wanted.named or wanted.query is not None):
        raise UsageError(
            "--run and --runs delete whole runs, --keep-last and --older-than only what their steps made",
            "Call palmette gc twice.",
        )
    if wanted.named and home is None:
        raise NotFound(f"there is no run {wanted.named[0]!r}", "There are no runs yet.")
    try:
        older_than = None if wanted.older_than is None else retention.age(wanted.older_than)
    except ValueError:
        hint = "Write a number and s, m, h, d or w: 90d, 12h."
        raise UsageError(f"--older-than: {wanted.older_than!r} is no age", hint) from None
    chosen = [runs.get(home.store, name, project=home.project) for name in wanted.named] if home else []
    for run in chosen:
        if run.trigger == runs.EXTRA:
            hint = f"It goes with that: palmette gc --run {run.origin}."
            raise UsageError(f"run {run.id} was executed for a comparison of run {run.origin}", hint)
    return Rules(
        keep_last=wanted.keep_last,
        older_than=older_than,
        keep=wanted.keep,
        named=tuple(run.id for run in chosen),
        found=_found(home, wanted.query) if home and wanted.query is not None else (),
        text=str(wanted),
    )


def _found(home: Home, query: str) -> tuple[str, ...]:
    """The ids of all runs that the query finds."""
    found = parse(query, now=time.time())
    if not query.strip() or found.sort or found.limit is not None:
        # Whoever writes a limit means fewer runs than would go.
        raise UsageError("--runs takes conditions only, and at least one", "Leave out `sort` and `limit`.")
    return search.ids(home.store, home.project, found)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would go."""

    rules: Rules = NO_RULES
    choice: Choice = Choice()
    leftovers: tuple[Leftover, ...] = ()
    #: what nothing refers to, but was needed too short a time ago, or since a run began that goes on
    waiting: tuple[Leftover, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing would go."""
        return not (self.leftovers or self.choice.delete or self.choice.collect)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How much of each kind there is."""

    counts: Mapping[Kind, int] = field(default_factory=dict)
    sizes: Mapping[Kind, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """All bytes."""
        return sum(self.sizes.values())


def tally(found: Iterable[Leftover]) -> Tally:
    """Count things by kind."""
    counts, sizes = dict.fromkeys(Kind, 0), dict.fromkeys(Kind, 0)
    for one in found:
        counts[one.kind] += 1
        sizes[one.kind] += one.size
    used = [kind for kind in Kind if counts[kind]]
    return Tally(counts={kind: counts[kind] for kind in used}, sizes={kind: sizes[kind] for kind in used})


def survey(home: Home | None, user: User, rules: Rules = NO_RULES, *, now: float | None = None) -> Plan:
    """What the rules would let go now, and what nothing refers to then. Changes nothing."""
    now, where = time.time() if now is None else now, user.directories
    used = Used()
    kits = leftovers.unpacked(Kind.KITS, where.cache / "kits", {where.kit.name}, before=now - _UNUSED)
    found = [kit for kit in kits if kit.path not in used]
    found += _environments(user, dry_run=True)
    found += leftovers.temporary(where.cache, user.temporary, used, before=now - _FRESH)
    choice = Choice()
    if home is not None:
        with _stores(home) as stores:
            choice = retention.choose(rules, rows.candidates(home.store, home.project), now)
            found = [*_of_home(home, stores, choice, used, now), *found]
    return Plan(
        rules=rules,
        choice=choice,
        leftovers=tuple(one for one in found if not one.waits),
        waiting=tuple(one for one in found if one.waits),
    )


def _of_home(home: Home, stores: Sequence[Store], choice: Choice, used: Used, now: float) -> Iterator[Leftover]:
    # Who drives comes first: whoever begins to drive later needs nothing but what shows that it is needed later.
    before = min([now - GRACE, *(created for store in stores for created in _driven(store))])
    gone = frozenset(choice.delete)
    known = {run: ended for store in stores for run, ended in rows.known(store).items() if run not in gone}
    bundles = {digest for store in stores for digest in rows.bundles(store, deleted=gone)}
    needed = {digest for store in stores for digest in rows.needed(store, without=choice.collect, deleted=gone)}
    yield from leftovers.blobs(home.blobs, needed, before=before)
    yield from leftovers.incoming(home.blobs, before=now - _FRESH)
    yield from leftovers.attempts(home.runs, known, used, before=now - _FRESH)
    yield from leftovers.strangers(home.runs, known, used, before=now - GRACE)
    yield from leftovers.unpacked(Kind.BUNDLES, home.bundles, bundles, before=now - _RECORDING)


def preview(home: Home, wanted: Wanted, environ: Mapping[str, str]) -> Plan:
    """What the rules would let go now, of this store and of whoever has this environment."""
    return survey(home, User.of(environ), rules(home, wanted))


def let_go(home: Home, choice: Choice, text: str, environ: Mapping[str, str]) -> Iterator[Leftover]:
    """Let these runs go, by the rules of that text, and what nothing refers to then; each thing as it goes."""
    yield from collect(home, User.of(environ), Plan(rules=Rules(text=text), choice=choice))


def collect(home: Home | None, user: User, plan: Plan) -> Iterator[Leftover]:
    """Do what was surveyed; yield each thing as it goes.

    The runs go first, each only if nobody has taken it up since. Then all is looked at once more: what became needed
    after the survey stays.
    """
    incoming = Path("/nonexistent")
    if home is not None:
        rows.delete_runs(home.store, plan.choice.delete)
        rows.collect(home.store, plan.choice.collect, plan.rules.text, time.time())
        plan, incoming = survey(home, user), home.blobs.incoming
    yield from leftovers.remove((one for one in plan.leftovers if one.kind is not Kind.ENVIRONMENTS), incoming)
    yield from _environments(user, dry_run=False)


def _environments(user: User, *, dry_run: bool) -> Iterator[Leftover]:
    for kept in environments.collect(user.environ, _COLD, dry_run=dry_run):
        if kept.removed:
            yield Leftover(kind=Kind.ENVIRONMENTS, path=kept.directory, size=kept.size, before=kept.used)


def _driven(store: Store) -> Iterator[float]:
    """When the runs were created that somebody drives, as far as can be known."""
    for created, holder in rows.holders(store):
        here = holder.lease.process.boot == processes.boot()
        if processes.alive(holder.lease.process) if here else holder.silent < _SILENT:
            yield created


@contextmanager
def _stores(home: Home) -> Iterator[tuple[Store, ...]]:
    """All stores whose runs need the bytes that are in the home; StoreError if one of them is not known here."""
    others = [name for name in home.databases() if name != home.store.where]
    if others:
        raise StoreError(
            f"runs in {' and in '.join(others)} may need what is in {home.directory}",
            f"Call this with PALMETTE_STORE set to it. If it is gone for good, delete {home.directory / DATABASES}.",
        )
    if home.store.directory is not None or not (home.directory / FILE).exists():
        yield (home.store,)
        return
    local = database.open(home.directory)
    try:
        yield (home.store, local)
    finally:
        local.close()
