"""How a project's objects are called on a host, and which of those that are there are its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from palmette.domain.footer import split
from palmette.domain.hosting import Experiment, Pipeline, Schedule
from palmette.errors import AlreadyThere

#: The longest names of experiments and versions that every host takes; of the former so much is kept of a longer one.
EXPERIMENT, VERSION, PIPELINE = 128, 127, 128
_KEPT: Final = 110
#: digits of a commit, and of a digest, that stand in a name
_COMMIT, _DIGITS = 8, 8


@dataclass(frozen=True, kw_only=True)
class Names:
    """A project's names on a host. What is between a prefix and a name cannot be in a branch or an algorithm."""

    #: what `PipelineHost.claim` gave
    prefix: str
    project: str

    def experiment(self, branch: str) -> str:
        """The name of a branch's experiment."""
        return _cut(f"{self.prefix}{branch}", EXPERIMENT)

    def pipeline(self, algorithm: str) -> str:
        """The name of an algorithm's pipeline."""
        return _cut(f"{self.prefix}{algorithm}", PIPELINE)

    def version(self, branch: str, commit: str, digest: str = "") -> str:
        """The name of the version that a commit of a branch is: "main@6f1c0a2b". With the digest of its document, where
        the commit has another one already."""
        tail = f"@{commit[:_COMMIT]}" + (f"-{_bare(digest)[:_DIGITS]}" if digest else "")
        return f"{branch}{tail}" if len(branch) + len(tail) <= VERSION else f"{_cut(branch, VERSION - len(tail))}{tail}"

    def branch(self, experiment: Experiment) -> str | None:
        """The branch whose experiment it is; None if it is none of the project's."""
        _, facts = split(experiment.description)
        if owner(experiment) != self.project or "names" in facts:
            return None
        if facts.get("branch"):
            return str(facts["branch"])
        found = experiment.name.removeprefix(self.prefix) if experiment.name.startswith(self.prefix) else ""
        return found or None

    def algorithm(self, pipeline: Pipeline) -> str | None:
        """The algorithm whose pipeline it is; None if it is none of the project's."""
        if owner(pipeline) != self.project:
            return None
        named = split(pipeline.description)[1].get("algorithm")
        return str(named) if named else pipeline.name.removeprefix(self.prefix)


def _cut(name: str, longest: int) -> str:
    """The name, or of one that is too long its beginning and a hash of all of it."""
    if len(name) <= longest:
        return name
    kept = min(_KEPT, longest - _DIGITS - 1)
    return f"{name[:kept]}~{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"


def _bare(digest: str) -> str:
    return digest.rpartition(":")[2]


def owner(there: Experiment | Pipeline | Schedule) -> str:
    """The project whose it is, as its footer says, else as the home that keeps it does; empty where neither says."""
    return str(split(there.description)[1].get("project") or there.project)


def require_own(noun: str, there: Experiment | Pipeline, description: str) -> None:
    """AlreadyThere unless what has the name belongs to the project that the description's footer names; any will do
    for a description that names none."""
    _, wanted = split(description)
    project = wanted.get("project")
    if not project:
        return
    if (found := owner(there)) != project:
        whose = f"the project {found!r}" if found else "no project: it was made by hand"
        raise AlreadyThere(
            f"there is {noun} {there.name!r} already, which belongs to {whose}",
            "Rename or delete it there, or give the project another name in [tool.palmette].",
        )
