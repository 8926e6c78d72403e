"""Cancel a run that one of the project's Kubeflows executes."""

from __future__ import annotations

from collections.abc import Mapping

from palmette.domain.run import Run
from palmette.errors import ProjectError
from palmette.operations import mirrors, reading
from palmette.operations.cluster import mirroring
from palmette.operations.cluster.kubeflow import reach
from palmette.operations.cluster.official import address
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.targets import Target


def terminate(place: Place, project: Project, environ: Mapping[str, str], ref: str) -> Run | None:
    """Ask the run's host to cancel it, and bring here what became of it: the run as it is then, which may go on for a
    moment. None where none of the project's targets is its host: nothing was done."""
    origin = place(mirrors.origin, ref)
    target = _meant(project, environ, origin.host) if origin is not None else None
    if origin is None or target is None:
        return None
    host = reach(target, environ)
    host.runs.cancel(origin.id)
    mirroring.again(place, host, project, environ, origin.id)
    return place(reading.show, origin.run).run


def _meant(project: Project, environ: Mapping[str, str], host: str) -> Target | None:
    """The target that is this host, of several namespaces the one that is meant."""
    url, _, namespace = host.partition("#")
    for target in project.targets.values():
        try:
            if address(target, environ) == url and namespace in ("", target.namespace):
                return target
        except ProjectError:
            continue
    return None
