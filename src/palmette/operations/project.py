"""The project that is worked on: where it is, what it holds, and which Python runs it.

Nothing of the project is imported here; all is read from its files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from palmette.errors import DefinitionError, InterpreterError, Problem, ProjectError
from palmette.operations.bounds import Gates
from palmette.operations.containers import chosen
from palmette.operations.continuing import Continuous
from palmette.operations.discovery import Found, Surveyed, modules, resolve, search, survey
from palmette.operations.settings import Settings, parse
from palmette.operations.targets import Targets

#: What `python` says for an environment that is built from the lock; `preparing` builds it.
LOCKED: Final = "locked"
#: Directories beside pyproject.toml that are no part of what is imported, whatever they hold.
_ASIDE: Final = frozenset({"src", "tests", "test", "docs", "doc", "examples", "build", "dist"})


@dataclass(frozen=True, kw_only=True)
class Project:
    """A directory with a pyproject.toml, and what its settings come to."""

    root: Path
    name: str
    #: the directories its own modules are imported from
    roots: tuple[Path, ...]
    #: the modules and packages that are searched for algorithms; empty for all of them
    algorithms: tuple[str, ...] = ()
    #: the interpreter the settings ask for, as they spell it
    python: str | None = None
    #: the directory that remembers runs; it need not exist yet
    home: Path
    #: PALMETTE_STORE names that directory, in place of the project's own
    elsewhere: bool = False
    #: URL of the database where PALMETTE_STORE names one; empty for the one in the home
    database: str = ""
    #: the server whose runs are meant where nobody says; empty for this machine
    on: str = ""
    image: str = ""
    install: bool = False
    #: "definitions" or "package"
    closure: str = "definitions"
    #: None: what the repository says
    default_branch: str | None = None
    #: algorithm → what it is compared with instead of its own runs: "tumour", "tumour@production"
    baselines: Mapping[str, str] = field(default_factory=dict)
    #: "auto", "none", or a path relative to the root
    lock: str = "auto"
    #: distributions the steps need although nothing imports them
    requires: tuple[str, ...] = ()
    #: environments with a lock of their own, and that lock
    environments: Mapping[str, str] = field(default_factory=dict)
    #: environment → container image
    images: Mapping[str, str] = field(default_factory=dict)
    #: GPUs that tasks may be given; None for all that the machine has
    gpus: int | None = None
    #: the program that runs tasks in their images: "docker", "podman", or "" for processes of this machine
    containers: str = ""
    #: what pyproject.toml wants kept, by algorithm and metric
    gates: Gates = field(default_factory=dict)
    #: what CI does
    ci: Continuous = Continuous()
    #: Kubeflows, by name
    targets: Targets = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The Python that runs the project's code."""

    #: as it was found; a virtual environment's link is kept, since it is what makes the environment
    executable: Path
    #: which rule chose it
    why: str
    #: what the user should know about it, one line; empty for nothing
    note: str = ""


# Finding it


def find(directory: Path, environ: Mapping[str, str]) -> Project:
    """The project that the directory belongs to; ProjectError if there is none or its settings are wrong.

    The nearest pyproject.toml upwards with `[tool.palmette]` makes it; without any, the nearest one whose modules
    hold an algorithm.
    """
    found = around(directory, environ)
    if found is not None:
        return found
    start = Path(os.path.abspath(directory))  # noqa: PTH100 - a link to a project is kept as it is
    nearest = next((place for each in (start, *start.parents) if (place := each / "pyproject.toml").is_file()), None)
    if nearest is not None:
        raise ProjectError(
            f"{nearest} has no [tool.palmette] and its modules hold no @algorithm",
            "`palmette init` makes a project of it.",
        )
    hint = "`palmette init` makes a project."
    if (start / ".palmette").is_dir():
        # A server was started here: the API needs no project, and its runs are asked for at the server.
        hint += " Or ask the server of this home: palmette login URL, then --on NAME."
    raise ProjectError(f"no pyproject.toml in {start} or above it", hint)


