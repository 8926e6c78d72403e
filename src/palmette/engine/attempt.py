"""One try at a task: its directory, its environment, what is left when it is over."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from palmette.domain.run import Attempt
from palmette.engine.inputs import Inputs, Job, Places, UnusableInput, fill, parameter_text
from palmette.engine.plan import PlannedTask
from palmette.engine.pods import Facts, Lent, before
from palmette.engine.ports import (
    LENT,
    Bytes,
    Claim,
    Container,
    Exited,
    Importer,
    Launch,
    Mount,
    NoVault,
    Nowhere,
    Secrets,
    Vault,
)
from palmette.engine.quantities import limit, processors
from palmette.engine.references import bring
from palmette.engine.remains import opened

#: The rooms of an attempt that are of no use to it once it is over.
SCRATCH: Final = ("inputs", "outputs", "program", "values", "work", LENT)
#: The directory in that of a run which its tasks share; no task can have its name.
WORKSPACE: Final = ".workspace"
#: What a container's name cannot hold.
_NAMELESS: Final = re.compile(r"[^A-Za-z0-9_.-]+")
#: When an image is fetched, as a cluster and as Docker and Podman say it.
_PULLS: Final = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}
#: Who runs what must not be run by root.
_NOBODY: Final = 65534
#: How much of the end of a log is searched for what to quote, and how much of that is quoted.
_TAIL: Final = 8192
_QUOTED: Final = 300
#: What terminals take for a command: colours, titles and the like.
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
#: The margin that Python draws beside an exception group.
_MARGIN: Final = re.compile(r"  [+|] ")
_TRACEBACK: Final = ("Traceback (most recent call last):", "Exception Group Traceback (most recent call last):")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where the tasks of a run are executed, and what they may know of it."""

    #: the home: attempt directories lie below it
    home: Path
    #: the directory of unpacked bundles
    bundles: Path
    #: what every task has in its environment: PATH, HOME and the like
    environment: Mapping[str, str] = field(default_factory=dict)
    #: values of variables; a task is given those that its step declares
    variables: Mapping[str, str] = field(default_factory=dict)
    project: Path | None = None
    #: the roots of the project's own modules
    sources: tuple[Path, ...] = ()
    #: the Python of each environment that a step may name; steps that name none run with the project's own
    interpreters: Mapping[str, Path] = field(default_factory=dict)
    #: the Python that stands in for "python3" in what Palmette has not captured, by executor; EnvironmentFailed, when
    #: it is asked for, says why there is none
    foreign: Mapping[str, Path] = field(default_factory=dict)
    #: the program that runs tasks in their images, "docker" or "podman"; empty for processes of this machine
    containers: str = ""


def directory(run: str, task: str, serial: int | str) -> str:
    """An attempt's own directory, below the home."""
    return f"runs/{run}/{task}/{serial}"


def workspace(run: str) -> str:
    """The directory that the tasks of a run share, below the home."""
    return f"runs/{run}/{WORKSPACE}"


def secret_values(task: PlannedTask, secrets: Secrets) -> dict[str, str]:
    """The task's secrets by variable; UnusableInput if one that it must have is missing."""
    missing = [secret.name for secret in task.secrets if not secret.optional and secret.name not in secrets.values]
    if missing:
        raise UnusableInput(f"no value is known here for the secret {', '.join(sorted(missing))}")
    return {secret.variable: secrets.values[secret.name] for secret in task.secrets if secret.name in secrets.values}


def hidden(task: PlannedTask, secrets: Secrets) -> dict[str, str]:
    """The values that nobody may read in what the task leaves, by the names of the secrets."""
    return {secret.name: secrets.values[secret.name] for secret in task.secrets if secret.name in secrets.values}


