"""What the repository at hand tells of the commits of runs elsewhere: who wrote them, and where they stand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.domain.lines import Commit
from palmette.domain.run import Git, Run
from palmette.operations import lines
from palmette.operations.lines import Stand
from palmette.operations.project import Project
from palmette.operations.questions import asking

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: bytes of an answer
_LIMIT: Final = 1 << 16


@dataclass(frozen=True)
class Repository:
    """A project's repository. Each commit is looked up once."""

    project: Project
    environ: Mapping[str, str]
    _known: dict[str, tuple[Git, Stand]] = field(default_factory=dict)

    def told(self, run: Run) -> tuple[Run, tuple[Commit, ...]]:
        """The run with what is told of its commit, and the history that this takes; as it is where nothing is."""
        git = run.git
        if not _SHA.fullmatch(git.commit):
            return run, ()
        if git.commit not in self._known:
            self._known[git.commit] = (self._git(git), self._stand(git))
        known, stand = self._known[git.commit]
        if not known.committed:
            return run, ()
        run = replace(run, git=replace(known, branch=git.branch))
        against = self.project.baselines.get(run.algorithm, "")
        return replace(run, fork=lines.fork(stand, run, against)), stand.history

    def _stand(self, git: Git) -> Stand:
        return lines.stand(self.project.root, git, self.environ, self.project.default_branch)

    def _git(self, git: Git) -> Git:
        with suppress(OSError, ValueError, subprocess.TimeoutExpired), asking(self.project.root, self.environ) as ask:
            if ask is not None:
                said = ask("log", "-1", "--no-show-signature", "--format=%an%x00%ct%x00%s", git.commit, "--")
                author, committed, subject = said.output(_LIMIT).decode(errors="replace").strip("\n").split("\0", 2)
                return replace(git, author=author, committed=float(committed), message=subject)
        return git
