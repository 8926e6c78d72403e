"""A clock and an entropy that somebody chose. Each in a process of its own, which they spoil."""

from __future__ import annotations

import json
import subprocess
import sys

PRETEND = """
import json, time
from datetime import date, datetime, UTC
from palmette.runtime.trial import pretend, tame
pretend(1_000_000_000.5)
print(json.dumps({
    "time": time.time(), "gm": time.gmtime()[:6], "at": time.gmtime(0)[:3], "form": time.strftime("%Y", time.gmtime()),
    "form now": time.strftime("%Y"), "ctime": time.ctime()[-4:], "asctime": time.asctime()[-4:],
    "clock": time.clock_gettime(time.CLOCK_REALTIME), "monotonic": time.clock_gettime(time.CLOCK_MONOTONIC) > 0,
    "now": datetime.now(UTC).isoformat(), "today": date.today().year, "datetime today": datetime.today().year,
    "utcnow": datetime.utcnow().isoformat(), "instance": isinstance(datetime.now(), date),
}))
"""
TAME = """
import json, os, random, secrets, uuid
from palmette.runtime.trial import tame
tame()
print(json.dumps([
    random.random(), random.Random().random(), random.SystemRandom().random(), secrets.token_hex(), str(uuid.uuid4()),
    os.urandom(4).hex(), random.Random(3).random(),
]))
random.seed()
print(random.random())
"""


def said(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    )
    return done.stdout.splitlines()


def test_everything_in_python_says_the_chosen_time() -> None:
    told = json.loads(said(PRETEND)[0])
    assert 1_000_000_000.5 <= told["time"] < 1_000_000_000.6
    assert told["gm"] == [2001, 9, 9, 1, 46, 40]
    assert told["at"] == [1970, 1, 1]
    assert (told["form"], told["form now"], told["ctime"], told["asctime"]) == ("2001",) * 4
    assert (told["today"], told["datetime today"]) == (2001, 2001)
    assert told["now"].startswith("2001-09-09T01:46:40.5")
    assert told["utcnow"].startswith("2001-09-09T01:46:40.5")
    assert 1_000_000_000.5 <= told["clock"] < 1_000_000_000.6
    assert told["monotonic"]
    assert told["instance"]


def test_each_question_finds_the_clock_a_microsecond_further_and_two_processes_agree() -> None:
    code = (
        "import time\nfrom palmette.runtime.trial import pretend\npretend(5.0)\nprint([time.time_ns() for _ in 'abc'])"
    )
    assert said(code) == said(code) == ["[5000000000, 5000001000, 5000002000]"]


def test_what_is_random_is_the_same_each_time_and_seeds_still_count() -> None:
    once, again = said(TAME), said(TAME)
    assert once == again
    assert len(set(map(str, json.loads(once[0])))) == 7
