"""What fsspec knows of an address, as JSON on standard output: a program of its own, so that nobody else loads it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import fsspec


def main(arguments: Sequence[str]) -> None:
    """Describe what lies at the first argument; with a second one, copy it there instead, if it has at most as many
    bytes as the third one says."""
    system, path = fsspec.core.url_to_fs(arguments[0])
    if len(arguments) > 1:
        size, most = system.du(path), int(arguments[2])
        if size > most:
            raise SystemExit(f"it has {size:,} bytes, and at most {most:,} can be copied")
        system.get(path, arguments[1], recursive=system.isdir(path))
        return
    if system.isdir(path):
        found: Mapping[str, Any] = system.find(path, detail=True)
        parts = sorted((name.removeprefix(path), version(each), each["size"]) for name, each in found.items())
        digest = "etag:" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        said = {"digest": digest, "size": sum(size for *_, size in parts), "directory": True}
    else:
        about = system.info(path)
        said = {"digest": version(about), "size": about["size"] or 0}
    print(json.dumps(said))


def version(about: Mapping[str, Any]) -> str:
    """What changes whenever the object does."""
    for key in ("ETag", "etag", "md5Hash", "content_md5", "checksum", "generation"):
        if about.get(key):
            return f"etag:{about[key]}"
    for key in ("LastModified", "last_modified", "updated", "mtime"):
        if about.get(key):
            return f"modified:{about[key]};{about['size']}"
    raise SystemExit("its host says nothing that changes with it")


if __name__ == "__main__":
    main(sys.argv[1:])