def around(directory: Path, environ: Mapping[str, str]) -> Project | None:
    """As `find`; None where there is no project."""
    start = Path(os.path.abspath(directory))  # noqa: PTH100 - a link to a project is kept as it is
    candidates: list[tuple[Path, dict[str, Any]]] = []
    for parent in (start, *start.parents):
        document = _document(parent / "pyproject.toml")
        if document is None:
            continue
        if "palmette" in _table(document, "tool"):
            return _project(parent, document, start, environ)
        candidates.append((parent, document))
    for parent, document in candidates:
        if _holds_algorithms(parent):
            return _project(parent, document, start, environ)
    return None


def _holds_algorithms(root: Path) -> bool:
    try:
        return bool(search(modules(_roots(root, None), (root / ".palmette",))))
    except DefinitionError:
        return True  # what is wrong with them is told when they are looked at


def _document(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise ProjectError(f"{path} cannot be read", "Permission is denied.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not TOML: {error}", "Mend it, then try again.") from None


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}


def _project(root: Path, document: Mapping[str, Any], start: Path, environ: Mapping[str, str]) -> Project:
    settings, problems = parse(_table(document, "tool").get("palmette", {}))
    roots = _roots(root, settings.source_roots)
    problems += tuple(_absent(settings, root, roots))
    home, database = _home(root, settings, start, environ)
    if problems:
        count = "a setting" if len(problems) == 1 else f"{len(problems)} settings"
        raise ProjectError(f"{root / 'pyproject.toml'}: {count} cannot be used", problems=problems)
    algorithms = settings.algorithms
    if algorithms is None:
        algorithms = ("algorithms",) if resolve("algorithms", roots) else ()
    named = _table(document, "project").get("name")
    return Project(
        root=root,
        name=settings.name or (named if isinstance(named, str) else "") or root.name,
        roots=roots,
        algorithms=algorithms,
        python=settings.python,
        home=home,
        elsewhere=bool(environ.get("PALMETTE_STORE", "").strip()) and not database,
        database=database,
        on=settings.on,
        image=settings.image,
        install=settings.install,
        closure=settings.closure,
        default_branch=settings.default_branch,
        baselines=settings.baselines,
        lock=settings.lock,
        requires=settings.requires,
        environments=settings.environments,
        images=settings.images,
        gpus=settings.gpus,
        containers=chosen(environ, settings.containers),
        gates=settings.gates,
        ci=settings.ci,
        targets=settings.targets,
    )


def _absent(settings: Settings, root: Path, roots: tuple[Path, ...]) -> Iterator[Problem]:
    """The things that the settings name and that are not there."""
    for text in settings.source_roots or ():
        if not (root / text).is_dir():
            what = f"there is no directory {root / text}"
            yield Problem(
                where="[tool.palmette] source-roots", what=what, hint="Name directories below pyproject.toml."
            )
    for name in settings.algorithms or ():
        if not resolve(name, roots):
            places = ", ".join(str(entry) for entry in roots)
            hint = f"It was looked for in {places}; `source-roots` says where."
            yield Problem(where="[tool.palmette] algorithms", what=f"there is no module {name}", hint=hint)
    if settings.lock not in ("auto", "none") and not (root / settings.lock).is_file():
        what = f"there is no file {root / settings.lock}"
        yield Problem(where="[tool.palmette] lock", what=what, hint='Name a lock file, or write "auto" or "none".')


def _roots(root: Path, declared: tuple[str, ...] | None) -> tuple[Path, ...]:
    if declared is not None:
        return tuple(dict.fromkeys(Path(os.path.normpath(root / text)) for text in declared))
    source = root / "src"
    if not source.is_dir():
        return (root,)
    packages = any(
        entry.name not in _ASIDE and entry.name.isidentifier() and _is_package(entry) for entry in root.iterdir()
    )
    return (source, root) if packages or (root / "algorithms.py").is_file() else (source,)


def _is_package(directory: Path) -> bool:
    if directory.name == "algorithms" and directory.is_dir():
        return any(directory.glob("*.py"))
    return (directory / "__init__.py").is_file()


