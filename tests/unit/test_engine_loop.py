"""The loop drives real processes to the end of a run, and writes everything down before it acts on it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.artifact import Outputs
from palmette.domain.graph import ParameterType
from palmette.domain.hosting import Leaving
from palmette.domain.metric import MetricPoint
from palmette.domain.run import AttemptStarted, Change, PointsLogged, Reused, Run, TaskChanged
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.domain.values import Json
from palmette.engine import processes
from palmette.engine.attempt import Surroundings
from palmette.engine.executors.choice import Executors
from palmette.engine.loop import drive
from palmette.engine.memory import MemoryLedger
from palmette.engine.plan import Plan
from palmette.engine.planning import plan
from palmette.engine.ports import Progress, Secrets
from palmette.engine.reuse import Policy
from palmette.engine.world import World
from palmette.errors import LeaseLost
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSpec,
    ArtifactTypeSchema,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    DagSpec,
    Definitions,
    ExecutorSpec,
    KeyToVar,
    KubernetesConfig,
    PalmetteConfig,
    ParameterInput,
    ParameterSpec,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    RetryPolicy,
    SecretAsEnv,
    TaskInputs,
    TaskOutputArtifact,
    TaskOutputParameter,
    TaskSpec,
)

TYPES = {"int": ParameterType.INTEGER, "str": ParameterType.STRING, "list": ParameterType.LIST}


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A task that is a line of shell. "producer.output" wires an input to an output; outputs: name → type."""

    script: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    retries: int = 0
    captured: bool = False
    config: PalmetteConfig = PalmetteConfig()
    secret: str = ""

    def component(self, label: str, producers: Mapping[str, Shell]) -> ComponentSpec:
        kinds = {
            name: producers[source.split(".")[0]].outputs[source.split(".")[1]] for name, source in self.inputs.items()
        }
        return ComponentSpec(
            input_definitions=definitions(kinds), output_definitions=definitions(self.outputs), executor_label=label
        )

    def task(self, key: str, producers: Mapping[str, Shell]) -> TaskSpec:
        parameters, artifacts = {}, {}
        for name, source in self.inputs.items():
            producer, output = source.split(".")
            if producers[producer].outputs[output] in TYPES:
                wire = TaskOutputParameter(producer_task=producer, output_parameter_key=output)
                parameters[name] = ParameterInput(task_output_parameter=wire)
            else:
                link = TaskOutputArtifact(producer_task=producer, output_artifact_key=output)
                artifacts[name] = ArtifactInput(task_output_artifact=link)
        return TaskSpec(
            name=key,
            component=f"comp-{key}",
            inputs=TaskInputs(parameters=parameters, artifacts=artifacts),
            dependent_tasks=self.after,
            caching_options=CachingOptions(enable_cache=True),
            retry_policy=RetryPolicy(max_retry_count=self.retries) if self.retries else None,
        )


def definitions(kinds: Mapping[str, str]) -> Definitions:
    return Definitions(
        parameters={name: ParameterSpec(parameter_type=TYPES[kind]) for name, kind in kinds.items() if kind in TYPES},
        artifacts={
            name: ArtifactSpec(artifact_type=ArtifactTypeSchema(schema_title=kind))
            for name, kind in kinds.items()
            if kind not in TYPES
        },
    )


def pipeline(tasks: Mapping[str, Shell]) -> Plan:
    env = {"PALMETTE_CLOSURE": "c", "PALMETTE_ENVIRONMENT": "e"}
    document = PipelineDocument(
        pipeline=PipelineSpec(
            name="shells",
            root=ComponentSpec(dag=DagSpec(tasks={key: task.task(key, tasks) for key, task in tasks.items()})),
            components={f"comp-{key}": task.component(f"exec-{key}", tasks) for key, task in tasks.items()},
            executors={
                f"exec-{key}": ExecutorSpec(
                    container=ContainerSpec(
                        image="busybox",
                        command=("sh", "-c", task.script, "sh"),
                        args=("{{$}}",),
                        env=env if task.captured else {},
                    )
                )
                for key, task in tasks.items()
            },
        ),
        platform=PlatformSpec(
            palmette={f"exec-{key}": task.config for key, task in tasks.items()},
            kubernetes={
                f"exec-{key}": KubernetesConfig(
                    secrets_as_env=(
                        SecretAsEnv(secret="palmette", keys=(KeyToVar(key=task.secret, variable=task.secret),)),
                    )
                )
                for key, task in tasks.items()
                if task.secret
            },
        ),
    )
    return plan(document, {})


