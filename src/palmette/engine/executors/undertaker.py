"""Removes the containers of a driver that dies.

A container is no child of the program that asked for it, so no kernel ends it with its driver. This small process does:
the driver tells it over standard input, a line of JSON each, which containers there are and which are gone. At the end
of the input, however it comes to that, it removes those that are left, and the files that were lent to them.

Runs as a program of its own (``python -I -S undertaker.py RUNTIME``). Imports the standard library only.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys


def main() -> None:
    """Wait for the driver's end, and clear away behind it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left: dict[str, str] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "files" in message:
            left[message["name"]] = message["files"]
        else:
            left.pop(message["name"], None)
    if left:
        remove(sys.argv[1], *left)
    for files in left.values():
        shutil.rmtree(files, ignore_errors=True)


def remove(runtime: str, *names: str) -> None:
    """Kill and remove the containers; those that do not exist are none of its business."""
    quiet = subprocess.DEVNULL
    subprocess.run([runtime, "rm", "--force", *names], stdin=quiet, stdout=quiet, stderr=quiet, timeout=60, check=False)


if __name__ == "__main__":
    main()
