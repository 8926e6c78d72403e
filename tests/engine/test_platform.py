"""A task finds what its pod would: secrets, config maps and volumes at its own paths, within its limits."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.run import Attempt, Run, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.engine.attempt import Surroundings
from palmette.engine.executors import enclosure
from palmette.engine.executors.choice import Executors
from palmette.engine.loop import drive
from palmette.engine.memory import MemoryLedger
from palmette.engine.plan import Plan
from palmette.engine.planning import plan
from palmette.engine.ports import Launch, Mount
from palmette.engine.reuse import Policy, stands
from palmette.engine.world import World
from palmette.errors import CompileError, UsageError
from palmette.ir import codec
from palmette.ir.spec import KubernetesConfig

ROOT = os.geteuid() == 0


class Files:
    """Keeps nothing."""

    def put(self, path: Path) -> tuple[str, int]:
        content = path.read_bytes()
        path.unlink()
        return "sha256:" + hashlib.sha256(content).hexdigest(), len(content)

    def restore(self, digest: str, path: Path) -> None:
        raise AssertionError


@dataclass
class Cores:
    """As many as anyone asks for."""

    threads: int = 1
    gpus: tuple[int, ...] = ()

    def claim(self, cpu: float, memory: int, gpu: int) -> Cores:
        return self

    def release(self) -> None:
        pass


@dataclass
class Shelf:
    """A vault of dictionaries and directories."""

    root: Path
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    configmaps: dict[str, dict[str, str]] = field(default_factory=dict)

    def secret(self, name: str) -> Mapping[str, str] | None:
        return self.secrets.get(name)

    def configmap(self, name: str) -> Mapping[str, str] | None:
        return self.configmaps.get(name)

    def version(self, name: str) -> str:
        return hashlib.sha256(json.dumps(self.secrets.get(name)).encode()).hexdigest()

    def volume(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.is_dir() else None

    def create_volume(self, name: str, *, size: str, access_modes: Sequence[str], storage_class: str) -> Path:
        path = self.root / name
        if path.exists():
            raise UsageError(f"there is a volume {name} already")
        path.mkdir(parents=True)
        return path

    def delete_volume(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)


@dataclass
class Bench:
    """Drives one task, which is a line of shell and says what it found as its output `out`."""

    directory: Path
    executor: Executors
    vault: Shelf
    serial: int = 0

    def document(self, script: str, pod: Mapping[str, Any], container: Mapping[str, Any] | None = None) -> bytes:
        command = {"image": "busybox", "command": ["sh", "-ec", script, "{{$.outputs.parameters['out'].output_file}}"]}
        spec = {
            "components": {
                "comp-t": {
                    "executorLabel": "exec-t",
                    "outputDefinitions": {"parameters": {"out": {"parameterType": "STRING"}}},
                }
            },
            "deploymentSpec": {"executors": {"exec-t": {"container": {**command, **(container or {})}}}},
            "pipelineInfo": {"name": "p"},
            "root": {
                "dag": {
                    "tasks": {
                        "t": {
                            "componentRef": {"name": "comp-t"},
                            "taskInfo": {"name": "t"},
                            "cachingOptions": {"enableCache": True},
                        }
                    }
                }
            },
            "schemaVersion": "2.1.0",
        }
        platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-t": dict(pod)}}}}}
        return f"{json.dumps(spec)}\n---\n{json.dumps(platform)}".encode()

    def run(self, script: str, container: Mapping[str, Any] | None = None, **pod: Any) -> TaskRecord:
        planned = plan(codec.loads(self.document(script, pod, container)), {})
        self.serial += 1
        return self.drive(planned, planned.records(), f"r{self.serial}")

    def drive(self, planned: Plan, records: Sequence[TaskRecord], id: str) -> TaskRecord:
        """Drive the run from where it is."""
        self.ledger = MemoryLedger(records)
        world = World(
            ledger=self.ledger,
            executor=self.executor,
            slots=Cores(),
            files=Files(),
            where=Surroundings(
                home=self.directory,
                bundles=self.directory,
                environment={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
            ),
            vault=self.vault,
        )
        run = Run(id=id, project="p", algorithm="a", state=RunState.PENDING, created=1.0)
        drive(planned, run, records, world, Policy(grace=1.0))
        return self.ledger.tasks["t"]

    def says(self, script: str, container: Mapping[str, Any] | None = None, **pod: Any) -> str:
        """What the script prints."""
        record = self.run(f'{{ {script}; }} > "$0"', container, **pod)
        assert record.state is TaskState.SUCCEEDED, record.message
        return str(record.outputs.parameters["out"])

    def fails(self, script: str, container: Mapping[str, Any] | None = None, **pod: Any) -> str:
        """Why it failed."""
        record = self.run(script, container, **pod)
        assert record.state is TaskState.FAILED
        return record.message


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    executor = Executors(environment=dict(os.environ))
    yield Bench(directory=tmp_path / "home", executor=executor, vault=Shelf(tmp_path / "volumes"))
    executor.close()


def named(**entry: str) -> dict[str, Any]:
    """An entry whose name is a constant, as the SDK writes it."""
    ((key, name),) = entry.items()
    return {key: name, f"{key}Parameter": {"runtimeValue": {"constant": name}}}


def test_secrets_and_config_maps_are_variables_and_read_only_files_at_their_paths(bench: Bench) -> None:
    bench.vault.secrets["db"] = {"user": "u", "password": "s3cret-word"}
    bench.vault.configmaps["settings"] = {"mode": "fast", "a.ini": "[x]\ny = 1\n"}
    said = bench.says(
        'echo "$MODE"; cat /etc/palmette-none/db/user; cat /palmette-config/a.ini; '
        "stat -f -c %T /etc/palmette-none/db; touch /etc/palmette-none/db/new 2>/dev/null || echo sealed; "
        "grep -c palmette-config /proc/mounts",
        configMapAsEnv=[{**named(configMapName="settings"), "keyToEnv": [{"configMapKey": "mode", "envVar": "MODE"}]}],
        configMapAsVolume=[{**named(configMapName="settings"), "mountPath": "/palmette-config"}],
        secretAsVolume=[{**named(secretName="db"), "mountPath": "/etc/palmette-none/db"}],
    )
    assert said.splitlines() == ["fast", "u[x]", "y = 1", "tmpfs", "sealed", "1"]
    assert not Path("/etc/palmette-none").exists()
    assert not Path("/palmette-config").exists()


def test_the_value_of_a_secret_is_nowhere_once_the_task_is_over(bench: Bench) -> None:
    bench.vault.secrets["db"] = {"password": "s3cret-word"}
    bench.says(
        'test "$(cat /palmette-secret/password)" = "$PASSWORD"; cat /palmette-secret/password >&2; echo done',
        secretAsVolume=[{**named(secretName="db"), "mountPath": "/palmette-secret"}],
        secretAsEnv=[
            {
                "secretNameParameter": {"runtimeValue": {"constant": "db"}},
                "optional": True,
                "keyToEnv": [{"secretKey": "password", "envVar": "PASSWORD"}],
            }
        ],
    )
    (log,) = bench.directory.rglob("log")
    assert log.read_text() == "***"
    files = [path for path in bench.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-word" in path.read_bytes()]


def test_what_is_not_there_fails_the_task_with_all_of_it_unless_it_is_optional(bench: Bench) -> None:
    keys = [{"configMapKey": "k", "envVar": "K"}]
    message = bench.fails(
        "true",
        configMapAsEnv=[{**named(configMapName="none"), "keyToEnv": keys}],
        secretAsVolume=[{**named(secretName="gone"), "mountPath": "/s"}],
        pvcMount=[{"constant": "lost", "mountPath": "/v"}],
    )
    assert message.split("; ") == [
        "the secret gone is not there (palmette secret set gone …)",
        "the config map none is not there (palmette configmap set none …)",
        "there is no volume lost (palmette volume create lost)",
    ]
    said = bench.says(
        'echo "${K-unset}"; ls -d /s 2>/dev/null || echo none',
        configMapAsEnv=[{**named(configMapName="none"), "keyToEnv": keys, "optional": True}],
        secretAsVolume=[{**named(secretName="gone"), "mountPath": "/s", "optional": True}],
    )
    assert said.split() == ["unset", "none"]


def test_what_a_task_writes_to_a_volume_stays_in_it_and_a_part_of_it_can_be_mounted(bench: Bench) -> None:
    bench.vault.create_volume("data", size="1Gi", access_modes=(), storage_class="")
    bench.says("echo 1 > /palmette-data/x; echo ok", pvcMount=[{"constant": "data", "mountPath": "/palmette-data"}])
    part = {"constant": "data", "mountPath": "/mnt/palmette-part", "subPath": "a/b"}
    whole = {"constant": "data", "mountPath": "/palmette-data"}
    said = bench.says(
        "echo 2 > /mnt/palmette-part/y; cat /palmette-data/x /palmette-data/a/b/y", pvcMount=[part, whole]
    )
    assert said.split() == ["1", "2"]
    assert (bench.vault.root / "data" / "a" / "b" / "y").read_text() == "2\n"


def test_a_part_of_a_volume_that_leads_out_of_it_is_refused(bench: Bench) -> None:
    bench.vault.create_volume("data", size="", access_modes=(), storage_class="").joinpath("link").symlink_to("/etc")
    mount = {"constant": "data", "mountPath": "/palmette-data", "subPath": "link"}
    assert "link leads out of the volume data" in bench.fails("true", pvcMount=[mount])


def test_a_file_in_the_way_of_a_mount_is_one_clear_error(bench: Bench) -> None:
    bench.vault.configmaps["m"] = {"k": "v"}
    message = bench.fails("true", configMapAsVolume=[{**named(configMapName="m"), "mountPath": "/etc/passwd"}])
    assert message.startswith("exit code 126: palmette: cannot mount the config map m at /etc/passwd:")


def test_empty_directories_are_lent_and_leave_nothing(bench: Bench) -> None:
    said = bench.says(
        "for at in /palmette-e /palmette-m /palmette-g; do ls -A $at; echo x > $at/f; done; "
        "stat -f -c %T /palmette-m; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2",
        emptyDirMounts=[
            {"volumeName": "e", "mountPath": "/palmette-e"},
            {"volumeName": "m", "mountPath": "/palmette-m", "medium": "Memory", "sizeLimit": "1Mi"},
        ],
        genericEphemeralVolume=[{"volumeName": "g", "mountPath": "/palmette-g", "size": "1Gi"}],
        enabledSharedMemory={"size": "8Mi"},
    )
    assert said.split() == ["tmpfs", "8192"]
    assert not list(bench.directory.rglob("lent"))
    bench.fails("echo x > /palmette-e/f; exit 3", emptyDirMounts=[{"volumeName": "e", "mountPath": "/palmette-e"}])
    assert not list(bench.directory.rglob("lent"))


def test_a_pod_is_told_of_itself(bench: Bench) -> None:
    fields = {
        "NAME": "metadata.name",
        "LABEL": "metadata.labels['team']",
        "NOTE": "metadata.annotations['none']",
        "IP": "status.podIP",
        "NODE": "spec.nodeName",
        "SPACE": "metadata.namespace",
    }
    said = bench.says(
        'printf "%s\\n" "$NAME" "$LABEL" "[$NOTE]" "$IP" "$NODE" "$SPACE"',
        fieldPathAsEnv=[{"name": name, "fieldPath": path} for name, path in fields.items()],
        podMetadata={"labels": {"team": "blue"}},
    )
    assert said.splitlines() == ["r1-t-1", "blue", "[]", "127.0.0.1", os.uname().nodename, "kubeflow"]
    document = bench.document("true", {"fieldPathAsEnv": [{"name": "X", "fieldPath": "spec.secretSauce"}]})
    with pytest.raises(CompileError) as caught:
        plan(codec.loads(document), {})
    assert "'spec.secretSauce' is nothing that a pod can be told" in str(caught.value.problems[0])


@pytest.mark.skipif(not ROOT, reason="only root can be someone else")
def test_a_task_runs_as_the_user_it_asks_for_and_can_still_deliver(bench: Bench) -> None:
    said = bench.says(
        "id -u; id -g; touch here; stat -c %u here", securityContext={"runAsUser": "1234", "runAsGroup": 7}
    )
    assert said.split() == ["1234", "7", "1234"]
    assert bench.says("id -u", securityContext={"runAsNonRoot": True}) == "65534\n"


def test_init_containers_run_first_and_in_the_same_place(bench: Bench) -> None:
    shared = [{"volumeName": "e", "mountPath": "/palmette-e"}]
    first = {"name": "seed", "image": "i", "command": ["sh", "-c"], "args": ["echo $WORD > /palmette-e/f"]}
    word = [{"name": "WORD", "value": "sown"}]
    assert bench.says("cat /palmette-e/f", emptyDirMounts=shared, initContainers=[{**first, "env": word}]) == "sown\n"
    broken = {"name": "seed", "command": ["sh", "-c", "exit 3"]}
    assert "the init container seed failed with exit code 3" in bench.fails("true", initContainers=[broken])


def test_a_task_with_mounts_leaves_no_process_behind(bench: Bench) -> None:
    empty = [{"volumeName": "e", "mountPath": "/palmette-e"}]
    bench.says(f"(setsid sleep 613.{os.getpid()} >/dev/null 2>&1 &); echo up", emptyDirMounts=empty)
    left = [path for path in Path("/proc").glob("[0-9]*") if f"613.{os.getpid()}" in _command(path)]
    assert not left


def _command(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_text()
    return ""


def test_what_a_task_was_lent_whose_driver_died_is_cleared_away(bench: Bench) -> None:
    planned = plan(codec.loads(bench.document('echo x > "$0"', {})), {})
    dead = Attempt(serial=1, number=1, how="", state=AttemptState.LOST, directory="runs/r1/t/1")
    left = bench.directory / dead.directory / "lent" / "empty0"
    left.mkdir(parents=True)
    (left / "file").write_text("left")
    records = [replace(record, state=TaskState.QUEUED, attempts=(dead,)) for record in planned.records()]
    assert bench.drive(planned, records, "r1").state is TaskState.SUCCEEDED
    assert not left.parent.exists()


HOG = "import os, sys, time\nheld = bytearray(200 << 20)\nopen(sys.argv[1], 'w').write('fed')\n"


def test_what_outgrows_its_memory_is_ended_and_says_so(bench: Bench) -> None:
    wait = "import signal\nsignal.pause()\n"
    limit = {"resources": {"resourceMemoryLimit": "100Mi"}}
    command = {"command": [sys.executable, "-c", HOG + wait, "{{$.outputs.parameters['out'].output_file}}"]}
    message = bench.fails("", {**command, **limit})
    assert message.startswith("out of memory: it used ")
    assert message.endswith(" MiB of 100 MiB")
    assert bench.ledger.tasks["t"].attempts[0].exit_code == 137
    # A child that has left its parents counts, too.
    hungry = f"{HOG.replace(chr(10), ';')}import time; time.sleep(600)"
    assert bench.fails(f'setsid {sys.executable} -c "{hungry}" /dev/null & wait', limit).startswith("out of memory")
    enough = {"resources": {"resourceMemoryLimit": "1Gi"}}
    fed = {"command": [sys.executable, "-c", HOG, "{{$.outputs.parameters['out'].output_file}}"]}
    assert bench.run("", {**fed, **enough}).state is TaskState.SUCCEEDED


def test_what_config_maps_hold_and_the_versions_of_secrets_count_in_a_fingerprint(bench: Bench) -> None:
    def key(**pod: Any) -> str:
        return bench.run('echo x > "$0"', **pod).fingerprint or ""

    configmap = {"configMapAsVolume": [{**named(configMapName="m"), "mountPath": "/palmette-m"}]}
    secret = {"secretAsVolume": [{**named(secretName="s"), "mountPath": "/palmette-s"}]}
    for pod, holders in ((configmap, bench.vault.configmaps), (secret, bench.vault.secrets)):
        holders["m" if pod is configmap else "s"] = {"k": "v"}
        before = key(**pod)
        assert key(**pod) == before
        holders["m" if pod is configmap else "s"] = {"k": "w"}
        assert key(**pod) != before


def test_a_task_that_sees_a_volume_is_not_reused_unless_its_author_says_what_counts(bench: Bench) -> None:
    (task,) = plan(codec.loads(bench.document("true", {"pvcMount": [{"constant": "d", "mountPath": "/d"}]})), {}).tasks
    assert not stands(task, Policy(), "", None, 0.0)
    assert stands(replace(task, cache_key="mine"), Policy(), "", None, 0.0)
    assert stands(replace(task, kubernetes=KubernetesConfig()), Policy(), "", None, 0.0)


@pytest.mark.skipif(not ROOT, reason="only root can be someone else")
@pytest.mark.skipif(
    not (shutil.which("setpriv") and Path("/usr/bin/python3").exists()), reason="nobody has no interpreter to run"
)
def test_mounts_need_no_rights_where_the_system_has_user_namespaces(tmp_path: Path) -> None:
    probe = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if subprocess.run([*probe, "unshare", "-Um", "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not for everyone here")
    home = Path("/tmp") / f"palmette-nobody-{os.getpid()}"
    try:
        for name in ("work", "lent"):
            (home / name).mkdir(parents=True)
        for path in (home, home / "work", home / "lent"):
            path.chmod(0o777)
        launch = Launch(
            id="t#1",
            command=(),
            args=(),
            environment={"PATH": os.environ["PATH"]},
            directory=home,
            log=home / "log",
            mounts=(
                Mount(at="/palmette-top/s", what="s", files={"k": "v"}),
                Mount(at="/etc/palmette-x", what="x", source=home / "work"),
            ),
        )
        script = "cat /palmette-top/s/k; echo w > /etc/palmette-x/f; id -u"
        (_, *command), order = enclosure.enclosed(launch, ["sh", "-c", script], launch.environment)
        # The tests' own interpreter may lie where nobody can go.
        done = subprocess.run(
            [*probe, "/usr/bin/python3", *command], input=order, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "v65534\n"), done.stderr
        assert (home / "work" / "f").read_text() == "w\n"
    finally:
        shutil.rmtree(home)