def prepare(
    task: PlannedTask,
    attempt: Attempt,
    inputs: Inputs,
    *,
    job: Job,
    where: Surroundings,
    secrets: Secrets,
    files: Bytes,
    claim: Claim,
    importer: Importer = Nowhere(),
    vault: Vault = NoVault(),
) -> Launch:
    """Make the attempt's directory, restore its inputs into it, and say how to start it."""
    places = Places(directory=where.home / attempt.directory, workspace=Path(job.workspace))
    places.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    places.directory.mkdir(mode=0o700)
    for name in _rooms(task, inputs):
        (places.directory / name).mkdir()
    if task.shares:
        places.workspace.mkdir(mode=0o700, exist_ok=True)
    for _, artifact, path in places.inputs(task, inputs):
        bring(artifact, path, files, importer)
    filled = fill(task, inputs, places, job)
    (places.directory / "input.json").write_text(filled.input, encoding="utf-8")
    if any("\0" in text for text in (*filled.command, *filled.args, *filled.env.values())):
        raise UnusableInput("a NUL would stand in its command line or in its environment, where none can")
    lent = Lent(task, inputs, vault)
    lent.check()
    confidential = secret_values(task, secrets) | lent.variables(secret=True)
    told = lent.variables(secret=False) | Facts(job=job, task=task, serial=attempt.serial).variables()
    declared = {name: where.variables[name] for name in task.config.env if name in where.variables}
    own = _own(task, places, where, claim)
    # In its image, a task finds the image's.
    python = None if where.containers else _python(task, where)
    if python is not None and not task.captured:
        own |= _foreign(task, python, where, job, filled.env)
    if confidential:
        own["PALMETTE_SECRETS"] = ",".join(confidential)
    given = {**filled.env, **declared, **told, **confidential, **own}
    return Launch(
        id=f"{task.name}#{attempt.serial}",
        command=filled.command,
        args=filled.args,
        environment={**where.environment, **given},
        directory=places.directory,
        log=places.directory / "log",
        threads=claim.threads,
        gpus=claim.gpus,
        timeout=task.timeout,
        imports=task.config.imports,
        declared=tuple(dict.fromkeys((*filled.env, *task.config.env, *told, *confidential))),
        interpreter=python,
        mounts=_mounts(lent, places),
        volumes=lent.volumes,
        before=before(task),
        memory=limit(task.container.resources, lambda text: parameter_text(inputs, text)),
        user=_user(task),
        group=task.kubernetes.security.group,
        confidential=hidden(task, secrets) | lent.confidential(),
        container=Container(
            runtime=where.containers,
            image=parameter_text(inputs, task.container.image),
            name=_NAMELESS.sub("-", f"palmette-{job.id}-{task.name}-{attempt.serial}"),
            variables=tuple(given),
            confidential=frozenset(confidential),
            shown=(where.bundles,) if task.captured else (),
            shared=(places.workspace,) if task.shares else (),
            pull=_PULLS.get(task.kubernetes.pull_policy, ""),
            cpus=processors(task.container.resources, lambda text: parameter_text(inputs, text)),
        )
        if where.containers
        else None,
    )


def _mounts(lent: Lent, places: Places) -> tuple[Mount, ...]:
    """What is mounted, the directories that are empty at first being made."""
    scratch = places.directory / LENT
    mounts = tuple(lent.mounts(scratch))
    if mounts:
        scratch.mkdir(mode=0o700)
    for mount in mounts:
        if mount.source is not None and mount.source.parent == scratch:
            mount.source.mkdir()
        if mount.within and mount.source is not None:
            whole = mount.source.resolve()
            if not (whole / mount.within).resolve().is_relative_to(whole):
                raise UnusableInput(f"{mount.within} leads out of {mount.what}, which is to be mounted at {mount.at}")
    return mounts


def _user(task: PlannedTask) -> int | None:
    """Who it asks to run as; nobody, if it must not be root and says no more."""
    security = task.kubernetes.security
    return _NOBODY if security.non_root and not security.user else security.user


def _python(task: PlannedTask, where: Surroundings) -> Path | None:
    """The interpreter; None for the project's own."""
    found = where.interpreters.get(task.config.environment)
    return found if found or task.captured else where.foreign.get(task.executor)


