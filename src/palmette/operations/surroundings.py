"""What a step's process sees of the machine: little, so that what it needs is declared and holds elsewhere too."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from palmette.operations.project import Project

#: Passed on without being declared: where things are, how text is written, how the network is reached. Nothing here
#: should change a result.
_PASSED: Final = frozenset(
    {
        "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER", "LD_LIBRARY_PATH",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    }
)  # fmt: skip

#: Palmette's own: no step is handed them, whatever it declares.
_CONFIDENTIAL: Final = frozenset({"PALMETTE_KEY", "PALMETTE_KEY_OLD", "PALMETTE_TOKEN", "PALMETTE_STORE"})


def lent(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a step may declare, or its interpreter see: all but what opens Palmette's own doors."""
    return {name: value for name, value in environ.items() if name not in _CONFIDENTIAL}


def base(environ: Mapping[str, str], declared: Collection[str] = ()) -> dict[str, str]:
    """The variables that are passed on: the usual ones, locales, and what a step declared."""
    return {
        name: value for name, value in environ.items() if name in _PASSED or name.startswith("LC_") or name in declared
    }


def places(project: Project, bundles: Path) -> dict[str, str]:
    """Where the runtime finds the bundle, and which source tree must not be used in its place."""
    return {
        "PALMETTE_BUNDLES": str(bundles),
        "PALMETTE_PROJECT": str(project.root),
        "PALMETTE_SOURCES": os.pathsep.join(str(root) for root in project.roots),
    }
