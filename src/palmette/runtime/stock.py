"""A stock KFP component in a fork: what ``python -m MODULE ARGUMENTS`` does, with `kfp` imported already.

The template imports `kfp` before it is forked, with the variable set that keeps it to its light half.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import runpy
import sys

_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def main(arguments: list[str]) -> int:
    """Run the module as the main one; its exit code. Its own modules are all it sees: Palmette's are hidden."""
    atexit.register(_flush)
    sys.path[0] = os.getcwd()  # noqa: PTH109 - pathlib is not worth its import
    for name in [name for name in sys.modules if name.partition(".")[0] == "palmette"]:
        del sys.modules[name]
    module, *sys.argv[1:] = arguments
    try:
        runpy._run_module_as_main(module)  # type: ignore[attr-defined]
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the component's own, whatever it is; told as Python tells it
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _flush() -> None:
    """Write what files that nobody has closed still hold, as an interpreter does when it ends. A fork does not end so.

    What the template has is out of the collector's sight, and is none of the component's.
    """
    for each in gc.get_objects():
        if type(each) in _FILES and not each.closed and each.writable():
            with contextlib.suppress(OSError, ValueError):
                each.flush()