def _foreign(
    task: PlannedTask, python: Path, where: Surroundings, job: Job, env: Mapping[str, str]
) -> Mapping[str, str]:
    """What a component that knows nothing of Palmette expects: its Python first on the path, the names of its pod."""
    path = env.get("PATH") or where.environment.get("PATH", os.defpath)
    constants = job.constants(task.name)
    pod = {"KFP_POD_NAME": f"{job.id}-{task.name}", "KFP_POD_UID": constants["pipeline_task_uuid"]}
    return {"PATH": f"{python.parent}{os.pathsep}{path}", **{name: pod[name] for name in pod if name not in env}}


def _rooms(task: PlannedTask, inputs: Inputs) -> Iterator[str]:
    """The directories that the attempt needs."""
    yield "work"
    if inputs.artifacts:
        yield "inputs"
    if task.definition.output_definitions.artifacts:
        yield "outputs"
    if task.definition.output_definitions.parameters:
        yield "values"


def _own(task: PlannedTask, places: Places, where: Surroundings, claim: Claim) -> dict[str, str]:
    own = {"PALMETTE_EVENTS": str(places.directory / "events.jsonl"), "PALMETTE_THREADS": str(claim.threads)}
    if task.captured:
        own["PALMETTE_BUNDLES"] = str(where.bundles)
        if where.project is not None:
            own["PALMETTE_PROJECT"] = str(where.project)
        own["PALMETTE_SOURCES"] = ":".join(str(source) for source in where.sources)
    return own


def _gib(amount: int) -> str:
    return f"{amount / 2**30:.2f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"


def failure(task: PlannedTask, inputs: Inputs, report: Exited, log: Path, allowed: int = 0) -> str:
    """Why an attempt that was allowed so much memory failed, in one line; with the headline of its log, unless that
    might quote what is sensitive."""
    if report.timed_out:
        return f"it ran out of time ({task.timeout:g} s)" if task.timeout is not None else "it ran out of time"
    if report.outgrown:
        return f"out of memory: it used {_gib(report.outgrown)} of {_gib(allowed)}"
    if report.code == 128 + signal.SIGKILL:
        return "exit code 137: something outside killed it, perhaps for want of memory"
    text = f"exit code {report.code}"
    if report.code > 128:
        with contextlib.suppress(ValueError):
            text += f" ({signal.Signals(report.code - 128).name})"
    if _full(log.parent):
        # What the step said of it had no place in its log.
        text += f", and no space is left in {log.parent}"
    sensitive = task.config.sensitive or any(each.sensitive for given in inputs.artifacts.values() for each in given)
    line = "" if sensitive else _headline(log)
    return f"{text}: {line}" if line else text


def _full(directory: Path) -> bool:
    try:
        disk = os.statvfs(directory)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _TAIL


def _headline(log: Path) -> str:
    """The line of a log that says most of a failure: the exception's, else Palmette's last message, else the last."""
    try:
        with opened(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    said = [line for line in map(_printable, _ESCAPE.sub("", text).splitlines()) if line.strip()]
    messages = [line for line in said if line.startswith("palmette: ")]
    line = (_exception(said) or (messages or said or [""])[-1]).strip()
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"


def _printable(line: str) -> str:
    return "".join(sign for sign in line.replace("\t", " ") if sign.isprintable())


def _exception(lines: list[str]) -> str:
    """Type and first line of the exception of the last traceback; empty if there is none."""
    lines = [_MARGIN.sub("", line, count=1) if _MARGIN.match(line) else line for line in lines]
    last = max((place for place, line in enumerate(lines) if line.startswith(_TRACEBACK)), default=len(lines))
    return next((line for line in lines[last + 1 :] if not line[0].isspace()), "")


def tidy(path: Path) -> None:
    """Remove what a successful attempt needs no more: its outputs are stored, its log and its words stay."""
    for name in SCRATCH:
        remove(path / name)


def remove(path: Path) -> None:
    """Remove a directory, parts of which may be read-only; what resists stays. Links are removed, and not followed."""
    if path.is_symlink():
        path.unlink()
    if not path.exists():
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    for parent, names, _ in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                if not Path(parent, name).is_symlink():
                    Path(parent, name).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
