"""A stock KFP component in a fork: what ``python -m MODULE ARGUMENTS`` does, with `kfp` imported already.

The template imports `kfp` before it is forked, with the variable set that keeps it to its light half. A component of an
old SDK that needs a fresh process is started with this file as the program.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import runpy
import sys
import types

_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def main(arguments: list[str]) -> int:
    """Run the module as the main one; its exit code. Its own modules are all it sees: Palmette's are hidden."""
    atexit.register(_flush)
    sys.path[0] = os.getcwd()  # noqa: PTH109 - pathlib is not worth its import
    for name in [name for name in sys.modules if name.partition(".")[0] == "palmette"]:
        del sys.modules[name]
    module, *sys.argv[1:] = arguments
    _be_at_home(module)
    try:
        runpy._run_module_as_main(module)  # type: ignore[attr-defined]
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the component's own, whatever it is; told as Python tells it
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _be_at_home(module: str) -> None:
    """Let a path be the address of an artifact. Before 2.5 the SDK knew object stores only, and gave it no path."""
    kind = importlib.import_module(module.rpartition(".")[0] + ".types.artifact_types").Artifact
    if kind(uri="/").path is None:
        known = kind._get_path
        kind._get_path = lambda self: known(self) or self.uri


def _flush() -> None:
    """Write what files that nobody has closed still hold, as an interpreter does when it ends. A fork does not end so.

    What the template has is out of the collector's sight, and is none of the component's.
    """
    for each in gc.get_objects():
        if type(each) in _FILES and not each.closed and each.writable():
            with contextlib.suppress(OSError, ValueError):
                each.flush()


if __name__ == "__main__":
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.exit(main(sys.argv[1:]))
