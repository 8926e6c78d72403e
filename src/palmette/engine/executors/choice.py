"""All executors as one: a fork of its interpreter's template where that is safe, a fresh process otherwise."""

from __future__ import annotations

import contextlib
import fnmatch
import re
import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from palmette.domain.run import Process
from palmette.engine import processes, stock
from palmette.engine.executors.berth import protected
from palmette.engine.executors.connection import Disconnected, Message
from palmette.engine.executors.containers import Containers
from palmette.engine.executors.enclosure import enclosed, needed
from palmette.engine.executors.process import Commands
from palmette.engine.executors.scales import Scales
from palmette.engine.executors.template import Call, Template
from palmette.engine.ports import Exited, Launch, Lost, Report, Started
from palmette.engine.stock import Stock
from palmette.errors import InterpreterError
from palmette.runtime import stock as running
from palmette.runtime import threads
from palmette.runtime.delivery import BOOTSTRAP

FORK: Final = "fork"
PROCESS: Final = "process"
#: how an attempt in its image is said to be started
CONTAINER: Final = "container"
#: Variables that are read when Python starts or a library is loaded, and never again.
EXEC_ONLY: Final = (
    *("PYTHON*", "LD_*", "GLIBC_*", "MALLOC_*", "LC_*", "LANG", "LANGUAGE"),
    *("OMP_*", "GOMP_*", "KMP_*", "OPENBLAS_*", "GOTO_*", "MKL_*", "BLIS_*", "NUMEXPR_*", "LOKY_*", "RAYON_*"),
    *("CUDA_*", "NVIDIA_*", "NCCL_*", "TORCH_*", "PYTORCH_*", "TF_*", "XLA_*", "JAX_*", "NUMBA_*"),
    *(
        "ARROW_*",
        "NPY_*",
        "NUMPY_*",
        "SKLEARN_*",
        "SCIPY_*",
        "POLARS_*",
        "MPL*",
        "HF_*",
        "TRANSFORMERS_*",
        "TOKENIZERS_*",
    ),
)
_EARLY: Final = re.compile("|".join(map(fnmatch.translate, EXEC_ONLY)))
#: exit codes above this one say which signal ended a process
SIGNALED: Final = 128
#: seconds between SIGTERM and SIGKILL when an attempt runs out of time
GRACE: Final = 5.0
#: so often in a row may a template die before attempts are started without it
DEATHS: Final = 3
GPUS: Final = "CUDA_VISIBLE_DEVICES"
ENTRY: Final = "palmette.runtime.bootstrap:main"
STOCK: Final = "palmette.runtime.stock:main"


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    launch: Launch
    how: str
    why: str = ""
    #: when its time is over
    deadline: float = float("inf")
    timed_out: bool = False
    #: bytes that it held when it was ended for them
    outgrown: int = 0
    process: Process | None = None
    #: the stable from which it was forked
    python: Path | None = None
    #: what it is, if it is a component of the stock SDK
    stock: Stock | None = None

    @property
    def stable(self) -> tuple[Path | None, bool]:
        """The key of that stable. One that has the light half of `kfp` is good for nothing else."""
        return self.python, self.stock is not None and self.stock.light


@dataclass
class _Stable:
    """The template of one interpreter, and what is known of it."""

    python: Path
    light: bool = False
    template: Template | None = None
    deaths: int = 0
    #: what this template was asked to import, and the pins that a step of it has found in order
    imported: set[str] = field(default_factory=set)
    proved: set[str] = field(default_factory=set)


def obstacle(launch: Launch, component: Stock | None = None) -> str:
    """Why this attempt cannot be a fork of a template; empty if it can."""
    if launch.container is not None:
        return f"it runs in its image {launch.container.image}"
    if component is None and launch.command[:3] != ("python3", "-c", BOOTSTRAP):
        return "not a captured step"
    if component is not None and component.own:
        return "it asks for a virtual environment of its own"
    if launch.gpus:
        return "it uses a GPU"
    if needed(launch):
        return "it has a file system of its own"
    if "--install" in launch.args:
        return "it installs packages"
    early = [name for name in launch.declared if _EARLY.match(name)]
    if early:
        return f"only a start can set {', '.join(sorted(early))}"
    return ""