class Files:
    """Content-addressed files, and nothing else."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()

    def put(self, path: Path) -> tuple[str, int]:
        content = path.read_bytes()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        path.replace(self._root / digest)
        return digest, len(content)

    def restore(self, digest: str, path: Path) -> None:
        shutil.copyfile(self._root / digest, path)
        path.chmod(0o444)


@dataclass
class Cores:
    """So many cores, and a record of how many were in use at once."""

    free: float = 2.0
    used: float = 0.0
    most: float = 0.0

    def claim(self, cpu: float, memory: int, gpu: int) -> Cores.Held | None:
        if self.used + cpu > self.free:
            return None
        self.used += cpu
        self.most = max(self.most, self.used)
        return Cores.Held(self, cpu)

    @dataclass
    class Held:
        cores: Cores
        cpu: float
        threads: int = 1
        gpus: tuple[int, ...] = ()

        def release(self) -> None:
            self.cores.used -= self.cpu
            self.cpu = 0.0


@dataclass
class Terminal:
    """Someone who may press Ctrl-C."""

    reader: int
    writer: int
    count: int = 0

    @property
    def wake(self) -> Sequence[int]:
        return (self.reader,)

    def press(self) -> None:
        self.count += 1
        os.write(self.writer, b"x")

    def asked(self) -> int:
        if os.get_blocking(self.reader):
            os.set_blocking(self.reader, False)
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, 100)
        return self.count


@dataclass
class Bench:
    """Everything a drive needs, real."""

    tmp: Path
    executor: Executors
    cores: Cores = field(default_factory=Cores)
    secrets: Secrets = Secrets()
    seen: list[Change | Progress] = field(default_factory=list)
    watchers: list[Callable[[Change | Progress], None]] = field(default_factory=list)
    policy: Policy = Policy(reuse_unsaid=True, grace=0.2)
    terminal: Terminal | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = Files(self.tmp / "blobs")
        self.terminal = Terminal(*os.pipe())

    def watch(self, notice: Change | Progress) -> None:
        self.seen.append(notice)
        for watcher in self.watchers:
            watcher(notice)

    def world(self, ledger: MemoryLedger) -> World:
        assert self.terminal is not None
        return World(
            ledger=ledger,
            executor=self.executor,
            slots=self.cores,
            files=self.files,
            where=Surroundings(
                home=self.tmp,
                bundles=self.tmp / "bundles",
                environment={"PATH": os.environ["PATH"]},
                variables=self.variables,
            ),
            secrets=self.secrets,
            watch=self.watch,
            signals=self.terminal,
        )

    def run(self, tasks: Mapping[str, Shell], ledger: MemoryLedger | None = None, run: str = "r1") -> MemoryLedger:
        planned = pipeline(tasks)
        ledger = ledger or MemoryLedger(planned.records())
        described = Run(id=run, project="p", algorithm="a", state=ledger.state)
        state = drive(planned, described, list(ledger.tasks.values()), self.world(ledger), self.policy)
        assert state is ledger.state
        assert self.cores.used == 0, "slots were kept"
        return ledger

    def directory(self, task: str, serial: int = 1, run: str = "r1") -> Path:
        return self.tmp / "runs" / run / task / str(serial)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, Executors())
    yield made
    made.executor.close()
    assert made.terminal is not None
    os.close(made.terminal.reader)
    os.close(made.terminal.writer)


def states(ledger: MemoryLedger) -> dict[str, TaskState]:
    return {name: record.state for name, record in ledger.tasks.items()}


def say(parameters: Mapping[str, Json] | None = None, artifacts: Mapping[str, Any] | None = None) -> str:
    """The shell of a captured step that says this of its outputs."""
    body = {
        "parameterValues": parameters or {},
        "artifacts": {name: {"artifacts": [{"metadata": metadata}]} for name, metadata in (artifacts or {}).items()},
    }
    return f"printf '%s' '{json.dumps(body)}' > ../executor_output.json"


WRITE = Shell(
    script="echo hello > ../outputs/data; echo 41 > ../values/n", outputs={"data": "system.Dataset", "n": "int"}
)
READ = Shell(
    script="cat ../inputs/data/data > ../values/text",
    inputs={"data": "write.data", "n": "write.n"},
    outputs={"text": "str"},
)


def test_values_and_files_go_from_task_to_task(bench: Bench) -> None:
    ledger = bench.run({"write": WRITE, "read": READ})
    assert ledger.state is RunState.SUCCEEDED
    assert ledger.tasks["write"].outputs.parameters == {"n": 41}
    assert ledger.tasks["read"].outputs.parameters == {"text": "hello\n"}
    given = json.loads((bench.directory("read") / "input.json").read_text())
    assert given["inputs"]["parameterValues"] == {"n": 41}


def test_of_a_successful_attempt_stay_its_log_and_words_of_a_failed_one_everything(bench: Bench) -> None:
    bench.run({"good": Shell(script="echo fine"), "bad": Shell(script="echo half > x; exit 3")})
    assert sorted(path.name for path in bench.directory("good").iterdir()) == ["input.json", "log"]
    assert (bench.directory("bad") / "work" / "x").exists()


def test_everything_is_written_down_before_it_is_acted_on(bench: Bench) -> None:
    planned = pipeline({"a": Shell(script="true"), "b": Shell(script="true", after=("a",))})
    started: list[str] = []

    class Careful(MemoryLedger):
        def record(self, changes: Sequence[Change]) -> None:
            for change in changes:
                if isinstance(change, AttemptStarted) and change.attempt.process is None:
                    assert not bench.directory(change.task).exists()
                    started.append(change.task)
            super().record(changes)

    bench.run({"a": Shell(script="true"), "b": Shell(script="true", after=("a",))}, Careful(planned.records()))
    assert started == ["a", "b"]


def test_a_failure_skips_what_needs_it_and_the_rest_goes_on(bench: Bench) -> None:
    ledger = bench.run(
        {
            "bad": Shell(script="echo ValueError: no such column >&2; exit 1"),
            "next": Shell(script="true", after=("bad",)),
            "other": Shell(script="true"),
        }
    )
    assert states(ledger) == {"bad": TaskState.FAILED, "next": TaskState.SKIPPED, "other": TaskState.SUCCEEDED}
    assert ledger.tasks["bad"].message == "exit code 1: ValueError: no such column"
    assert ledger.state is RunState.FAILED


TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'


@pytest.mark.parametrize(
    ("log", "headline"),
    [
        (TRACE + "RuntimeError: first line\nsecond\n", "RuntimeError: first line"),
        (
            TRACE + "KeyError: 1\n\nDuring handling of it, another exception occurred:\n\n" + TRACE + "ValueError: 2\n",
            "ValueError: 2",
        ),
        (
            TRACE + "FileNotFoundError: data.csv\npalmette: data.csv is a file of the project\n",
            "FileNotFoundError: data.csv",
        ),
        (
            '  + Exception Group Traceback (most recent call last):\n  |   File "a.py", line 1\n'
            "  | ExceptionGroup: both (2 sub-exceptions)\n  +-+------ 1 ------\n    | ValueError: 1\n    +------\n",
            "ExceptionGroup: both (2 sub-exceptions)",
        ),
        ("loading\npalmette: it differs\n  numpy 1\n  Lock again.\n", "palmette: it differs"),
        ("first\nlast\n\n", "last"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07and\tba\bd\x7f\n", "red and bad"),
        (TRACE + "\x1b[1;35mRuntimeError\x1b[0m: it is \u202ebold\n", "RuntimeError: it is bold"),
        (TRACE, "g()"),
    ],
)
def test_a_failure_is_headed_by_its_exception(bench: Bench, log: str, headline: str) -> None:
    (bench.tmp / "said").write_text(log, encoding="utf-8")
    ledger = bench.run({"bad": Shell(script=f"cat {bench.tmp}/said >&2; exit 1")})
    assert ledger.tasks["bad"].message == f"exit code 1: {headline}"


def test_a_failed_attempt_is_tried_again_in_a_new_directory(bench: Bench) -> None:
    script = f"test -e {bench.tmp}/mark || {{ touch {bench.tmp}/mark; exit 1; }}"
    ledger = bench.run({"flaky": Shell(script=script, retries=1)})
    attempts = ledger.tasks["flaky"].attempts
    assert [(attempt.serial, attempt.number, attempt.state, attempt.exit_code) for attempt in attempts] == [
        (1, 1, AttemptState.FAILED, 1),
        (2, 2, AttemptState.SUCCEEDED, 0),
    ]
    assert bench.directory("flaky", 2).exists()


def test_an_attempt_killed_from_outside_uses_one_up(bench: Bench) -> None:
    ledger = bench.run({"killed": Shell(script="kill -9 $$")})
    (attempt,) = ledger.tasks["killed"].attempts
    assert (attempt.state, attempt.exit_code) == (AttemptState.FAILED, 137)


def test_an_attempt_that_runs_out_of_time_failed(bench: Bench) -> None:
    ledger = bench.run({"slow": Shell(script="sleep 60", config=PalmetteConfig(timeout=0.2))})
    (attempt,) = ledger.tasks["slow"].attempts
    assert (attempt.state, attempt.exit_code) == (AttemptState.FAILED, 124)
    assert "out of time" in attempt.message


def test_independent_tasks_run_at_once_within_the_slots(bench: Bench) -> None:
    tasks = {f"t{number}": Shell(script="sleep 0.2") for number in range(6)}
    bench.run(tasks)
    assert bench.cores.most == 2.0


def test_a_task_that_was_done_before_is_not_done_again(bench: Bench) -> None:
    tasks = {"write": WRITE, "read": READ}
    first = bench.run(tasks)
    second = MemoryLedger(pipeline(tasks).records())
    for record in first.tasks.values():
        second.earlier[record.fingerprint] = Reused(run="r1", task=record.name, made=1.0, outputs=record.outputs)
    bench.run(tasks, second, run="r2")
    assert states(second) == {"write": TaskState.CACHED, "read": TaskState.CACHED}
    assert second.tasks["read"].outputs == first.tasks["read"].outputs
    assert second.tasks["read"].cached_from == "r1/read"
    assert not (bench.tmp / "runs" / "r2").exists()
    assert len(second.transactions) == 1


def test_equal_data_stop_a_change(bench: Bench) -> None:
    first = bench.run({"write": WRITE, "read": READ})
    ledger = MemoryLedger(pipeline({"write": WRITE, "read": READ}).records())
    read = first.tasks["read"]
    ledger.earlier[read.fingerprint] = Reused(run="r1", task="read", made=1.0, outputs=read.outputs)
    changed = replace(WRITE, script="echo again; " + WRITE.script)
    bench.run({"write": changed, "read": READ}, ledger, run="r2")
    assert states(ledger) == {"write": TaskState.SUCCEEDED, "read": TaskState.CACHED}


def test_metrics_arrive_while_a_task_runs_and_those_of_its_outputs_at_the_end(bench: Bench) -> None:
    event = '{"metric":"loss","value":0.5,"step":1,"time":1}'
    script = (
        f"echo '{event}' >> $PALMETTE_EVENTS; echo '{{\"progress\":1,\"total\":2}}' >> $PALMETTE_EVENTS; sleep 0.5; "
    )
    script += f"echo '{event}' >> $PALMETTE_EVENTS; touch ../outputs/scores; "
    script += say(artifacts={"scores": {"auc": 0.9, "rows": "many", "good": True}})
    task = Shell(script=script, outputs={"scores": "system.Metrics"}, captured=True)
    ledger = bench.run({"fit": task})
    assert [(point.name, point.value, point.step) for point in ledger.points("fit")] == [
        ("loss", 0.5, 1),
        ("loss", 0.5, 1),
        ("auc", 0.9, None),
    ]
    batches = [len(change.points) for change in bench.seen if isinstance(change, PointsLogged)]
    assert batches == [1, 1, 1]
    assert [notice for notice in bench.seen if isinstance(notice, Progress)] == [Progress(task="fit", done=1, total=2)]
    again = MemoryLedger(pipeline({"fit": task}).records())
    record = ledger.tasks["fit"]
    again.earlier[record.fingerprint] = Reused(run="r1", task="fit", made=1.0, outputs=record.outputs)
    bench.run({"fit": task}, again, run="r2")
    assert [(point.name, point.value) for point in again.points("fit")] == [("auc", 0.9)]


def test_a_reused_task_has_the_curves_of_the_one_that_stands_in(bench: Bench) -> None:
    task = Shell(script="true")
    record = bench.run({"fit": task}).tasks["fit"]
    logged = tuple(
        MetricPoint(name="loss", value=value, step=step, time=10.0 + step) for step, value in enumerate((3, 1))
    )
    again = MemoryLedger(pipeline({"fit": task}).records())
    earlier = Reused(run="r1", task="fit", made=1.0, outputs=record.outputs, points=logged)
    again.earlier[record.fingerprint] = earlier
    before = time.time()
    bench.run({"fit": task}, again, run="r2")
    found = again.points("fit")
    assert [(point.name, point.value, point.step) for point in found] == [("loss", 3, 0), ("loss", 1, 1)]
    # They arrive now, so that what this run logged of the same name before is not taken for newer, at the old pace.
    assert found[1].time >= before
    assert found[1].time - found[0].time == 1.0
    assert len(again.transactions) == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("true", "executor_output.json is missing"),
        ("printf '{' > ../executor_output.json", "not whole or not JSON"),
        (say({"n": "text"}) + "; touch ../outputs/data", "'n' is not a NUMBER_INTEGER"),
        (say({"n": 1}), "'data' was not written"),
        (say({"n": 1}) + "; ln -s /etc/passwd ../outputs/data", "symbolic link"),
    ],
)
def test_an_attempt_that_does_not_leave_what_it_must_failed(bench: Bench, script: str, message: str) -> None:
    ledger = bench.run({"fit": Shell(script=script, outputs={"n": "int", "data": "system.Dataset"}, captured=True)})
    assert message in ledger.tasks["fit"].message
    assert ledger.tasks["fit"].outputs == Outputs()


def test_what_can_begin_has_begun_when_the_watch_hears_of_what_made_it_possible(bench: Bench) -> None:
    begun = []

    def look(notice: Change | Progress) -> None:
        if isinstance(notice, TaskChanged) and (notice.task, notice.state) == ("first", TaskState.SUCCEEDED):
            begun.append(bench.directory("second").is_dir())

    bench.watchers.append(look)
    bench.run({"first": Shell(script="true"), "second": Shell(script="true", after=("first",))})
    assert begun == [True]


def test_ctrl_c_ends_what_runs_and_cancels_the_rest(bench: Bench) -> None:
    tasks = {"long": Shell(script="sleep 60"), "next": Shell(script="true", after=("long",))}

    def press(notice: Change | Progress) -> None:
        if isinstance(notice, AttemptStarted) and notice.attempt.process is not None and bench.terminal:
            bench.terminal.press()

    bench.watchers.append(press)
    ledger = bench.run(tasks)
    assert ledger.state is RunState.CANCELED
    assert set(states(ledger).values()) == {TaskState.CANCELED}


def test_a_second_ctrl_c_kills_at_once(bench: Bench) -> None:
    bench.policy = Policy(grace=60.0)
    pressed = []

    def press(notice: Change | Progress) -> None:
        ready = isinstance(notice, Progress) or (pressed and len(pressed) == 1)
        if ready and bench.terminal and len(pressed) < 2:
            pressed.append(notice)
            bench.terminal.press()

    bench.watchers.append(press)
    begun = time.monotonic()
    script = "trap '' TERM; echo '{\"progress\":1}' >> $PALMETTE_EVENTS; while true; do sleep 0.1; done"
    ledger = bench.run({"stubborn": Shell(script=script)})
    assert ledger.state is RunState.CANCELED
    assert time.monotonic() - begun < 50


def test_a_cancel_that_the_ledger_tells_of_is_obeyed(bench: Bench) -> None:
    ledger = MemoryLedger(pipeline({"long": Shell(script="sleep 60")}).records())
    ledger.cancel = True
    assert bench.run({"long": Shell(script="sleep 60")}, ledger).state is RunState.CANCELED


def test_with_the_lease_everything_is_given_up(bench: Bench) -> None:
    class Lost(MemoryLedger):
        def beat(self) -> bool:
            raise LeaseLost("another process drives this run now")

    tasks = {"long": Shell(script="exec sleep 60")}
    ledger = Lost(pipeline(tasks).records())
    with pytest.raises(LeaseLost):
        bench.run(tasks, ledger)
    process = ledger.tasks["long"].attempts[0].process
    assert process is not None
    assert not processes.alive(process)
    assert bench.cores.used == 0


def test_a_resumed_run_does_only_what_is_left(bench: Bench) -> None:
    class Dies(MemoryLedger):
        """Is gone when the second task has been started."""

        def record(self, changes: Sequence[Change]) -> None:
            if any(isinstance(change, AttemptStarted) and change.task == "b" for change in changes):
                super().record(changes)
                raise LeaseLost("gone")
            super().record(changes)

    tasks = {
        "a": Shell(script=f"echo a >> {bench.tmp}/done"),
        "b": Shell(script=f"echo b >> {bench.tmp}/done", after=("a",)),
    }
    first = Dies(pipeline(tasks).records())
    with pytest.raises(LeaseLost):
        bench.run(tasks, first)
    assert states(first) == {"a": TaskState.SUCCEEDED, "b": TaskState.RUNNING}
    second = MemoryLedger(first.tasks.values(), first.state)
    bench.run(tasks, second)
    assert (bench.tmp / "done").read_text() == "a\nb\n"
    assert [(attempt.serial, attempt.number, attempt.state) for attempt in second.tasks["b"].attempts] == [
        (1, 1, AttemptState.LOST),
        (2, 1, AttemptState.SUCCEEDED),
    ]


def test_a_secret_reaches_the_step_and_never_its_log(bench: Bench) -> None:
    bench.secrets = Secrets(values={"TOKEN": "s3cr3t-value"}, versions={"TOKEN": "v1"})
    ledger = bench.run({"use": Shell(script="echo the token is $TOKEN; echo bad $TOKEN >&2; exit 1", secret="TOKEN")})
    assert (bench.directory("use") / "log").read_text() == "the token is ***\nbad ***\n"
    assert ledger.tasks["use"].message == "exit code 1: bad ***"
    parts = ledger.tasks["use"].parts
    assert parts is not None
    assert parts.secrets == {"TOKEN": "v1"}


AWKWARD = 's3cr3t "välue" \\ of/mine'


@pytest.mark.parametrize(
    ("value", "script", "output"),
    [
        ("s3cr3t-value", say({"text": "mine is s3cr3t-value"}), "text"),
        ("s3cr3t-value\n", say({"items": [{"s3cr3t-value": 1}]}), "items"),
        ("48151623", say({"n": 48151623}), "n"),
        (AWKWARD, say({"text": AWKWARD}), "text"),
        ("s3cr3t-value", "printf '%s' \"$TOKEN\" > ../values/text; " + say({"items": []}), "text"),
        ("s3cr3t-value", say(artifacts={"data": {"from": "s3cr3t-value"}}), "data"),
    ],
)
@pytest.mark.parametrize("captured", [True, False])
def test_a_secret_does_not_leave_its_step(bench: Bench, value: str, script: str, output: str, captured: bool) -> None:
    bench.secrets = Secrets(values={"TOKEN": value}, versions={"TOKEN": "v1"})
    # In a file of its own: the command of a container is no secret.
    own = bench.tmp / "own.sh"
    own.write_text(f"echo $TOKEN > ../outputs/data; echo $TOKEN > x; echo '[]' > ../values/items; {script}\n")
    outputs = {"text": "str", "items": "list", "n": "int", "data": "system.Dataset"}
    use = Shell(script=f". {own}", outputs=outputs, captured=captured, secret="TOKEN")
    ledger = bench.run({"use": use, "next": Shell(script="true", after=("use",))})
    own.unlink()
    assert states(ledger) == {"use": TaskState.FAILED, "next": TaskState.SKIPPED}
    assert ledger.tasks["use"].message == (
        f"output '{output}' holds the value of the secret TOKEN: a secret must not leave its step"
    )
    assert ledger.tasks["use"].outputs == Outputs()
    written = b"".join(path.read_bytes() for path in bench.tmp.rglob("*") if path.is_file())
    for part in (value.strip(), json.dumps(value.strip())[1:-1]):
        assert part.encode() not in written
        assert part not in str(bench.seen)


def test_what_is_short_may_look_like_a_secret(bench: Bench) -> None:
    bench.secrets = Secrets(values={"TOKEN": "abc"})
    use = Shell(script=say({"text": "abcd"}), outputs={"text": "str"}, captured=True, secret="TOKEN")
    assert bench.run({"use": use}).tasks["use"].outputs.parameters == {"text": "abcd"}


def test_a_task_whose_secret_is_missing_fails_before_it_starts(bench: Bench) -> None:
    ledger = bench.run({"use": Shell(script="true", secret="TOKEN")})
    assert ledger.tasks["use"].attempts == ()
    assert "TOKEN" in ledger.tasks["use"].message


def test_what_fails_over_sensitive_data_is_not_quoted(bench: Bench) -> None:
    config = PalmetteConfig(step="m:f", sensitive=("data",))
    ledger = bench.run(
        {"load": Shell(script="echo KeyError: Jane Doe; exit 1", outputs={"data": "system.Dataset"}, config=config)}
    )
    assert ledger.tasks["load"].message == "exit code 1"


def leave_while_one_runs(bench: Bench, how: Leaving, gate: Path) -> MemoryLedger:
    """A drive whose driver is told to leave while `first` waits for its gate; `second` comes after it."""
    planned = pipeline(
        {
            "first": Shell(script=f"until [ -e {gate} ]; do sleep 0.02; done", retries=1),
            "second": Shell(script="true", after=("first",)),
        }
    )
    ledger, asked = MemoryLedger(planned.records()), [Leaving.NOT]

    def tell(notice: Change | Progress) -> None:
        if isinstance(notice, AttemptStarted) and notice.attempt.process is not None:
            asked[0] = how
            if how is Leaving.SOON:
                gate.touch()

    bench.watchers.append(tell)
    world = replace(bench.world(ledger), leaving=lambda: asked[0])
    described = Run(id="r1", project="p", algorithm="a", state=ledger.state)
    assert drive(planned, described, list(ledger.tasks.values()), world, bench.policy) is RunState.RUNNING
    assert bench.cores.used == 0
    return ledger


def test_a_driver_that_is_to_leave_soon_lets_what_runs_finish_and_begins_nothing(bench: Bench) -> None:
    ledger = leave_while_one_runs(bench, Leaving.SOON, bench.tmp / "gate")
    assert states(ledger) == {"first": TaskState.SUCCEEDED, "second": TaskState.QUEUED}
    bench.watchers.clear()
    assert bench.run({"first": Shell(script="exit 9"), "second": Shell(script="true", after=("first",))}, ledger)
    assert ledger.state is RunState.SUCCEEDED


def test_a_driver_that_is_to_leave_now_ends_what_runs_and_no_retry_is_used(bench: Bench) -> None:
    ledger = leave_while_one_runs(bench, Leaving.NOW, bench.tmp / "gate")
    assert states(ledger) == {"first": TaskState.QUEUED, "second": TaskState.PENDING}
    (lost,) = ledger.tasks["first"].attempts
    assert (lost.state, lost.number) == (AttemptState.LOST, 1)
