"""`palmette completion`, and the answers that the scripts it prints ask for."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from palmette.cli.lazy import operation
from palmette.cli.session import LOCAL, Session, pass_session
from palmette.cli.shapes import Shape, Taken, shape
from palmette.errors import PalmetteError, UsageError
from palmette.operations.completing import Offers

#: the line up to the cursor; the scripts set it, and _PALMETTE_COMPLETE
_LINE: Final = "_PALMETTE_LINE"

_BASH: Final = """\
# palmette: completion for bash
_palmette() {
    local answer typed="${COMP_LINE:0:COMP_POINT}" word
    COMPREPLY=()
    while IFS= read -r answer; do
        COMPREPLY+=("$answer")
    done < <(_PALMETTE_COMPLETE=bash _PALMETTE_LINE="$typed" "$1" 2>/dev/null)
    # bash takes = and : for the ends of words, and replaces only what follows them.
    word="${typed##*[[:space:]]}"
    if [[ "$word" == *[=:]* ]]; then
        local begin="${word%"${word##*[=:]}"}" index
        for index in "${!COMPREPLY[@]}"; do
            COMPREPLY[index]="${COMPREPLY[index]#"$begin"}"
        done
    fi
    if [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *[=.] ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _palmette palmette
"""
_ZSH: Final = """\
#compdef palmette
# palmette: completion for zsh
_palmette() {
    local -a answers
    local typed="${(j: :)words[1,CURRENT-1]} $PREFIX"
    answers=("${(@f)$(_PALMETTE_COMPLETE=zsh _PALMETTE_LINE="$typed" $words[1] 2>/dev/null)}")
    answers=(${answers:#})
    (( $#answers )) || { _files; return }
    compadd -Q -S '' -- ${(M)answers:#*=}
    compadd -Q -- ${answers:#*=}
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _palmette "$@"
else
    compdef _palmette palmette
fi
"""
_FISH: Final = """\
# palmette: completion for fish
function __palmette_answers
    set -lx _PALMETTE_COMPLETE fish
    set -lx _PALMETTE_LINE (commandline -cp | string collect)
    set -l program (commandline -opc)[1]
    $program 2>/dev/null
end
complete -c palmette -f -a '(__palmette_answers)'
"""
_SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
#: below the home directory
_PLACES: Final = {
    "bash": ".local/share/bash-completion/completions/palmette",
    "zsh": ".local/share/zsh/site-functions/_palmette",
    "fish": ".config/fish/completions/palmette.fish",
}
_ZSH_HINT: Final = "Once, in ~/.zshrc before compinit: fpath=(~/.local/share/zsh/site-functions $fpath)"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="bash|zsh|fish")
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, below your home directory.")
@pass_session
def completion(session: Session, shell: str, install: bool) -> None:
    """Print a script that completes what you type.

    Verbs, options, algorithms, config fields and their choices, presets, runs, steps, tags, and the fields and values
    of searches are completed. No code of the project is run for it.

    \b
      eval "$(palmette completion bash)"     in this shell
      palmette completion zsh --install      in every new one
    """
    if not install:
        click.echo(_SCRIPTS[shell], nl=False)
        return
    if not session.environ.get("HOME"):
        raise UsageError("HOME is not set, so there is no place to install to", "Print the script instead.")
    place = Path(session.environ["HOME"]) / _PLACES[shell]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_SCRIPTS[shell], encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror}", "Print the script instead.") from error
    click.echo(f"wrote {place}")
    click.echo(_ZSH_HINT if shell == "zsh" else "It holds from the next shell on.", err=True)


def answer(program: click.Group, environ: Mapping[str, str]) -> None:
    """Print what may stand at the end of the line that is typed, one a line; nothing if that cannot be told."""
    line = environ.get(_LINE, "")
    try:
        found = list(dict.fromkeys(offers(shape(program, environ), line)))
    except (PalmetteError, OSError):
        return
    _, typed = parted(line)
    sys.stdout.write("".join(f"{each}\n" for each in found if each.startswith(typed) and "\n" not in each))


def parted(line: str) -> tuple[list[str], str]:
    """The words of a line, and the one that is being typed."""
    for closing in ("", '"', "'"):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        if closing or (line and not line[-1].isspace()):
            return words[:-1], words[-1] if words else ""
        return words, ""
    return [], ""


def offers(command: Shape, line: str) -> Sequence[str]:
    """All that may be typed at the end of a line, whether it begins as what is typed there or not."""
    words, typed = parted(line)
    rest = words[1:]
    directory = Path(_value(rest, ("-C", "--project")) or ".")
    while command.commands:
        plain = _plain(command, rest)
        inner = command.commands.get(plain[0]) if plain else None
        if inner is None and typed.startswith("-"):
            return _options(command)
        if inner is None and (plain or not command.arguments):
            return [] if plain else list(command.commands)
        if inner is None:
            break
        command, rest = inner, rest[rest.index(plain[0]) + 1 :]
    if rest and (option := command.option(rest[-1])) is not None:
        return _of(option, directory, (), words, typed)
    if typed.startswith("-") and "sort" not in rest:
        return _options(command)
    given = _plain(command, rest)
    for place, argument in enumerate(command.arguments):
        if argument.many or place == len(given):
            return _of(argument, directory, given, words, typed)
    return []


def _options(command: Shape) -> list[str]:
    return [spelling for each in command.options for spelling in each.spelled]


def _plain(command: Shape, words: Sequence[str]) -> list[str]:
    """The words that are no options, nor their values."""
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and not re.match(r"-\d", word):
            skip = command.option(word) is not None
        else:
            found.append(word)
    return found


def _value(words: Sequence[str], names: Sequence[str]) -> str | None:
    return next((words[place + 1] for place, word in enumerate(words[:-1]) if word in names), None)


def _of(taken: Taken, directory: Path, given: Sequence[str], words: Sequence[str], typed: str) -> Sequence[str]:
    """What an option or an argument may be, by its choices or its name."""
    if taken.choices or taken.path:
        return taken.choices
    session = Session(directory=(Path.cwd() / directory).resolve(), on=_value(words, ("--on",)) or "")
    if taken.name == "on":
        return [*operation("servers").known(session.environ), LOCAL]
    project, server = session.project, session.server
    known = Offers(project, operation("elsewhere").names(server, session.environ, project.name) if server else None)
    run = given[0] if given else "last"
    asked: dict[str, Callable[[], Sequence[str]]] = {
        "algorithm": known.algorithms,
        "algorithms": known.algorithms,
        "overrides": lambda: _overrides(known, _algorithm(known, words), typed),
        "preset": lambda: known.presets(_algorithm(known, words)),
        "run": known.runs,
        "head": known.runs,
        "baseline": known.runs,
        "step": lambda: known.steps(run),
        "debug": lambda: known.steps(_algorithm(known, words)),
        "name": lambda: known.artifacts(run) if given else known.views(),
        "view": known.views,
        "sweep": known.sweeps,
        "tag": known.tags,
        "tags": known.tags,
        "query": lambda: known.query(given, typed),
        "branch": lambda: known.query(("branch", "="), typed),
    }
    return asked[taken.name]() if taken.name in asked else ()


def _algorithm(known: Offers, words: Sequence[str]) -> str:
    """The algorithm that is named on the line, or that a run on it is of."""
    algorithms = known.algorithms()
    named = next((word for word in words if word in algorithms), "")
    return named or next(filter(None, (known.algorithm_of(word) for word in words[2:3])), "")


def _overrides(known: Offers, algorithm: str, typed: str) -> list[str]:
    fields = known.fields(algorithm)
    name, sign, _ = typed.partition("=")
    if sign:
        return [f"{name}={value}" for value in fields.get(name, ())]
    return [f"{field}=" for field in fields]
