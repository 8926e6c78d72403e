"""What footers tell of a run that a host was asked for: of which commit it is, by which preset, for whom."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from palmette.domain import ticket, wire
from palmette.domain.fields import FULL
from palmette.domain.footer import split
from palmette.domain.graph import Algorithm
from palmette.domain.hosting import Version
from palmette.domain.lines import Fork, Start, full
from palmette.domain.run import Git, Run, Setting, Source
from palmette.domain.values import Json, canonical
from palmette.operations import lines
from palmette.operations.home import Home
from palmette.operations.messages import misfits
from palmette.store import branches, commits
from palmette.store.columns import plain

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def project(version: Version | None, description: str) -> str:
    """The project that a version's or a run's footer names; empty where neither does."""
    return _text(_facts(version, description), "project")


def labelled(home: Home, run: Run, version: Version | None, algorithm: Algorithm) -> Run:
    """The run, with what its footer and that of its version say. Whoever may upload may say so: it labels, and opens
    nothing."""
    facts = _facts(version, run.description)
    if not facts:
        return run
    git = _git(facts, split(version.description)[0] if version else "")
    known = _text(facts, "preset")
    preset = known if known in (*algorithm.presets, FULL) else run.preset
    labels = replace(
        run,
        algorithm=_text(facts, "algorithm") or run.algorithm,
        git=git,
        preset=preset,
        settings=tuple(_placed(each, algorithm.presets.get(preset, {}), preset) for each in run.settings),
        ticket=_ticket(home, run.project, git.branch),
        bundle=_text(facts, "bundle") if _DIGEST.fullmatch(_text(facts, "bundle")) else "",
    )
    return replace(labels, fork=_fork(home, labels, facts.get("fork")))


def _facts(version: Version | None, description: str) -> dict[str, Json]:
    """What is said of the version, and of the run itself, which precedes."""
    of_version = split(version.description)[1] if version else {}
    return {**of_version, **split(description)[1]}


def _git(facts: Mapping[str, Json], message: str) -> Git:
    commit, committed = _text(facts, "commit"), facts.get("committed")
    if not full(commit):
        return Git(branch=_text(facts, "branch"))
    return Git(
        branch=_text(facts, "branch"),
        commit=commit,
        author=_text(facts, "author"),
        message=plain(message.partition("\n")[0]),
        committed=float(committed) if isinstance(committed, (int, float)) and math.isfinite(committed) else 0.0,
        dirty=facts.get("dirty") is True,
    )


def _placed(setting: Setting, values: Mapping[str, Json], preset: str) -> Setting:
    """A value that was given, as the preset's where it is that."""
    if setting.source is not Source.OVERRIDE or setting.name not in values:
        return setting
    same = canonical(setting.value) == canonical(values[setting.name])
    return replace(setting, source=Source.PRESET, origin=preset) if same else setting


def _ticket(home: Home, project: str, branch: str) -> str:
    """The ticket of the branch, as it was found when that was updated; else the one that its name mentions."""
    known = branches.named(home.store, project, branch) if branch else None
    return known.tickets[0].key if known and known.tickets else ticket.ticket(branch)


def _fork(home: Home, run: Run, said: Json) -> Fork:
    """Where the commit stands: as the version says, else as another run of the commit knew."""
    if isinstance(said, Mapping) and not list(misfits(Fork, said, "fork")):
        fork = wire.load(Fork, said)
    else:
        fork = commits.fork_of(home.store, run.project, run.git.commit)
    if fork.start.on_target and lines.more(run):
        return replace(fork, start=Start.COMMIT, commit=run.git.commit)
    return fork


def _text(facts: Mapping[str, Json], name: str) -> str:
    said = facts.get(name)
    return plain(said) if isinstance(said, str) else ""
