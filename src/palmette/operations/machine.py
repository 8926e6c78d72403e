"""This machine: what it has to give."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from palmette.domain.run import Host


def host(gpus: int | None = None, *, root: Path = Path("/")) -> Host:
    """The machine as this process may use it: what its affinity and its control groups leave, at least one CPU.

    `gpus` is what the settings declare; without it, the NVIDIA devices are counted. `root` is where /proc and the rest
    are looked for.
    """
    groups = tuple(_groups(root))
    shares = [share for directory in groups if (share := _share(directory)) is not None]
    limits = [limit for directory in groups if (limit := _limit(directory)) is not None]
    cpus = min([float(len(os.sched_getaffinity(0))), *shares])
    return Host(
        name=platform.node(),
        boot=_line(root / "proc/sys/kernel/random/boot_id"),
        cpus=max(1, int(cpus)),
        memory=min([_memory(root), *limits]),
        gpus=_gpus(root) if gpus is None else gpus,
        system=_system(root),
    )


def _line(path: Path) -> str:
    """The first line of a small file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _memory(root: Path) -> int:
    try:
        text = (root / "proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _gpus(root: Path) -> int:
    try:
        return sum(re.fullmatch(r"nvidia\d+", entry.name) is not None for entry in (root / "dev").iterdir())
    except OSError:
        return 0


def _system(root: Path) -> str:
    """ "Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64" """
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    with suppress(OSError):
        text = (root / "etc/os-release").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', text, re.MULTILINE):
            return f"{found[1]}, {kernel}"
    return kernel


# Control groups. A limit holds for all that is below it, so every group from this process's own upwards is asked.


def _groups(root: Path) -> Iterator[Path]:
    """The directories of the control groups that this process is in, and of those above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    mounts = tuple(_mounts(root))
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and not {"cpu", "memory"} & set(controllers.split(",")):
            continue
        for kinds, top, place in mounts:
            if controllers and not kinds & set(controllers.split(",")):
                continue
            if not controllers and kinds:
                continue
            # In a container the path may be the host's, which is not to be seen here: then the mount is the group.
            inner = PurePosixPath(path)
            below = inner.relative_to(top) if inner.is_relative_to(top) else PurePosixPath()
            own = root / place.lstrip("/") / below
            yield from (own, *list(own.parents)[: len(below.parts)])


def _mounts(root: Path) -> Iterator[tuple[frozenset[str], str, str]]:
    """Where control groups are mounted: the controllers (none for version 2), the group that is there, the place."""
    try:
        lines = (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        mount, _, system = line.partition(" - ")
        fields, about = mount.split(" "), system.split(" ")
        if len(fields) < 5 or len(about) < 3 or about[0] not in ("cgroup", "cgroup2"):
            continue
        kinds = frozenset(about[2].split(",")) & {"cpu", "memory"} if about[0] == "cgroup" else frozenset[str]()
        if about[0] == "cgroup2" or kinds:
            yield kinds, fields[3], fields[4].replace("\\040", " ")


def _share(group: Path) -> float | None:
    """The CPUs that a group may use; None for no limit."""
    quota, _, period = _line(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _line(group / "cpu.cfs_quota_us"), _line(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _limit(group: Path) -> int | None:
    """The bytes that a group may use; None for no limit. Version 1 writes a huge number for that."""
    limits = (_line(group / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes"))
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)
