"""The program of a captured step's container: check what was sent, make it importable, hand over to the runtime.

`palmette.runtime.delivery` takes this file's text into the pipeline. So it imports nothing of Palmette's at the top, is
small, runs on a Python that is too old far enough to say so, and holds no doubled brace and no dollar sign before a
parenthesis: KFP, Argo and Kubernetes would replace them.
"""

from __future__ import annotations

import sys

# The working directory comes first for `python -c`; a module lying there must not stand in for the standard library's.
sys.path[:] = [entry for entry in sys.path if entry]

import base64  # noqa: E402
import gzip  # noqa: E402
import hashlib  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import tarfile  # noqa: E402
import tempfile  # noqa: E402
import zlib  # noqa: E402
from importlib import import_module  # noqa: E402


def fail(what: str) -> SystemExit:
    """One message on standard error, exit code 1."""
    return SystemExit("palmette: " + what)


def options(arguments: list[str]) -> dict[str, str]:
    """The arguments by name; the flag --install has the value "yes"."""
    found, rest = {"install": ""}, list(arguments)
    while rest:
        name = rest.pop(0)
        flag = name == "--install"
        if name[:2] != "--" or not (flag or rest):
            raise fail("the container was given an argument too many or too few: " + name[:80])
        found[name[2:]] = "yes" if flag else rest.pop(0)
    lacking = [name for name in ("--step", "--bundle", "--executor-input") if name[2:] not in found]
    if lacking:
        raise fail("the container was not given " + ", ".join(lacking))
    return found


def members(archive: str) -> dict[str, bytes]:
    """The archive's files by their paths."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(base64.b64decode(archive, validate=True)))) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if not stream or member.name in found:
                    raise fail("the bundle holds something that is not a plain file: " + member.name)
                found[member.name] = stream.read()
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise fail("the bundle in the pipeline is damaged: " + str(error)) from None
    return found


def manifest(data: bytes, expected: str) -> dict[str, str]:
    """The path and SHA-256 of each file, if this is the manifest that the pipeline was compiled with."""
    if hashlib.sha256(data).hexdigest() != expected:
        raise fail("the bundle is not the one that the pipeline was compiled with, " + expected)
    found = json.loads(data)
    least = found["python"]
    if sys.version_info < tuple(map(int, least.split("."))):
        raise fail("the step needs Python " + least + " or newer, and this is " + sys.version.split()[0])
    return {entry["path"]: entry["sha256"] for entry in found["files"]}


def unpack(files: dict[str, bytes], expected: str, directory: str) -> None:
    """Write exactly the files that the manifest lists, each checked, below the directory."""
    listed = manifest(files.get("manifest.json", b""), expected)
    if {*listed, "manifest.json"} != {*files}:
        raise fail("the bundle's files are not those of its manifest")
    for path, data in files.items():
        if os.path.normpath(path) != path or path[0] in "/." or "\\" in path:
            raise fail("the bundle holds a path that leads out of it: " + path)
        if path in listed and hashlib.sha256(data).hexdigest() != listed[path]:
            raise fail("a file of the bundle is damaged: " + path)
        target = os.path.join(directory, path)  # noqa: PTH118
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "xb") as file:  # noqa: PTH123
            file.write(data)


def run(given: dict[str, str], directory: str) -> int:
    """Hand over to the bundle in the directory."""
    sys.path.insert(0, directory)
    import_module("palmette.runtime.environment").verify(json.loads(given.get("pins", "{}")), given["install"])
    handed = [given["step"], given["executor-input"], directory, given.get("fields", "")]
    code: int = import_module("palmette.runtime.task").main(handed)
    return code


def main(arguments: list[str]) -> int:
    """Run the step; its exit code."""
    given = options(arguments)
    digest, bundles = given["bundle"], os.environ.get("PALMETTE_BUNDLES")
    if bundles:
        directory = os.path.join(bundles, digest)  # noqa: PTH118
        try:
            with open(os.path.join(directory, "manifest.json"), "rb") as file:  # noqa: PTH118, PTH123
                manifest(file.read(), digest)
        except OSError as error:
            raise fail("the bundle is not there: " + str(error)) from None
        return run(given, directory)
    if "archive" not in given:
        raise fail("the bundle is neither in the pipeline nor in a directory that PALMETTE_BUNDLES names")
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        unpack(members(given["archive"]), digest, directory)
        return run(given, directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
