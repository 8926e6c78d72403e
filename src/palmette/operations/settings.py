"""`[tool.palmette]` in pyproject.toml: which settings there are, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, assert_never

from palmette.domain.values import Json
from palmette.errors import Problem
from palmette.operations import bounds, continuing, targets
from palmette.operations.bounds import Gates
from palmette.operations.containers import CHOICES
from palmette.operations.continuing import Continuous
from palmette.operations.spelling import meant
from palmette.operations.targets import Targets


class Kind(StrEnum):
    """What a setting's value may be."""

    TEXT = "text"
    TEXTS = "list of texts"
    FLAG = "true or false"
    COUNT = "whole number from 0"
    TABLE = "table of texts"
    GATES = "table of gates"
    CI = "table of what CI does"
    TARGETS = "table of Kubeflows"
    BASELINES = 'table of algorithms ("tumour") and aliases ("tumour@production")'


@dataclass(frozen=True, kw_only=True)
class Option:
    """One key of `[tool.palmette]`."""

    name: str
    kind: Kind
    #: None where what stands in pyproject.toml's place is found out; the description says how
    default: Json
    description: str
    #: the only texts that are allowed; empty for any
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may stand there, in words."""
        return " or ".join(f'"{choice}"' for choice in self.choices) if self.choices else f"a {self.kind}"


#: An algorithm, or an alias of one.
_BASELINE: Final = re.compile(r"[^@\s]+(@[^@\s]+)?")

#: Every setting, in the order of the reference. A setting that is not here does not exist.
SETTINGS: Final = (
    Option(
        name="name",
        kind=Kind.TEXT,
        default=None,
        description="What the project is called in the store. Without it: `[project] name`, else the directory's name.",
    ),
    Option(
        name="algorithms",
        kind=Kind.TEXTS,
        default=None,
        description="The modules and packages that are searched for algorithms, as they are imported "
        '("clinic.training"). Without it: the package `algorithms` if there is one, else all of the project\'s modules '
        "but its tests.",
    ),
    Option(
        name="source-roots",
        kind=Kind.TEXTS,
        default=None,
        description="The directories from which the project's own modules are imported, relative to pyproject.toml. "
        "What is imported from there is taken along with a step; everything else is third-party and pinned. Without "
        "it: `src` if it is there, and the project's directory if it holds packages or there is no `src`.",
    ),
    Option(
        name="python",
        kind=Kind.TEXT,
        default=None,
        description="The interpreter that runs the project's code: an executable, the directory of a virtual "
        'environment (both relative to pyproject.toml), or a command ("python3.12"). "locked" builds an environment '
        "from the lock, and keeps it in your cache. Without it, it is looked for.",
    ),
    Option(
        name="home",
        kind=Kind.TEXT,
        default=".palmette",
        description="The directory that remembers runs, relative to pyproject.toml. The variable PALMETTE_STORE "
        "precedes it.",
    ),
    Option(
        name="on",
        kind=Kind.TEXT,
        default="",
        description="The server whose runs are looked at and changed, as `palmette login` named it, or its URL. The "
        "variable PALMETTE_ON precedes it, and the option --on that; `local` means this machine.",
    ),
    Option(
        name="image",
        kind=Kind.TEXT,
        default="",
        description="The container image in which steps run on a cluster. It is the environment: it must hold the "
        "pinned packages.",
    ),
    Option(
        name="install",
        kind=Kind.FLAG,
        default=False,
        description="Whether a step on a cluster installs pinned packages that its image lacks.",
    ),
    Option(
        name="closure",
        kind=Kind.TEXT,
        default="definitions",
        choices=("definitions", "package"),
        description="How much of the project a step's result is taken to depend on: the definitions it reaches, or "
        "all of its top-level packages. With `package` whole packages are taken along, which also answers dynamic "
        "imports.",
    ),
    Option(
        name="default-branch",
        kind=Kind.TEXT,
        default=None,
        description="The branch that others are compared with, outside of a merge request. Without it: the one that "
        "the remote `origin` calls its own, else `main` or `master`, whichever is there.",
    ),
    Option(
        name="baselines",
        kind=Kind.BASELINES,
        default={},
        description="What an algorithm is compared with instead of its own runs: another algorithm's, or the run that "
        'an alias says (new = "tumour", or new = "tumour@production").',
    ),
    Option(
        name="lock",
        kind=Kind.TEXT,
        default="auto",
        description='The file from which packages are pinned. "auto" takes the first of uv.lock, pylock.toml, '
        'poetry.lock and a requirements.txt with hashes; "none" pins what is installed; anything else is a path '
        "relative to pyproject.toml.",
    ),
    Option(
        name="requires",
        kind=Kind.TEXTS,
        default=[],
        description='Packages that the steps need although no import shows it ("s3fs"); they are pinned and '
        "fingerprinted with the rest.",
    ),
    Option(
        name="environments",
        kind=Kind.TABLE,
        default={},
        description="Environments with a lock of their own, for steps that name them with `environment=`: a "
        'requirements file with hashes, a pylock.toml, or another lock file (torch = "requirements-torch.txt"). A '
        "group or an extra of the project's own lock need not stand here.",
    ),
    Option(
        name="images",
        kind=Kind.TABLE,
        default={},
        description="The container images in which steps of these environments run on a cluster "
        '(torch = "registry.example/torch:2"). Without one they run in `image`.',
    ),
    Option(
        name="gpus",
        kind=Kind.COUNT,
        default=None,
        description="How many GPUs of this machine tasks may be given. Without it: as many as it has.",
    ),
    Option(
        name="containers",
        kind=Kind.TEXT,
        default="process",
        choices=CHOICES,
        description="How tasks are executed: as processes of this machine, which use no image, or in their images with "
        "Docker or Podman. The variable PALMETTE_CONTAINERS and the option --containers precede it.",
    ),
    Option(
        name="gates",
        kind=Kind.GATES,
        default={},
        description="Bounds that a run's metrics must keep, by algorithm: [tool.palmette.gates.tumour] with "
        "auc = {minimum = 0.97, max-drop = 0.01}. Each takes the place of what the code declares for that metric, in "
        "runs from then on. `minimum` bounds the number itself (from above, where less is better), `max-drop` its loss "
        "against the baseline.",
    ),
    Option(
        name="ci",
        kind=Kind.CI,
        default={},
        description="How a project is trained by its CI: a table [tool.palmette.ci].",
    ),
    Option(
        name="targets",
        kind=Kind.TARGETS,
        default={},
        description="Kubeflows that pipelines are sent to, by name: a table [tool.palmette.targets.cluster] for each.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `[tool.palmette]` says; None where it leaves the answer to be found."""

    name: str | None = None
    algorithms: tuple[str, ...] | None = None
    source_roots: tuple[str, ...] | None = None
    python: str | None = None
    home: str = ".palmette"
    on: str = ""
    image: str = ""
    install: bool = False
    closure: str = "definitions"
    default_branch: str | None = None
    baselines: Mapping[str, str] = field(default_factory=dict)
    lock: str = "auto"
    requires: tuple[str, ...] = ()
    environments: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    gpus: int | None = None
    containers: str = CHOICES[0]
    gates: Gates = field(default_factory=dict)
    ci: Continuous = Continuous()
    targets: Targets = field(default_factory=dict)


