"""Stock Python components: what the `kfp` SDK compiles a decorated function to, recognised without executing it.

Such a component is a shell script that calls pip, and then a second one that writes the function's source to a file and
has `kfp` run it. Every 2.x release writes the same few lines, give or take spaces and options. Only exactly these are
recognised; whatever else a command may be is executed as it is written.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: What the shell takes as it stands: an address of an index, a host.
_BARE: Final = r"[A-Za-z0-9:/._~%@+=,\[\]-]+"
#: Without what uv would read as an option, a comment or a variable.
_QUOTED: Final = r"'(?:--no-deps|[A-Za-z0-9._/][^'\n$\\]*)'"
_INSTALL: Final = (
    r"python3 -m pip install --quiet +--no-warn-script-location"
    rf"(?: +--(?:index-url|extra-index-url|trusted-host) +{_BARE})*(?: +{_QUOTED})+"
)
_VENV: Final = (
    r'\nexport PIP_DISABLE_PIP_VERSION_CHECK=1\ntmp=\$\(mktemp -d\)\npython3 -m venv "\$tmp/venv" '
    r'--system-site-packages\n\. "\$tmp/venv/bin/activate"\n *'
)
_PREAMBLE: Final = re.compile(
    r'\nif ! \[ -x "\$\(command -v pip\)" \]; then\n'
    r"    python3 -m ensurepip \|\| python3 -m ensurepip --user \|\| apt-get install python3-pip\nfi\n\n"
    rf"PIP_DISABLE_PIP_VERSION_CHECK=1 (?P<steps>(?:{_INSTALL} +&& +)*(?P<venv>{_VENV})?{_INSTALL}"
    rf'(?: +&& +{_INSTALL})*) && "\$0" "\$@"\n'
)
_PROGRAM: Final = re.compile(
    r'program_path=\$\(mktemp -d\)\n+printf "%s" "\$0" > "\$program_path/ephemeral_component\.py"\n'
    r"(?P<runtime>_KFP_RUNTIME=true )?python3 -m (?P<module>kfp\.(?:dsl|components)\.executor_main) +"
    r'--component_module_path +"\$program_path/ephemeral_component\.py" +"\$@"\n'
)
_OPTION: Final = re.compile(rf"--(index-url|extra-index-url|trusted-host) +({_BARE})")
_NO_DEPENDENCIES: Final = "--no-deps"
#: Releases for which every artifact lies in an object store.
_OLD: Final = re.compile(r"kfp==2\.[0-4]\b")
#: What starts threads or takes hold of a device when it is imported, so that a fork of it is of no use.
_UNFORKABLE: Final = frozenset({"grpc", "jax", "jaxlib", "pyspark", "ray", "tensorflow"})
#: A longer source carries an archive, and is not searched.
_LONGEST: Final = 1 << 18
#: Where the source is written, below the attempt's directory.
FILE: Final = "program/ephemeral_component.py"


@dataclass(frozen=True, kw_only=True)
class Install:
    """One call of pip."""

    requirements: tuple[str, ...]
    #: whether what they need is installed, too
    dependencies: bool = True
    #: addresses of indexes; the first one takes the place of the usual
    indexes: tuple[str, ...] = ()
    #: hosts that need no valid certificate
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stock:
    """A stock component."""

    #: the module that holds the function
    source: str
    #: what runs it: "kfp.dsl.executor_main"
    module: str
    #: the light half of `kfp` is enough
    light: bool
    #: in this order
    installs: tuple[Install, ...] = ()
    #: it wants a virtual environment of its own
    own: bool = False
    arguments: tuple[str, ...] = ()

    def words(self, program: str) -> tuple[str, ...]:
        """What follows `python -m`, the source being in that file."""
        return (self.module, "--component_module_path", program, *self.arguments)

    @property
    def old(self) -> bool:
        """Whether its SDK may not know that data can lie on this machine."""
        return not self.light or any(_OLD.match(text) for each in self.installs for text in each.requirements)

    @property
    def modules(self) -> tuple[str, ...]:
        """What each of its kind imports at the start."""
        package = self.module.rpartition(".")[0]
        return (f"{package}.executor", f"{package}.kfp_config", f"{package}.utils")

    @property
    def variables(self) -> dict[str, str]:
        """What its environment has besides the task's."""
        return {"_KFP_RUNTIME": "true"} if self.light else {}


def recognise(command: Sequence[str], args: Sequence[str]) -> Stock | None:
    """The stock component that a container's words are; None for anything else."""
    words, steps, own = [*command, *args], "", False
    if words[:2] == ["sh", "-c"] and len(words) > 3:
        preamble = _PREAMBLE.fullmatch(words[2])
        if preamble is None:
            return None
        steps, own, words = preamble["steps"], preamble["venv"] is not None, words[3:]
    if words[:2] != ["sh", "-ec"] or len(words) < 4:
        return None
    program = _PROGRAM.fullmatch(words[2])
    if program is None:
        return None
    return Stock(
        source=words[3],
        module=program["module"],
        light=program["runtime"] is not None,
        installs=tuple(_install(step) for step in re.findall(_INSTALL, steps)),
        own=own,
        arguments=tuple(words[4:]),
    )


def _install(step: str) -> Install:
    parts = re.findall(_QUOTED, step)
    options = _OPTION.findall(step.partition("'")[0])
    named = [part[1:-1] for part in parts]
    first = [value for option, value in options if option == "index-url"]
    return Install(
        requirements=tuple(part for part in named if part != _NO_DEPENDENCIES),
        dependencies=_NO_DEPENDENCIES not in named,
        indexes=tuple([*first, *(value for option, value in options if option == "extra-index-url")]),
        trusted=tuple(value for option, value in options if option == "trusted-host"),
    )


@lru_cache(maxsize=256)
def imports(source: str) -> tuple[str, ...]:
    """The modules of others that a component's source imports, wherever it does, but for `kfp` and what no fork can
    use."""
    if len(source) > _LONGEST:
        return ()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # written for a newer Python, or wrong: then the task says so itself
    return tuple(dict.fromkeys(name for name in _imported(tree) if _foreign(name.partition(".")[0])))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _foreign(top: str) -> bool:
    return top != "kfp" and top not in _UNFORKABLE and top not in sys.stdlib_module_names