class Executors:
    """Implements `engine.ports.Executor`. One driver's, used by one thread at a time.

    `python` is the project's interpreter, for each attempt that names no other; an attempt's interpreter also stands
    in for a command's "python3". Without a `kit` and a directory for `templates` there is no template, and every
    attempt is a fresh process. `environment` is the driver's own, for templates that are started on the way; a
    `template` of the project's that is reached already is taken over. Those that are reached here first import
    `imports`.
    """

    def __init__(
        self,
        *,
        python: Path | None = None,
        kit: Path | None = None,
        templates: Path | None = None,
        environment: Mapping[str, str] | None = None,
        template: Template | None = None,
        imports: Sequence[str] = (),
    ) -> None:
        self._python, self._kit, self._templates = python, kit, templates
        self._environment = environment or {}
        self._imports = imports
        self._stables: dict[tuple[Path | None, bool], _Stable] = {}
        if python is not None:
            self._stables[python, False] = _Stable(python, template=template)
        self._commands: Commands | None = None
        self._attempts: dict[str, _Attempt] = {}
        self._reports: list[Report] = []
        self._scales = Scales()
        self._containers = Containers(self._environment)

    def start(self, launch: Launch) -> None:
        """See the port."""
        # Without an interpreter that was provided for it, a stock component installs what it needs, as it is written.
        component = stock.recognise(launch.command, launch.args) if launch.interpreter else None
        attempt = _Attempt(launch=launch, how=FORK, python=launch.interpreter or self._python, stock=component)
        if why := obstacle(launch, component) or self._unreachable(attempt):
            attempt = replace(attempt, how=PROCESS, why=why)
        if launch.timeout is not None:
            attempt = replace(attempt, deadline=time.monotonic() + launch.timeout)
        self._begin(attempt)

    def end(self, id: str, grace: float) -> None:
        """See the port."""
        if attempt := self._attempts.get(id):
            door = self._template(attempt) if attempt.how == FORK else self._commands
            with contextlib.suppress(Disconnected):  # the next `wait` finds out
                if door:
                    door.end(id, grace)

    def wait(self, timeout: float, wake: Sequence[int] = ()) -> list[Report]:
        """See the port."""
        until = time.monotonic() + timeout
        while True:
            self._gather()
            self._expire()
            self._weigh()
            now = time.monotonic()
            if self._reports or now >= until:
                found, self._reports = self._reports, []
                return found
            poll = select.poll()
            for number in (*wake, *(door.fileno() for door in self._doors())):
                poll.register(number, select.POLLIN)
            first = min([until, self._scales.due, *(attempt.deadline for attempt in self._attempts.values())])
            ready = poll.poll(max(0.0, first - now) * 1000 + 1)
            if any(number in wake for number, _ in ready):
                until = now

    def close(self) -> None:
        """See the port."""
        for id in self._attempts:
            self.end(id, 0)
        deadline = time.monotonic() + processes.PATIENCE
        while self._attempts and time.monotonic() < deadline:
            self.wait(0.1)
        for door in self._doors():
            door.close()
        self._containers.close()
        self._stables.clear()
        self._commands = None

    def _doors(self) -> list[Template | Commands]:
        """Everything that attempts were started over."""
        templates = [stable.template for stable in self._stables.values() if stable.template]
        return [*templates, *([self._commands] if self._commands else [])]

    def _template(self, attempt: _Attempt) -> Template | None:
        """The template that the attempt was forked from, while it lives."""
        stable = self._stables.get(attempt.stable)
        return stable.template if stable else None

    def _unreachable(self, attempt: _Attempt) -> str:
        """Why there is no template of its interpreter; empty once there is one."""
        python, light = attempt.stable
        if python is None:
            return "no template for this interpreter"
        stable = self._stables.setdefault(attempt.stable, _Stable(python, light))
        if stable.template is None:
            if self._kit is None or self._templates is None:
                return "no template for this interpreter"
            if stable.deaths >= DEATHS:
                return f"the template died {stable.deaths} times"
            stable.imported, stable.proved = set(), set()
            try:
                environment = {**self._environment, **(attempt.stock.variables if attempt.stock else {})}
                stable.template = Template.reach(python, self._kit, self._templates, environment)
            except InterpreterError as error:
                return f"the template does not start: {error.message}"
            if self._imports and attempt.stock is None:
                stable.imported.update(self._imports)
                stable.template.begin_preload(self._imports)
        try:
            stable.template.hello()
        except InterpreterError as error:
            stable.template.close()
            stable.template, stable.deaths = None, DEATHS
            return f"the template does not start: {error.message}"
        return ""

    def _begin(self, attempt: _Attempt) -> None:
        launch = attempt.launch
        self._attempts[launch.id] = attempt
        work = launch.directory / "work"
        try:
            work.mkdir(exist_ok=True)
            if attempt.stock:
                _write(launch.directory / stock.FILE, attempt.stock.source)
            if attempt.how == FORK:
                self._fork(attempt, work)
            else:
                self._execute(attempt, work)
        except OSError as error:
            del self._attempts[launch.id]
            self._reports.append(Lost(id=launch.id, why=f"its directory cannot be used: {error}"))
        except Disconnected:
            pass  # the next `wait` finds out, and reports it lost

    def _fork(self, attempt: _Attempt, work: Path) -> None:
        launch, stable = attempt.launch, self._stables[attempt.stable]
        assert stable.template is not None
        if new := [name for name in _imports(attempt) if name not in stable.imported]:
            stable.imported.update(new)
            stable.template.begin_preload(new)
        stable.template.start(
            launch.id,
            Call(
                entry=STOCK if attempt.stock else ENTRY,
                arguments=self._arguments(attempt, stable),
                directory=work,
                log=launch.log,
                environment=_variables(attempt),
                threads=launch.threads,
                protected=protected(attempt.python),
            ),
        )

    def _arguments(self, attempt: _Attempt, stable: _Stable) -> list[str]:
        """What the entry is given."""
        launch = attempt.launch
        if attempt.stock:
            return [*attempt.stock.words(str(launch.directory / stock.FILE))]
        arguments = list(launch.args)
        # Not worth the while: the bundle is unpacked already; the versions were compared by an earlier fork.
        if "PALMETTE_BUNDLES" in launch.environment:
            _drop(arguments, "--archive")
        if _option(arguments, "--pins") in stable.proved:
            _drop(arguments, "--pins")
        return arguments

    def _execute(self, attempt: _Attempt, work: Path) -> None:
        launch = attempt.launch
        command = [*launch.command, *launch.args]
        if attempt.stock:
            how = [running.__file__] if attempt.stock.old else ["-m"]
            command = ["python3", *how, *attempt.stock.words(str(launch.directory / stock.FILE))]
        if attempt.python and command[:1] in (["python"], ["python3"]) and launch.container is None:
            command[0] = str(attempt.python)
        if self._commands is None:
            self._commands = Commands(self._environment)
        environment, order = _variables(attempt), None
        if launch.container is not None:
            usual = (name for name in environment if name not in launch.environment)
            given = replace(launch.container, variables=(*launch.container.variables, *usual))
            command, environment = self._containers.begin(replace(launch, environment=environment, container=given))
        elif needed(launch):
            command, order = enclosed(launch, command, environment)
            environment = {}
        self._commands.start(
            launch.id,
            command,
            environment=environment,
            directory=work,
            log=launch.log,
            protected=protected(attempt.python),
            input=order,
        )

    def _gather(self) -> None:
        """Turn what came into reports."""
        for stable in self._stables.values():
            if stable.template is None:
                continue
            try:
                for message in stable.template.messages():
                    self._note(message)
            except Disconnected:
                stable.template.close()
                stable.template = None
                stable.deaths += 1
                self._lose(FORK, "the template died", (stable.python, stable.light))
        if self._commands:
            try:
                for message in self._commands.messages():
                    self._note(message)
            except Disconnected:
                self._commands.close()
                self._commands = None
                self._lose(PROCESS, "the process that watched over it died")

    def _note(self, message: Message) -> None:
        attempt = self._attempts.get(message["id"])
        if attempt is None:
            return
        id, launch = attempt.launch.id, attempt.launch
        match message["op"]:
            case "started":
                process = Process(pid=message["pid"], start=message["start"], boot=processes.boot())
                self._attempts[id] = replace(attempt, process=process)
                how = CONTAINER if launch.container else attempt.how
                self._reports.append(Started(id=id, how=how, why=attempt.why, process=process))
                if launch.memory and not launch.container:
                    self._scales.put(id, process.pid, launch.memory)
            case "refused" if attempt.how == PROCESS:  # the machine has no room for one more
                del self._attempts[id]
                self._reports.append(Lost(id=id, why=message["why"]))
            case "refused":
                self._begin(replace(attempt, how=PROCESS, why=message["why"]))
            case "exited":
                del self._attempts[id]
                self._scales.take(id)
                if launch.container:
                    # What ends the program that asked for it does not end a container.
                    self._containers.over(launch, killed=message["code"] > SIGNALED)
                if attempt.how == FORK and attempt.stable in self._stables:
                    stable = self._stables[attempt.stable]
                    stable.deaths = 0
                    if message["code"] == 0 and (pins := _option(launch.args, "--pins")):
                        stable.proved.add(pins)
                self._reports.append(
                    Exited(
                        id=id,
                        code=message["code"],
                        cpu_seconds=message["cpu_seconds"],
                        peak_memory=message["peak_memory"],
                        timed_out=attempt.timed_out,
                        outgrown=attempt.outgrown,
                    )
                )
            case _:  # an answer to an older question
                pass

    def _lose(self, how: str, why: str, below: tuple[Path, bool] | None = None) -> None:
        """Report as lost what ran below something that is dead; nothing of it runs on."""
        for id, attempt in [*self._attempts.items()]:
            if attempt.how == how and (how == PROCESS or attempt.stable == below):
                if attempt.process:
                    processes.end_tree(attempt.process)
                processes.end_strays(attempt.launch.directory)
                del self._attempts[id]
                self._scales.take(id)
                if attempt.launch.container:
                    self._containers.over(attempt.launch, killed=True)
                self._reports.append(Lost(id=id, why=why))

    def _weigh(self) -> None:
        """End what holds too much memory."""
        for id, held in self._scales.outgrown().items():
            if attempt := self._attempts.get(id):
                self._attempts[id] = replace(attempt, outgrown=held)
                self.end(id, 0)

    def _expire(self) -> None:
        """End what is out of time."""
        for id, attempt in self._attempts.items():
            if attempt.deadline <= time.monotonic():
                self._attempts[id] = replace(attempt, deadline=float("inf"), timed_out=True)
                self.end(id, GRACE)


