"""What must hold of a run that is over, however often it was shot at. Each function lists what does not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.soak.hosting import Hosting
from benchmarks.soak.house import House
from benchmarks.soak.victims import Kind, alive, members

#: What the project's steps are allowed, and log.
RETRIES: Final = 1
POINTS: Final = 40
#: The step that fails at its first attempt by itself.
FAILING: Final = "alone"
#: The one that tells of the end, and is executed whatever became of the rest.
LAST: Final = "tell"
#: The kernel and the keepers get so many seconds to clear away what was killed.
PATIENCE: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an undisturbed run came to."""

    #: tasks and groups with their states, in the order of their names
    tasks: Mapping[str, str]
    outputs: Mapping[str, Any]


def expected(house: House, run: str) -> Expected:
    """What this run came to."""
    return Expected(tasks=_states(house, run), outputs=outputs(house, run))


def _states(house: House, run: str) -> dict[str, str]:
    rows = house.rows("SELECT name, state FROM tasks WHERE run = ? ORDER BY name", run)
    return {row["name"]: {"CACHED": "SUCCEEDED"}.get(row["state"], row["state"]) for row in rows}


def outputs(house: House, run: str) -> dict[str, Any]:
    """All that the run made, by task: values, and the digests of files."""
    found: dict[str, Any] = {}
    for row in house.rows("SELECT task, name, value FROM parameters WHERE run = ?", run):
        found[f"{row['task']}.{row['name']}"] = json.loads(row["value"])
    for row in house.rows("SELECT * FROM artifacts WHERE run = ?", run):
        found[f"{row['task']}.{row['name']}"] = [row["digest"], row["size"], row["filename"], row["metadata"]]
    for row in house.rows("SELECT * FROM summaries WHERE run = ?", run):
        key = f"{row['task']}: {row['name']}"
        found[key] = [row[name] for name in ("points", "last", "step", "low", "high")]
    return found


def ended_well(house: House, run: Mapping[str, Any], undisturbed: Expected, shots: int) -> Iterator[str]:
    """The run's rows: `shots` is how many kills its tasks took."""
    tasks = house.rows("SELECT * FROM tasks WHERE run = ?", run["id"])
    attempts = house.rows("SELECT * FROM attempts WHERE run = ? ORDER BY task, serial", run["id"])
    killed = 0
    for task in tasks:
        own = [attempt for attempt in attempts if attempt["task"] == task["name"]]
        if task["executor"] in ("", "exec-importer"):
            yield from (f"{task['name']} executes nothing, and has attempts" for _ in own[:1])
            continue
        yield from _counted(task, own)
        killed += sum(attempt["exit_code"] == 137 for attempt in own)
    if killed > shots:
        yield f"{killed} attempts ended with 137, but only {shots} were shot at"
    failed = [task["name"] for task in tasks if task["state"] == "FAILED"]
    if run["state"] != ("FAILED" if failed else "SUCCEEDED"):
        yield f"the run is {run['state']}, and {failed or 'nothing'} failed"
    # A driver that is killed in its last moment is still named; its run is over all the same.
    if run["lease_host"] is not None and alive(run["lease_pid"], run["lease_start"]):
        yield "the run is over and its driver lives"
    # Whatever became of the rest, the task for the end was executed.
    yield from (f"{task['name']} is {task['state']}" for task in tasks
                if task["name"] == LAST and task["state"] not in ("SUCCEEDED", "FAILED"))  # fmt: skip
    if not failed:
        made, expected, states = outputs(house, run["id"]), undisturbed.outputs, _states(house, run["id"])
        yield from (
            f"{name} is {states.get(name)}, undisturbed {undisturbed.tasks.get(name)}"
            for name in sorted({*states, *undisturbed.tasks})
            if states.get(name) != undisturbed.tasks.get(name)
        )
        yield from (
            f"{name} is {made.get(name)!r}, undisturbed {expected.get(name)!r}"
            for name in sorted({*made, *expected})
            if made.get(name) != expected.get(name)
        )
    yield from _logged(house, run["id"])


def _counted(task: Mapping[str, Any], attempts: list[dict[str, Any]]) -> Iterator[str]:
    """A task counts once, and each of its tries too."""
    name, states = task["name"], [attempt["state"] for attempt in attempts]
    if [attempt["serial"] for attempt in attempts] != [*range(1, len(attempts) + 1)]:
        yield f"{name}: serials {[attempt['serial'] for attempt in attempts]}"
    number = 1
    for attempt in attempts:
        if attempt["number"] != number:
            yield f"{name}: attempt {attempt['serial']} counts as {attempt['number']}, it is {number}"
        number += attempt["state"] == "FAILED"
        own = name == FAILING and attempt["serial"] == 1 and attempt["exit_code"] == 1
        if attempt["state"] == "FAILED" and attempt["exit_code"] != 137 and not own:
            yield f"{name}: attempt {attempt['serial']} failed: {attempt['message']}"
        if attempt["ended"] is None:
            yield f"{name}: attempt {attempt['serial']} has no end"
    good = {"SUCCEEDED": 1}.get(task["state"], 0)
    if states.count("SUCCEEDED") != good or (good and states[-1] != "SUCCEEDED"):
        yield f"{name} is {task['state']} with attempts {states}"
    if (task["state"] == "FAILED") != (states.count("FAILED") == RETRIES + 1):
        yield f"{name} is {task['state']} after {states}"
    if task["state"] not in ("SUCCEEDED", "CACHED", "FAILED", "SKIPPED"):
        yield f"{name} is {task['state']}"


