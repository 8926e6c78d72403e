"""Write docs/reference/ from the code: verbs, settings, errors, the authoring vocabulary, the files a home holds.

Run by `make docs`; tests/docs checks that what is committed is what this writes.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

import palmette
from palmette import errors
from palmette.cli.app import palmette as command
from palmette.cli.lazy import VERBS
from palmette.operations.settings import SETTINGS

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"

_MADE = "<!-- Written by `make docs` from the code. Change the code, not this page. -->\n"


def pages() -> Mapping[str, str]:
    """Every page by its file name."""
    makers: Mapping[str, Callable[[], Iterator[str]]] = {
        "cli.md": _cli,
        "settings.md": _settings,
        "errors.md": _errors,
        "authoring.md": _authoring,
    }
    return {name: _MADE + "\n".join(maker()).rstrip() + "\n" for name, maker in makers.items()}


def _cli() -> Iterator[str]:
    yield "# Commands\n"
    yield from _help(command, "palmette", None)
    for verb in VERBS:
        found = command.get_command(click.Context(command), verb)
        assert found is not None
        yield f"\n## palmette {verb}\n"
        yield from _help(found, verb, "palmette")
        if isinstance(found, click.Group):
            for name, below in found.commands.items():
                yield f"\n### palmette {verb} {name}\n"
                yield from _help(below, name, f"palmette {verb}")


def _help(verb: click.Command, name: str, parent: str | None) -> Iterator[str]:
    above = click.Context(command, info_name=parent) if parent else None
    context = click.Context(verb, info_name=name, parent=above, terminal_width=80, max_content_width=80)
    yield "```"
    yield verb.get_help(context)
    yield "```"


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield "In `pyproject.toml`, below `[tool.palmette]`. A key that is not here is an error.\n"
    for option in SETTINGS:
        default = "" if option.default is None else f", by default `{option.default!r}`"
        yield f"## `{option.name}`\n"
        yield f"{option.allowed}{default}\n"
        yield f"{option.description}\n"
    yield "# Environment variables\n"
    yield "`PALMETTE_STORE`: the directory that remembers runs, or the URL of a PostgreSQL database. It precedes `home`."


def _errors() -> Iterator[str]:
    yield "# Errors and exit codes\n"
    yield "```"
    yield inspect.cleandoc(errors.__doc__ or "").rstrip()
    yield "```\n"
    yield "| error | exit code | meaning |\n| --- | --- | --- |"
    for name, found in vars(errors).items():
        if isinstance(found, type) and issubclass(found, errors.PalmetteError):
            yield f"| `{name}` | {found.exit_code} | {inspect.getdoc(found)} |"


def _authoring() -> Iterator[str]:
    yield "# Authoring\n"
    yield "Everything that `import palmette` offers to the code of a project.\n"
    for name in palmette.__all__:
        found = getattr(palmette, name)
        yield f"## `{name}{_signature(found)}`\n"
        yield f"{textwrap.dedent(inspect.getdoc(found) or '')}\n"


def _signature(found: object) -> str:
    """As it is called; nothing where that says nothing."""
    if not callable(found) or (isinstance(found, type) and issubclass(found, (str, dict))):
        return ""
    try:
        text = str(inspect.signature(found))
    except ValueError:
        return ""
    return text.partition(" -> ")[0].replace("'", "")


def main() -> None:
    """Write every page; say which changed."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}\n")


if __name__ == "__main__":
    main()