def _home(root: Path, settings: Settings, start: Path, environ: Mapping[str, str]) -> tuple[Path, str]:
    return place(Path(os.path.normpath(root / settings.home)), start, environ)


def place(home: Path, start: Path, environ: Mapping[str, str]) -> tuple[Path, str]:
    """The home and the database where the environment has a say, else this home; PALMETTE_STORE is relative to where
    the user is, as in a shell."""
    store = environ.get("PALMETTE_STORE", "").strip()
    if not store:
        return home, ""
    scheme, separator, _ = store.partition("://")
    if separator:
        if scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise ProjectError(
                f"PALMETTE_STORE names a store that is not known: {scheme}://…",
                "It takes a directory, or a URL that begins with postgresql://.",
            )
        return home, store
    if store.startswith("~/") and environ.get("HOME"):
        store = str(Path(environ["HOME"]) / store[2:])
    return Path(os.path.normpath(start / store)), ""


# What it holds


def discover(project: Project) -> Mapping[str, Found]:
    """The project's algorithms by name, in order of their names; DefinitionError with every problem at once.

    Only text is read: a function counts that `palmette.algorithm` decorates, under whatever name it was imported.
    """
    surveyed = look(project)
    if surveyed.flaws:
        raise surveyed.error()
    return surveyed.found


def look(project: Project) -> Surveyed:
    """As `discover`, with the problems beside the algorithms that were found in spite of them."""
    if not project.algorithms:
        return survey(modules(project.roots, (project.home,)))
    found: dict[str, Path] = {}
    for name in project.algorithms:
        found |= resolve(name, project.roots)
    return survey(found)


# Which Python runs it


def interpreter(project: Project, environ: Mapping[str, str]) -> Interpreter:
    """The Python that runs the project's code; InterpreterError if the rule that applies leads nowhere.

    The first that applies: `[tool.palmette] python`; UV_PROJECT_ENVIRONMENT; an active virtual environment that lies
    in the project or its workspace; `.venv` or `venv` of the project, then of the workspace above it; any other
    active virtual environment; an active conda environment other than `base`; poetry's; `.venv` of a directory above,
    within the repository; `python3` on the PATH. An environment that was activated for something else never wins over
    the project's own, as with uv, and is mentioned.
    """
    try:
        return _chosen(project, environ)
    except PermissionError as error:
        raise InterpreterError(
            f"the project's Python cannot be looked for: {error.filename}: permission denied",
            "Allow reading it, or set `python` in [tool.palmette] to an interpreter that you may execute.",
        ) from error


def _chosen(project: Project, environ: Mapping[str, str]) -> Interpreter:
    if project.python is not None:
        return _asked_for(project, project.python, environ)
    places = (project.root, *workspace(project.root))
    if configured := environ.get("UV_PROJECT_ENVIRONMENT"):
        return _inside(places[-1] / configured, "UV_PROJECT_ENVIRONMENT", "Run `uv sync`, or unset the variable.")
    active = Path(environ["VIRTUAL_ENV"]) if environ.get("VIRTUAL_ENV") else None
    leave = "Create it again, or run `deactivate`."
    if active is not None and any(active.is_relative_to(place) for place in places):
        return _inside(active, "VIRTUAL_ENV", leave)
    for directory in (place / name for place in places for name in (".venv", "venv")):
        if (directory / "pyvenv.cfg").is_file():
            same = active is None or _same(active, directory)
            note = "" if same else f"VIRTUAL_ENV={active} is not this project's environment and is not used"
            return _inside(directory, f"{directory.name} in {directory.parent}", "Create it again.", note)
    if active is not None:
        return _inside(active, "VIRTUAL_ENV", leave)
    if (conda := environ.get("CONDA_PREFIX")) and environ.get("CONDA_DEFAULT_ENV") != "base":
        return _inside(Path(conda), "CONDA_PREFIX", "Create it again, or run `conda deactivate`.")
    fallback = "python3 on the PATH, as no environment was found"
    return _poetry(project, environ) or _above(project.root) or _on_path("python3", fallback, environ)


