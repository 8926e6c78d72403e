"""The program of the task `palmette-outcome`: what the tasks of a run measured and kept, gathered in one file.

No API of a cluster gives what a run made, and a cached task writes nothing under the run that uses it: only a task that
is never cached, and takes them, sees all of them. `palmette.runtime.delivery` takes this file's text into the pipeline,
under the same rules as `bootstrap`. It imports the standard library alone, and fails over nothing that it can say.

The file is a zip: outcome.json says of each artifact which task made it, and the artifacts' own bytes lie beside it.
"""

from __future__ import annotations

import sys

# As in `bootstrap`: a module in the working directory must not stand in for the standard library's.
sys.path[:] = [entry for entry in sys.path if entry]

import json  # noqa: E402
import os  # noqa: E402
import zipfile  # noqa: E402

MOUNTS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/", "oci://": "/oci/", "file://": ""}


def place(uri: str) -> str:
    """Where a launcher has put an artifact, or will take it from."""
    for scheme, mount in MOUNTS.items():
        if uri.startswith(scheme):
            return mount + uri[len(scheme) :]
    return uri


def size(path: str) -> int:
    """Bytes of a file; -1 where there is none."""
    return os.path.getsize(path) if os.path.isfile(path) else -1  # noqa: PTH113, PTH202


def entries(sources: dict, given: dict) -> list:  # type: ignore[type-arg]  # the text is to stay small
    """What is said of each artifact; where it lies stands under "path"."""
    found = []
    for name, source in sources.items():
        for each in given.get(name, dict()).get("artifacts", []):
            path = place(each["uri"])
            found.append(dict(source, metadata=each.get("metadata", dict()), size=size(path), path=path))
    return found


def chosen(found: list, most: int) -> None:  # type: ignore[type-arg]
    """Say of each what becomes of it: metrics come first, and the smallest, as long as there is room."""
    for number, entry in enumerate(sorted(found, key=lambda each: (each["format"] == "kept", each["size"]))):
        secret = entry.get("sensitive") and entry.get("format") != "evaluation"
        if entry["size"] < 0:
            entry["left"] = "its file is not there"
        elif secret:
            entry["left"] = "it is sensitive"
        elif entry["size"] > most:
            entry["left"] = str(entry["size"]) + " bytes are more than there is room for"
        else:
            entry["file"] = str(number)
            most -= entry["size"]
        if secret:
            entry["metadata"] = dict()


def main(arguments: list[str]) -> int:
    """Write the outcome of the ExecutorInput's artifacts: scope, sources, limit, the ExecutorInput."""
    scope, sources, most, text = arguments
    asked = json.loads(text)
    given = asked.get("inputs", dict())
    found = entries(json.loads(sources), given.get("artifacts", dict()))
    chosen(found, int(most))
    target = place(asked["outputs"]["artifacts"]["outcome"]["artifacts"][0]["uri"])
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    with zipfile.ZipFile(target, "w", strict_timestamps=False) as file:
        for entry in found:
            path = entry.pop("path")
            if "file" in entry:
                file.write(path, entry["file"])
        items = given.get("parameterValues", dict())
        file.writestr("outcome.json", json.dumps(dict(schema=1, scope=scope, items=items, artifacts=found)))
    print("palmette: gathered", len(found), "artifacts of", scope)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