#: tables that are read by those whom they concern
_READERS: Final[Mapping[Kind, Callable[[Json], tuple[object, tuple[Problem, ...]]]]] = {
    Kind.GATES: bounds.read,
    Kind.CI: continuing.read,
    Kind.TARGETS: targets.read,
}


def parse(table: Json) -> tuple[Settings, tuple[Problem, ...]]:
    """Read the table; every key that is unknown and every value that is not allowed is a problem."""
    if not isinstance(table, Mapping):
        return Settings(), (Problem(where="[tool.palmette]", what="must be a table", hint="Write [tool.palmette]."),)
    known = {setting.name: setting for setting in SETTINGS}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in table.items():
        setting = known.get(key)
        if setting is None:
            problems.append(_unknown(key, known))
        elif reader := _READERS.get(setting.kind):
            values[key], wrong = reader(value)
            problems += wrong
        elif not _fits(setting, value):
            what = f"{value!r} is not {setting.allowed}"
            problems.append(Problem(where=f"[tool.palmette] {key}", what=what, hint=setting.description))
        else:
            values[key.replace("-", "_")] = tuple(value) if isinstance(value, list) else value
    return Settings(**values), tuple(problems)


def _unknown(key: str, known: Mapping[str, Option]) -> Problem:
    hint = meant(key, known, "Known settings")
    return Problem(where=f"[tool.palmette] {key}", what="there is no such setting", hint=hint)


def _fits(setting: Option, value: Json) -> bool:
    match setting.kind:
        case Kind.TEXT:
            given = isinstance(value, str) and (bool(value.strip()) or value == setting.default)
            return given and (not setting.choices or value in setting.choices)
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(entry, str) and entry.strip() for entry in value)
        case Kind.TABLE | Kind.GATES | Kind.CI | Kind.TARGETS:
            return isinstance(value, Mapping) and all(isinstance(each, str) and each.strip() for each in value.values())
        case Kind.BASELINES:
            texts = value.values() if isinstance(value, Mapping) else (None,)
            return all(isinstance(each, str) and _BASELINE.fullmatch(each) for each in texts)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.COUNT:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    assert_never(setting.kind)