def workspace(root: Path) -> tuple[Path, ...]:
    """The uv workspace root above a project that is one of its members; empty if there is none."""
    for parent in root.parents:
        document = _quiet(parent / "pyproject.toml")
        shared = _table(_table(_table(document, "tool"), "uv"), "workspace") if document else {}
        members, excluded = shared.get("members"), shared.get("exclude")
        below = root.relative_to(parent).as_posix()
        if _matches(below, members) and not _matches(below, excluded):
            return (parent,)
    return ()


def _quiet(path: Path) -> dict[str, Any] | None:
    """A document that is not the project's own: what is wrong with it is nobody's business here."""
    try:
        return _document(path)
    except ProjectError:
        return None


def _matches(path: str, patterns: object) -> bool:
    return isinstance(patterns, list) and any(fnmatch(path, str(pattern).strip("./")) for pattern in patterns)


def _above(root: Path) -> Interpreter | None:
    """The environment of the repository that the project is a directory of."""
    repository = next((parent for parent in (root, *root.parents) if (parent / ".git").exists()), root)
    for parent in root.parents:
        if parent.is_relative_to(repository) and (parent / ".venv" / "pyvenv.cfg").is_file():
            return _inside(parent / ".venv", f".venv in {parent}", "Create it again.")
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _asked_for(project: Project, text: str, environ: Mapping[str, str]) -> Interpreter:
    why = "[tool.palmette] python"
    if "/" not in text and not (project.root / text).exists():
        return _on_path(text, why, environ)
    path = project.root / text
    hint = "Name an executable, the directory of a virtual environment, or a command."
    return _inside(path, why, hint) if path.is_dir() else _usable(path, why, hint)


def _inside(environment: Path, why: str, hint: str, note: str = "") -> Interpreter:
    return _usable(environment / "bin" / "python", why, hint, note)


def _usable(executable: Path, why: str, hint: str, note: str = "") -> Interpreter:
    executable = Path(os.path.normpath(executable))
    if not executable.exists():
        broken = executable.is_symlink()
        what = f"is a link to {executable.readlink()}, which is gone" if broken else "does not exist"
        raise InterpreterError(f"the project's Python {executable} {what} (chosen by {why})", hint)
    if not executable.is_file() or not os.access(executable, os.X_OK):
        raise InterpreterError(f"the project's Python {executable} cannot be executed (chosen by {why})", hint)
    return Interpreter(executable=executable, why=why, note=note)


def _on_path(command: str, why: str, environ: Mapping[str, str]) -> Interpreter:
    found = shutil.which(command, path=environ.get("PATH", os.defpath))
    if found is None:
        raise InterpreterError(
            f"there is no {command} on the PATH (chosen by {why})",
            "Create an environment for the project (`uv sync`, or `python3 -m venv .venv`), or set "
            "`python` in [tool.palmette].",
        )
    return _usable(Path(os.path.abspath(found)), why, "")  # noqa: PTH100 - links are kept


def _poetry(project: Project, environ: Mapping[str, str]) -> Interpreter | None:
    """Poetry keeps environments where only poetry knows; it is asked where nothing quicker answered."""
    command = shutil.which("poetry", path=environ.get("PATH", os.defpath))
    if command is None or not (project.root / "poetry.lock").is_file():
        return None
    hint = "Run `poetry install`, or set `python` in [tool.palmette]."
    ask = [command, "--no-ansi", "env", "info", "-e"]
    try:
        answer = subprocess.run(ask, cwd=project.root, env=dict(environ), capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterpreterError(f"`poetry env info -e` gave no answer: {error}", hint) from None
    path = answer.stdout.decode(errors="replace").strip()
    if answer.returncode != 0 or not path:
        raise InterpreterError("poetry has no environment for this project (chosen by poetry.lock)", hint)
    return _usable(Path(path), "poetry env info", hint)
