"""What commands take, as plain data: kept, because importing a verb takes longer than a completion may."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from palmette.capture.keeping import Keeping
from palmette.errors import PalmetteError
from palmette.operations.directories import cache_directory


@dataclass(frozen=True, kw_only=True)
class Taken:
    """An option or an argument."""

    name: str
    #: its spellings; of an argument none
    spelled: tuple[str, ...] = ()
    #: a value follows
    valued: bool = True
    #: it takes all that follow
    many: bool = False
    choices: tuple[str, ...] = ()
    #: files are meant
    path: bool = False


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A command, and the ones within."""

    name: str
    options: tuple[Taken, ...] = ()
    arguments: tuple[Taken, ...] = ()
    commands: Mapping[str, Shape] = field(default_factory=dict)

    def option(self, word: str) -> Taken | None:
        """The option that is spelled so and takes a value."""
        return next((each for each in self.options if each.valued and word in each.spelled), None)


def shape(program: click.Group, environ: Mapping[str, str]) -> Shape:
    """The program's shape; worked out once for each state of its source."""
    try:
        keeping = Keeping(cache_directory(environ) / "completion")
    except PalmetteError:
        return _of(program, click.Context(program))
    key = _source()
    kept = keeping.get(key)
    if isinstance(kept, dict):
        return _loaded(kept)
    made = _of(program, click.Context(program))
    keeping.put(key, _dumped(made))
    return made


def _source() -> str:
    """What changes whenever a verb does."""
    with os.scandir(Path(__file__).parent) as entries:
        files = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith(".py"))
    return f"shapes 1 {hashlib.sha256(repr(files).encode()).hexdigest()}"


def _of(command: click.Command, context: click.Context) -> Shape:
    options, arguments = [], []
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            options.append(_taken(each, (*each.opts, *each.secondary_opts), valued=not each.is_flag and not each.count))
        elif isinstance(each, click.Argument):
            arguments.append(_taken(each, (), valued=True))
    options.append(Taken(name="help", spelled=("--help",), valued=False))
    inner: dict[str, Shape] = {}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                inner[name] = _of(found, context)
    return Shape(name=command.name or "", options=tuple(options), arguments=tuple(arguments), commands=inner)


def _taken(parameter: click.Parameter, spelled: tuple[str, ...], *, valued: bool) -> Taken:
    kind = parameter.type
    return Taken(
        name=parameter.name or "",
        spelled=spelled,
        valued=valued,
        many=parameter.nargs == -1,
        choices=tuple(str(choice) for choice in kind.choices) if isinstance(kind, click.Choice) else (),
        path=isinstance(kind, click.Path | click.File),
    )


def _dumped(made: Shape) -> dict[str, Any]:
    def taken(each: Taken) -> list[Any]:
        return [each.name, list(each.spelled), each.valued, each.many, list(each.choices), each.path]

    return {
        "name": made.name,
        "options": [taken(each) for each in made.options],
        "arguments": [taken(each) for each in made.arguments],
        "commands": {name: _dumped(inner) for name, inner in made.commands.items()},
    }


def _loaded(kept: dict[str, Any]) -> Shape:
    def taken(each: list[Any]) -> Taken:
        name, spelled, valued, many, choices, path = each
        return Taken(name=name, spelled=tuple(spelled), valued=valued, many=many, choices=tuple(choices), path=path)

    return Shape(
        name=kept["name"],
        options=tuple(map(taken, kept["options"])),
        arguments=tuple(map(taken, kept["arguments"])),
        commands={name: _loaded(inner) for name, inner in kept["commands"].items()},
    )
