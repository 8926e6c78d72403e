"""What a server says of its being there. Light, so that it can be said before the rest is loaded."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

#: Where it is asked for; needs no token, and tells nothing else.
PATHS: Final = frozenset({"/healthz", "/apis/v2beta1/healthz", "/apis/v1beta1/healthz"})
#: All of it is said, though most of it is zero: a client looks at `multi_user`.
HEALTHY: Final = {
    "commit_sha": "",
    "tag_name": f"palmette {version('palmette')}",
    "multi_user": False,
    "pipeline_store": "database",
}
