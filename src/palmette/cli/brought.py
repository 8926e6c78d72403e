"""Runs of a Kubeflow, brought to where a verb of a CI looks for them."""

from __future__ import annotations

import time
from typing import Final

from palmette.cli.console import note
from palmette.cli.session import Session
from palmette.errors import ServerError
from palmette.operations import addressed
from palmette.operations.cluster import mirroring
from palmette.operations.cluster.kubeflow import KubeflowHost

#: Seconds before now of which runs are brought into a home that has none: among them is the baseline, most often.
_PAST: Final = 90 * 86400.0


def bring(session: Session) -> None:
    """Bring what the project's Kubeflow knows by now, where it has one. What cannot be brought is only said."""
    project = session.at_hand
    if project is None or addressed.chosen(project, session.environ, session.target) is None:
        return
    since = None if session.place.there else time.time() - _PAST
    try:
        host = session.host
        assert isinstance(host, KubeflowHost), host
        mirroring.mirror(session.place, host, project, session.environ, wanted=mirroring.Wanted(since=since))
    except ServerError as error:
        note(f"runs of the Kubeflow cannot be brought here just now: {error.message}")
