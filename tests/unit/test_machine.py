"""What the machine has to give, and the user's own directories on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from palmette.errors import PalmetteError
from palmette.operations.directories import cache_directory, runtime_directory
from palmette.operations.machine import host

GIB = 1 << 30
V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "31 24 0:27 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 {top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 24 0:29 {top} /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
)


def machine(root: Path, cgroup: str = "", mounts: str = "", **files: str) -> Path:
    written = {
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": mounts,
        "proc/meminfo": f"MemTotal:       {64 * GIB // 1024} kB\nMemFree: 1 kB\n",
        "proc/sys/kernel/random/boot_id": "abc-def\n",
        "etc/os-release": 'NAME="X"\nPRETTY_NAME="Debian 12"\n',
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "dev").mkdir()
    return root


CPUS = len(os.sched_getaffinity(0))


def test_this_machine_can_be_described() -> None:
    here = host()
    assert 1 <= here.cpus <= CPUS
    assert here.memory > 1 << 26
    assert here.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert here.name == os.uname().nodename
    assert os.uname().release in here.system


def test_without_limits_it_is_what_the_machine_has(tmp_path: Path) -> None:
    here = host(root=machine(tmp_path))
    assert (here.cpus, here.memory, here.boot, here.gpus) == (CPUS, 64 * GIB, "abc-def", 0)
    assert here.system.startswith("Debian 12, Linux ")


def test_version_2_limits_hold_for_what_is_below_them(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "0::/user/shell\n",
        V2,
        **{
            "cpu.max": "max 100000\n",
            "user/cpu.max": "150000 100000\n",
            "user/shell/cpu.max": "max 100000\n",
            "user/shell/memory.max": f"{8 * GIB}\n",
            "user/memory.max": f"{2 * GIB}\n",
            "other/memory.max": "1\n",
        },
    )
    here = host(root=root)
    assert (here.cpus, here.memory) == (1, 2 * GIB)


@pytest.mark.parametrize(("quota", "cpus"), [("1000", 1), ("99900000", CPUS), ("max", CPUS), ("", CPUS), ("x", CPUS)])
def test_a_share_is_at_least_one_cpu_and_no_more_than_there_are(tmp_path: Path, quota: str, cpus: int) -> None:
    root = machine(tmp_path, "0::/\n", V2, **{"cpu.max": f"{quota} 100000\n"})
    assert host(root=root).cpus == cpus


@pytest.mark.parametrize("top", ["/", "/docker/abc"])
def test_version_1_limits_are_found_in_a_container_too(tmp_path: Path, top: str) -> None:
    root = machine(
        tmp_path,
        "5:pids:/docker/abc\n4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
        V1.format(top=top),
        **{
            "cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": f"{3 * GIB}\n",
            "memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    here = host(root=root)
    assert (here.cpus, here.memory) == (1, 3 * GIB)


def test_no_quota_in_version_1_is_no_limit(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    assert host(root=machine(tmp_path, "3:cpu,cpuacct:/\n", V1.format(top="/"), **files)).cpus == CPUS


def test_gpus_are_counted_or_declared(tmp_path: Path) -> None:
    root = machine(tmp_path)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (root / "dev" / name).touch()
    assert host(root=root).gpus == 2
    assert host(0, root=root).gpus == 0
    assert host(7, root=root).gpus == 7


# Directories

UID = os.getuid()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_processes_meet_in_the_sessions_directory_and_else_in_the_temporary_one(tmp_path: Path) -> None:
    session = tmp_path / "session"
    session.mkdir()
    assert runtime_directory({"XDG_RUNTIME_DIR": str(session)}, UID, temporary=tmp_path) == session / "palmette"
    assert mode(session / "palmette") == 0o700
    for elsewhere in ({}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "a"}, {"XDG_RUNTIME_DIR": str(tmp_path / "x")}):
        assert runtime_directory(elsewhere, UID, temporary=tmp_path) == tmp_path / f"palmette-{UID}"
    assert mode(tmp_path / f"palmette-{UID}") == 0o700


def test_a_directory_that_is_open_to_others_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / f"palmette-{UID}"
    directory.mkdir()
    directory.chmod(0o750)
    with pytest.raises(PalmetteError, match=r"open to other users \(mode 750\)\nRemove it"):
        runtime_directory({}, UID, temporary=tmp_path)
    directory.rmdir()
    directory.symlink_to(tmp_path)
    with pytest.raises(PalmetteError, match="not a directory"):
        runtime_directory({}, UID, temporary=tmp_path)
    directory.unlink()
    directory.touch()
    with pytest.raises(PalmetteError, match="not a directory"):
        runtime_directory({}, UID, temporary=tmp_path)


def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"palmette-{UID + 1}").mkdir(mode=0o700)
    with pytest.raises(PalmetteError, match="belongs to another user"):
        runtime_directory({}, UID + 1, temporary=tmp_path)
    # and so is the session directory of the user one was before
    chosen = runtime_directory({"XDG_RUNTIME_DIR": str(tmp_path)}, UID, temporary=tmp_path)
    assert chosen == tmp_path / "palmette"


def test_the_cache_lies_where_the_user_says_and_else_at_home(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    assert cache_directory(home) == tmp_path / "home" / ".cache" / "palmette"
    assert mode(cache_directory(home)) == 0o700
    assert cache_directory({**home, "XDG_CACHE_HOME": str(tmp_path / "x")}) == tmp_path / "x" / "palmette"
    assert cache_directory({**home, "XDG_CACHE_HOME": "relative"}) == tmp_path / "home" / ".cache" / "palmette"


def test_a_cache_others_may_read_is_fine_and_one_they_may_write_is_not_used(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    (tmp_path / "palmette").mkdir()
    (tmp_path / "palmette").chmod(0o755)
    assert cache_directory(environ) == tmp_path / "palmette"
    (tmp_path / "palmette").chmod(0o777)
    assert cache_directory(environ, temporary=tmp_path) == tmp_path / f"palmette-{UID}" / "cache"


def test_a_home_that_cannot_be_written_leaves_the_runtime_directory(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    chosen = cache_directory({"HOME": str(tmp_path / "home")}, temporary=tmp_path)
    assert chosen == tmp_path / f"palmette-{UID}" / "cache"
