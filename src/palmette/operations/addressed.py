"""Which host of pipelines is meant: the home itself, or one of the project's Kubeflows."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from palmette.errors import NotFound
from palmette.operations.hosts import PipelineHost
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.targets import Target

#: what `--target` says for the home, whatever the project's settings say
HOME: Final = "home"
VARIABLE: Final = "PALMETTE_TARGET"
#: the official client takes a second to import: only a target needs it
_KUBEFLOW: Final = "palmette.operations.cluster.kubeflow"


def host(place: Place, project: Project | None, environ: Mapping[str, str], target: str = "") -> PipelineHost:
    """The host that is meant: what `target` names, else PALMETTE_TARGET, else `target` of [tool.palmette.ci]; the home
    where nothing does. NotFound for a name that the project's targets do not have."""
    named = chosen(project, environ, target)
    if named is None:
        return PlacedHost(place)
    found: PipelineHost = import_module(_KUBEFLOW).reach(named, environ)
    return found


def chosen(project: Project | None, environ: Mapping[str, str], target: str = "") -> Target | None:
    """The Kubeflow that is meant; None for the home."""
    said = environ.get(VARIABLE, "").strip()
    name = target or said or (project.ci.target if project else "")
    if name in ("", HOME):
        return None
    known = project.targets if project else {}
    if name in known:
        return known[name]
    raise NotFound(f"there is no target {name!r}", _hint(name, known, whence=VARIABLE if said == name else ""))


def _hint(name: str, known: Mapping[str, Target], *, whence: str) -> str:
    said = f"{whence} names it. " if whence else ""
    if not known:
        return (
            f'{said}Declare it: [tool.palmette.targets.{name}] with host = "https://…", or leave it out for the home.'
        )
    close = get_close_matches(name, known, n=1)
    return f"{said}Did you mean {close[0]!r}?" if close else f"{said}There are: {', '.join(known)}, and {HOME}."