def variables(launch: Launch) -> dict[str, str]:
    """The same for a fork and for a process: output as it comes, equal hashes in every run, no GPU but its own."""
    usual = {**threads.variables(launch.threads), "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    seen = {} if GPUS in launch.declared else {GPUS: ",".join(map(str, launch.gpus))}
    return {**usual, **launch.environment, **seen}


def _option(arguments: Sequence[str], name: str) -> str:
    """The value after an option; empty where it is not given."""
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else ""


def _drop(arguments: list[str], name: str) -> None:
    """Take an option and its value out."""
    if name in arguments[:-1]:
        place = arguments.index(name)
        del arguments[place : place + 2]


def _variables(attempt: _Attempt) -> dict[str, str]:
    return {**variables(attempt.launch), **(attempt.stock.variables if attempt.stock else {})}


def _imports(attempt: _Attempt) -> Sequence[str]:
    """What is worth importing before the fork. Of what a stock component names, that is what lies in its environment
    itself: a change there makes another template, and a module that lies elsewhere may be somebody's work."""
    component = attempt.stock
    if component is None or attempt.python is None:
        return attempt.launch.imports
    own = [name for name in stock.imports(component.source) if _installed(attempt.python, name.partition(".")[0])]
    return [STOCK.partition(":")[0], *component.modules, *own]


@lru_cache(maxsize=1024)
def _installed(python: Path, top: str) -> bool:
    """Whether a module lies in the interpreter's own site-packages."""
    sites = [*python.parent.parent.glob("lib*/python3*/site-packages")]
    return any((site / top).is_dir() or [*site.glob(f"{top}.*")] for site in sites)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode(errors="surrogateescape"))