def _logged(house: House, run: str) -> Iterator[str]:
    """Of each attempt no point twice, and of one that succeeded all of them."""
    query = """SELECT points.serial, step, count(*) AS times, attempts.state FROM points JOIN attempts
        USING (run, task, serial) WHERE run = ? AND points.name = 'loss' GROUP BY points.serial, step"""
    rows = house.rows(query, run)
    yield from (f"point {row['step']} is there {row['times']} times" for row in rows if row["times"] != 1)
    good = [row["step"] for row in rows if row["state"] == "SUCCEEDED"]
    done = house.rows("SELECT 1 FROM tasks WHERE run = ? AND name = 'curve' AND state = 'SUCCEEDED'", run)
    if done and good != [*range(POINTS)]:
        yield f"the curve has {len(good)} points of {POINTS}"


def stored_whole(house: House | Hosting) -> Iterator[str]:
    """The store's files: every byte under its digest, nothing half, nothing left over."""
    for row in house.rows("PRAGMA integrity_check") if (house.home / "store.db").exists() else ():
        if row["integrity_check"] != "ok":
            yield f"the database: {row['integrity_check']}"
    blobs = house.home / "blobs"
    for path in blobs.rglob("*"):
        # Which store's bytes they are is said beside them.
        if path.is_file() and path != blobs / "store":
            name = "".join(path.relative_to(blobs).parts)
            if hashlib.sha256(path.read_bytes()).hexdigest() != name:
                yield f"blob {path.relative_to(blobs)} is not what its name says, or a rest"
    yield from (f"a rest in blobs: {path.name}" for path in (blobs / "incoming").glob("*"))
    query = "SELECT DISTINCT digest FROM artifacts WHERE uri = '' AND run NOT IN (SELECT run FROM collected)"
    for row in house.rows(query):
        yield from _present(blobs, row["digest"])
    for place in (house.home / "bundles", house.directory / "home" / ".cache" / "palmette" / "kits"):
        for bundle in place.glob("*"):
            yield from _unpacked(bundle)


def _present(blobs: Path, digest: str) -> Iterator[str]:
    kind, _, sha256 = digest.partition(":")
    path = blobs / sha256[:2] / sha256[2:]
    if not path.is_file():
        yield f"{digest} is missing"
    elif kind == "sha256-dir":
        for entry in json.loads(path.read_bytes())["files"]:
            yield from _present(blobs, f"sha256:{entry['sha256']}")


def _unpacked(bundle: Path) -> Iterator[str]:
    manifest = bundle / "manifest.json"
    if not manifest.is_file() or hashlib.sha256(manifest.read_bytes()).hexdigest() != bundle.name:
        yield f"half a bundle, or a rest of one: {bundle}"
        return
    for entry in json.loads(manifest.read_bytes())["files"]:
        if hashlib.sha256((bundle / entry["path"]).read_bytes()).hexdigest() != entry["sha256"]:
            yield f"{bundle / entry['path']} is not what its manifest says"


def nothing_runs(house: House) -> Iterator[str]:
    """No process is left but an idle template, with its nursery and the namespace that it keeps ready."""
    deadline = time.monotonic() + PATIENCE
    while left := _left(house):
        if time.monotonic() > deadline:
            yield from left
            return
        time.sleep(0.02)


def _left(house: House) -> list[str]:
    found = members(house.directory)
    idle = (Kind.TEMPLATE, Kind.NURSERY, Kind.INIT, Kind.SPARE)
    strays = [one for one in found if one.kind not in idle]
    for kind in idle:
        strays += [one for one in found if one.kind is kind][1:]
    return [f"process {one.pid} ({one.kind}) still runs: {one.command[:100]}" for one in strays]


def gone_when_idle(house: House) -> Iterator[str]:
    """After its idle time the template is gone too."""
    deadline = time.monotonic() + house.idle + PATIENCE
    while found := members(house.directory):
        if time.monotonic() > deadline:
            yield from (f"process {one.pid} ({one.kind}) has not left" for one in found)
            return
        time.sleep(0.1)
