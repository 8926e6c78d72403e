"""What every verb starts from: the environment, read once, the project, and where its runs are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palmette.cli.lazy import operation
from palmette.domain.values import Json
from palmette.errors import ProjectError
from palmette.operations import project as projects

if TYPE_CHECKING:
    from palmette.operations.hosts import PipelineHost
    from palmette.operations.places import Place
    from palmette.operations.remote import There

#: what `--on` says for this machine, whatever is usual
LOCAL = "local"


@dataclass
class Session:
    """One call of the command."""

    directory: Path = field(default_factory=Path.cwd)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    #: what `--on` said
    on: str = ""
    #: what `--target` said
    target: str = ""
    #: a job calls, and nobody sits before it: a server that is started again meanwhile is waited for
    patient: bool = False

    @cached_property
    def project(self) -> projects.Project:
        """The project that the directory belongs to."""
        return projects.find(self.directory, self.environ)

    @property
    def server(self) -> str:
        """The server that is meant, by name or URL; empty for this machine. What `--on` says precedes PALMETTE_ON, and
        that the project's own setting."""
        wanted = self.on or self.environ.get("PALMETTE_ON", "").strip() or (self._settled.on if self._settled else "")
        return "" if wanted == LOCAL else wanted

    @cached_property
    def place(self) -> Place:
        """Where runs are looked at and changed."""
        if self.there is not None:
            return self.there
        here: Place = operation("places").Here(self.project)
        return here

    @cached_property
    def there(self) -> There | None:
        """The server that is meant; None for this machine."""
        if not self.server:
            return None
        server = operation("servers").named(self.server, self.environ)
        project = self._settled.name if self._settled else ""
        there: There = operation("remote").reach(server, project, patient=self.patient)
        return there

    @cached_property
    def host(self) -> PipelineHost:
        """Where versions, experiments and recurring runs are looked at and changed."""
        found: PipelineHost = operation("addressed").host(self.place, self.at_hand, self.environ, self.target)
        return found

    @property
    def at_hand(self) -> projects.Project | None:
        """The project here, if there is one; an error only where nothing can be done without."""
        return self._settled

    @cached_property
    def _settled(self) -> projects.Project | None:
        """The project, if there is one: a server's runs can be looked at from anywhere."""
        try:
            return self.project
        except ProjectError:
            if self.on or self.environ.get("PALMETTE_ON", "").strip():
                return None
            raise

    @property
    def trigger(self) -> str:
        """What started this: "ci" where the environment says so as every CI does (CI=true), else "cli"."""
        return "ci" if self.environ.get("CI", "").lower() in ("1", "true") else "cli"


def print_json(value: Json) -> None:
    """One value on standard output, for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


#: hands the session to a verb
pass_session = click.make_pass_decorator(Session)
