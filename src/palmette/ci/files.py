"""The CI file of a repository: what it says, where it stands, and what must be set for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from importlib import metadata, resources
from pathlib import Path, PurePosixPath
from typing import Final

from palmette.errors import StoreError, UsageError
from palmette.operations.writing import write_bytes

_UNWRITTEN: Final = "Allow writing there, or use --print."
_COMPONENT: Final = re.compile(r"[\w.-]+(/[\w.-]+)+(@[\w.~-]+)?")
_GITLAB: Final = """\
# Written by `palmette ci init gitlab`: every branch is an experiment, every commit a version.
workflow:
  auto_cancel: {on_new_commit: interruptible}
  rules: # one pipeline for a push: the merge request's, where one is open
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS && $CI_PIPELINE_SOURCE == "push"
      when: never
    - if: $CI_COMMIT_BRANCH || $CI_COMMIT_TAG

variables:
  PALMETTE_ALGORITHM: {value: "", description: "Full training: of this algorithm"}
  PALMETTE_OVERRIDES: {value: "", description: "with these settings, as in C=0.1 'title=two words'"}

include:
"""


class Forge(StrEnum):
    """Whose CI it is."""

    GITLAB = "gitlab"
    GITHUB = "github"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the CI file is to say."""

    forge: Forge
    #: the project of a GitLab that has Palmette's component: "group/palmette", "group/palmette@1.0.0"; empty for a file
    component: str = ""
    #: the image of GitLab's jobs; empty for the usual one
    image: str = ""
    #: the command that installs Palmette; empty for this version, from where pip finds it
    install: str = ""
    #: the command that makes the project's own environment; None for what its files ask for
    prepare: str | None = None


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a repository, as it is to be."""

    #: relative to the repository's root
    path: str
    text: str


class Standing(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    SAME = "same"
    #: another one is there, and stays
    DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A file that was to be written."""

    path: str
    standing: Standing
    #: from what is there to what would be written, as a unified diff; empty unless they differ
    difference: str = ""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """Something to set in the forge."""

    name: str
    why: str
    #: whether nobody else may see it
    secret: bool = False


def repository(root: Path) -> Path:
    """The root of the Git repository that holds the project; the project's own where none does."""
    return next((each for each in (root, *root.parents) if (each / ".git").exists()), root)


def files(wish: Wish, root: Path) -> tuple[File, ...]:
    """The files that make a CI train the project at this root."""
    within = PurePosixPath(root.relative_to(repository(root)).as_posix())
    usual = f"pip install --quiet --disable-pip-version-check palmette=={metadata.version('palmette')}"
    prepare = preparation(root) if wish.prepare is None else wish.prepare
    if wish.forge is Forge.GITLAB:
        return _gitlab(wish, within, prepare)
    return (_github(within, wish.install or usual, prepare),)


def preparation(root: Path) -> str:
    """The command that makes the project's own environment, by the files that it has; empty where none is needed."""
    if (root / "uv.lock").is_file():
        return "uv sync --frozen"
    if (root / "poetry.lock").is_file():
        return "pip install --quiet poetry && poetry install --no-interaction --no-root"
    if (root / "requirements.txt").is_file():
        return "uv venv --quiet && uv pip install --quiet -r requirements.txt"
    return "uv venv --quiet && uv pip install --quiet -r pyproject.toml" if _depends(root) else ""


def place(wanted: Sequence[File], top: Path) -> tuple[Placed, ...]:
    """Write the files that are not there yet; one that is there stays as it is."""
    placed = []
    for file in wanted:
        path = top / file.path
        there = _text(path)
        if there is None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, file.text.encode())
            except OSError as error:
                raise StoreError(f"{path} cannot be written: {error.strerror}", _UNWRITTEN) from error
            except UsageError as error:
                raise StoreError(error.message, _UNWRITTEN) from error
            placed.append(Placed(path=file.path, standing=Standing.WRITTEN))
        elif there == file.text:
            placed.append(Placed(path=file.path, standing=Standing.SAME))
        else:
            names = (f"{file.path} (is there)", f"{file.path} (palmette)")
            lines = unified_diff(there.splitlines(), file.text.splitlines(), *names, lineterm="")
            placed.append(Placed(path=file.path, standing=Standing.DIFFERS, difference="\n".join(lines)))
    return tuple(placed)


def variables(forge: Forge) -> tuple[Variable, ...]:
    """What to set in the forge, most useful first."""
    tracker = (
        Variable(name="JIRA_URL", why="your JIRA, so that an experiment is called by its ticket: [IA-1742] DOC TYPE"),
        Variable(name="JIRA_USER", why="who asks there; only JIRA Cloud needs it: an e-mail address"),
        Variable(name="JIRA_TOKEN", why="its token; it needs to read tickets only", secret=True),
    )
    home = (
        Variable(name="PALMETTE_ON", why="the address of your Palmette server. Without it each job trains by itself"),
        Variable(name="PALMETTE_TOKEN", why="made there by `palmette token create ci --role run`", secret=True),
    )
    if forge is Forge.GITHUB:
        return (*home, *tracker)
    note = "writes the note and the commit status: a project access token with the role Developer and the scope api"
    return (*home, Variable(name="PALMETTE_FORGE_TOKEN", why=note, secret=True), *tracker)


def _gitlab(wish: Wish, within: PurePosixPath, prepare: str) -> tuple[File, ...]:
    local = ".gitlab/palmette.yml"
    given = {"image": wish.image, "install": wish.install, "prepare": prepare}
    given["directory"] = "" if str(within) == "." else str(within)
    inputs = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in given.items() if value)
    source = f"local: {local}"
    if wish.component:
        source = f"component: $CI_SERVER_FQDN/{_component(wish.component)}"
    text = f"{_GITLAB}  - {source}\n" + (f"    inputs:\n{inputs}" if inputs else "")
    main = File(path=".gitlab-ci.yml", text=text)
    return (main,) if wish.component else (main, File(path=local, text=_shipped("gitlab-jobs.yml")))


def _component(said: str) -> str:
    """ "group/palmette/palmette@1.0.0" of what the user calls it."""
    path = said.removeprefix("$CI_SERVER_FQDN/").strip("/")
    if not _COMPONENT.fullmatch(path):
        raise UsageError(f"{said!r} is no project of a GitLab", "Name it by its path: --component group/palmette")
    project, _, version = path.partition("@")
    return f"{project}/palmette@{version or metadata.version('palmette')}"


def _github(within: PurePosixPath, install: str, prepare: str) -> File:
    text = _shipped("github.yml")
    report = (within / "palmette-report").as_posix()
    values = {"DIRECTORY": str(within), "INSTALL": install, "PREPARE": prepare or "true", "REPORT": report}
    for name, value in values.items():
        text = text.replace(f"@{name}@", json.dumps(value))
    return File(path=".github/workflows/palmette.yml", text=text)


def _shipped(name: str) -> str:
    return (resources.files("palmette.ci") / name).read_text(encoding="utf-8")


def _text(path: Path) -> str | None:
    """What a file says; None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "Mend it, or use --print.") from error


def _depends(root: Path) -> bool:
    """Whether pyproject.toml says what the project needs."""
    return bool(re.search(r"^dependencies\s*=\s*\[\s*[^\]\s]", _text(root / "pyproject.toml") or "", re.MULTILINE))
