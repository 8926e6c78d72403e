"""What every verb starts from: the environment, read once, and the project."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click

from palmette.domain.values import Json
from palmette.operations import project as projects


@dataclass
class Session:
    """One call of the command."""

    directory: Path = field(default_factory=Path.cwd)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @cached_property
    def project(self) -> projects.Project:
        """The project that the directory belongs to."""
        return projects.find(self.directory, self.environ)

    @property
    def trigger(self) -> str:
        """What started this: "ci" where the environment says so as every CI does (CI=true), else "cli"."""
        return "ci" if self.environ.get("CI", "").lower() in ("1", "true") else "cli"


def print_json(value: Json) -> None:
    """One value on standard output, for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


#: hands the session to a verb
pass_session = click.make_pass_decorator(Session)
