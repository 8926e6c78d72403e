"""The host's slots are shared by all drivers: never handed out twice, never lost, and nobody is left waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from palmette.engine.slots import HostSlots
from palmette.errors import UsageError

GIB = 2**30


def slots(directory: Path, *, cpus: int = 4, memory: int = 16 * GIB, gpus: int = 2) -> HostSlots:
    return HostSlots(directory, cpus=cpus, memory=memory, gpus=gpus)


def driver(directory: Path, body: str) -> subprocess.Popen[str]:
    """Another process, with slots for 4 cores, 16 GiB and 2 GPUs."""
    head = f"""
        import os, sys, time, random
        from pathlib import Path
        from palmette.engine.slots import HostSlots
        slots = HostSlots(Path({str(directory)!r}), cpus=4, memory=16 << 30, gpus=2)
    """
    program = textwrap.dedent(head) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_claim_is_whole_or_nothing(tmp_path: Path) -> None:
    one, other = slots(tmp_path), slots(tmp_path)
    first = one.claim(3, 0, 0)
    assert first
    assert other.claim(2, GIB, 1) is None
    first.release()
    second = other.claim(2, GIB, 1)
    assert second
    assert (second.threads, second.gpus) == (2, (0,))


def test_gpus_are_handed_out_one_by_one(tmp_path: Path) -> None:
    one, other = slots(tmp_path), slots(tmp_path)
    first, second = one.claim(0.25, 0, 1), other.claim(0.25, 0, 1)
    assert first
    assert second
    assert (first.gpus, second.gpus) == ((0,), (1,))
    assert one.claim(0.25, 0, 1) is None


def test_fractions_of_a_core_are_shared(tmp_path: Path) -> None:
    host = slots(tmp_path, cpus=1)
    claims = [host.claim(0.3, 0, 0) for _ in range(3)]
    assert [claim is not None for claim in claims] == [True, True, False]
    assert claims[0]
    assert claims[0].threads == 1


def test_releasing_twice_gives_back_once(tmp_path: Path) -> None:
    host = slots(tmp_path, cpus=1)
    first = host.claim(1, 0, 0)
    assert first
    first.release()
    second = host.claim(1, 0, 0)
    first.release()
    assert second
    assert host.claim(1, 0, 0) is None


def test_more_cores_than_there_are_means_all_of_them(tmp_path: Path) -> None:
    claim = slots(tmp_path).claim(99, 0, 0)
    assert claim
    assert claim.threads == 4


def test_more_memory_and_gpus_than_there_are_is_an_error_that_names_both(tmp_path: Path) -> None:
    host = slots(tmp_path)
    found = host.check("build_and_fit", 64 * GIB, 3)
    assert [str(problem) for problem in found] == [
        "build_and_fit: asks for 64.0 GiB of memory; this machine has 16.0",
        "build_and_fit: asks for 3 GPUs; this machine has 2",
    ]
    with pytest.raises(UsageError):
        host.claim(1, 64 * GIB, 3)


def test_a_killed_driver_gives_everything_back(tmp_path: Path) -> None:
    with driver(tmp_path, "claim = slots.claim(4, 16 << 30, 2); print('mine', flush=True); time.sleep(60)") as other:
        assert other.stdout
        assert other.stdout.readline() == "mine\n"
        host = slots(tmp_path)
        assert host.claim(0.25, 0, 0) is None
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert host.claim(4, 16 * GIB, 2)


def test_children_of_a_driver_hold_nothing(tmp_path: Path) -> None:
    body = """
        claim = slots.claim(4, 0, 0)
        if os.fork() == 0:
            print("ready", flush=True)
            time.sleep(60)
        time.sleep(60)
    """
    with driver(tmp_path, body) as other:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        child = int(Path(f"/proc/{other.pid}/task/{other.pid}/children").read_text().split()[0])
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert slots(tmp_path).claim(4, 0, 0)
        os.kill(child, signal.SIGKILL)


def test_who_waits_for_everything_is_served_before_those_who_come_later(tmp_path: Path) -> None:
    small, large, late = slots(tmp_path), slots(tmp_path), slots(tmp_path)
    first = small.claim(1, 0, 0)
    assert first
    assert large.claim(4, 0, 0) is None
    assert late.claim(1, 0, 0) is None
    first.release()
    assert late.claim(1, 0, 0) is None
    assert large.claim(4, 0, 0)


def test_who_waits_for_a_gpu_keeps_nobody_from_the_cores_that_are_left(tmp_path: Path) -> None:
    gpu, other, late = slots(tmp_path), slots(tmp_path), slots(tmp_path)
    assert other.claim(1, 0, 2)
    assert gpu.claim(1, 0, 1) is None
    assert late.claim(2, 0, 0)


@pytest.mark.slow
def test_fifty_drivers_never_get_more_than_there_is_and_all_come_through(tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f"""
        random.seed(int(sys.stdin.readline()))
        longest = 0.0
        out = os.open({str(log)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for _ in range(6):
            cpu, memory, gpu = random.choice([(0.25, 1, 0), (1, 2, 0), (1, 4, 1), (2, 6, 0), (4, 16, 2)])
            asked = time.monotonic()
            while not (claim := slots.claim(cpu, memory << 30, gpu)):
                time.sleep(0.05)
            longest = max(longest, time.monotonic() - asked)
            os.write(out, f"+ {{cpu}} {{memory}} {{' '.join(map(str, claim.gpus))}}\\n".encode())
            time.sleep(0.01)
            os.write(out, f"- {{cpu}} {{memory}} {{' '.join(map(str, claim.gpus))}}\\n".encode())
            claim.release()
        print(longest)
    """
    begun = time.monotonic()
    drivers = [driver(tmp_path / "slots", body) for _ in range(50)]
    longest = []
    for number, other in enumerate(drivers):
        assert other.stdin
        other.stdin.write(f"{number}\n")
        other.stdin.flush()
    for other in drivers:
        out, _ = other.communicate(timeout=200)
        assert other.returncode == 0
        longest.append(float(out))
    took = time.monotonic() - begun
    cpu = memory = most = 0.0
    gpus: list[str] = []
    for line in log.read_text().splitlines():
        sign, cores, gib, *numbers = line.split()
        step = 1 if sign == "+" else -1
        cpu, memory = cpu + step * float(cores), memory + step * float(gib)
        for gpu in numbers:
            gpus.append(gpu) if sign == "+" else gpus.remove(gpu)
        assert cpu <= 4
        assert memory <= 16
        assert len(gpus) == len(set(gpus))
        most = max(most, cpu)
    assert most == 4
    # Nobody waited as long as all of it together took: those who came later did not pass by.
    assert max(longest) < took * 0.8
