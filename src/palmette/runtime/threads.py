"""How many threads numerical libraries use, settled in a process that has loaded them already.

Measured with the wheels of NumPy 2.4, SciPy 1.17 and scikit-learn 1.9: OpenBLAS starts its threads when it is loaded,
each copy of it (NumPy's and SciPy's) its own, unless OPENBLAS_NUM_THREADS is 1. Its set_num_threads then starts them
after a fork as if nothing had happened (a product of two matrices keeps both cores busy). OpenMP starts threads at the
first parallel region only, and no import enters one.
"""

# ruff: noqa: PTH123
from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable

#: Read when a library is loaded, so these hold for what a step loads later, and for the processes it starts.
VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT"),
)
LIBRARIES = {
    "openblas": tuple(f"{scipy}openblas_set_num_threads{wide}" for scipy in ("scipy_", "") for wide in ("64_", "")),
    "mkl_rt": ("MKL_Set_Num_Threads",),
    "blis": ("bli_thread_set_num_threads",),
    "omp": ("omp_set_num_threads",),
}


def variables(count: int) -> dict[str, str]:
    """What an environment says to give every library this many threads."""
    return dict.fromkeys(VARIABLES, str(count))


def setters() -> list[Callable[[int], object]]:
    """The function that sets the number of threads, of each library that is loaded (OpenBLAS, MKL, BLIS, OpenMP)."""
    with open("/proc/self/maps") as file:
        paths = {line.rstrip("\n").split(None, 5)[5] for line in file if "/" in line}
    found: list[Callable[[int], object]] = []
    for path in sorted(paths):
        for part, names in LIBRARIES.items():
            if part in path.rpartition("/")[2]:
                with contextlib.suppress(OSError):
                    library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
                    found += [getattr(library, name) for name in names if hasattr(library, name)]
    return found
