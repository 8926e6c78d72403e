"""What the repository at hand tells of the commits of runs elsewhere: who wrote them, and where they stand."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from palmette.domain.lines import Commit, full
from palmette.domain.run import Git, Run
from palmette.operations import git, lines
from palmette.operations.lines import Stand
from palmette.operations.project import Project
from palmette.operations.questions import asking


@dataclass(frozen=True)
class Repository:
    """A project's repository. Each commit is looked up once."""

    project: Project
    environ: Mapping[str, str]
    _known: dict[str, tuple[Git, Stand]] = field(default_factory=dict)

    def told(self, run: Run) -> tuple[Run, tuple[Commit, ...]]:
        """The run with what is told of its commit, and the history that this takes; as it is where nothing is."""
        commit = run.git.commit
        if not full(commit):
            return run, ()
        if commit not in self._known:
            self._known[commit] = (self._git(commit), self._stand(run.git))
        known, stand = self._known[commit]
        if not known.commit:
            return run, ()
        run = replace(run, git=replace(run.git, author=known.author, committed=known.committed, message=known.message))
        against = self.project.baselines.get(run.algorithm, "")
        return replace(run, fork=lines.fork(stand, run, against)), stand.history

    def _stand(self, git: Git) -> Stand:
        return lines.stand(self.project.root, git, self.environ, self.project.default_branch)

    def _git(self, commit: str) -> Git:
        with suppress(OSError, subprocess.TimeoutExpired), asking(self.project.root, self.environ) as ask:
            if ask is not None:
                return git.logged(git.log(ask, commit))
        return Git()
