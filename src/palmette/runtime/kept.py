"""What a cluster would lose of a task: the values that it gave, its small artifacts and what it logged, in one file."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from palmette.authoring import events
from palmette.domain.values import Json
from palmette.runtime.request import KEPT, Request

#: bytes of an artifact, of all of them, and of what was logged, that are taken along
EACH, MOST, LOGGED = 1 << 20, 4 << 20, 8 << 20


def listen(asked: Request) -> None:
    """Keep what is logged from now on, where nobody else does."""
    if KEPT in asked.outputs and not os.environ.get("PALMETTE_EVENTS"):
        path = _events(asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        events.open(str(path))


def keep(asked: Request, parameters: Mapping[str, Json], artifacts: Mapping[str, Mapping[str, Json]]) -> None:
    """Write the file. Metrics are handed on as they are, and of what is sensitive nothing is taken."""
    room = MOST
    listed = {}
    target = asked.outputs[KEPT].path
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as file:
        for name, metadata in artifacts.items():
            placed = asked.outputs[name]
            if metadata.get("sensitive") or placed.type.get("schemaTitle") == "system.Metrics":
                continue
            size = placed.path.stat().st_size if placed.path.is_file() else -1
            listed[name] = {"type": placed.type, "metadata": metadata, "size": size}
            if 0 <= size <= min(EACH, room):
                room -= size
                file.write(placed.path, f"made/{name}")
        path = Path(os.environ.get("PALMETTE_EVENTS", "") or _events(asked))
        if path.is_file():
            with path.open("rb") as lines:
                logged = lines.read(LOGGED)
            file.writestr("logged", logged[: logged.rfind(b"\n") + 1])
        cut = path.is_file() and path.stat().st_size > LOGGED
        file.writestr("kept.json", json.dumps({"values": parameters, "made": listed, "cut": cut}))


def _events(asked: Request) -> Path:
    path = asked.outputs[KEPT].path
    return path.with_name(f".{path.name}.events")
