"""What the engine asks of the world: where it writes, how it starts processes, where it keeps bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from palmette.domain.artifact import Artifact
from palmette.domain.run import Change, Process, Reused
from palmette.domain.values import Json
from palmette.errors import NotFound, UsageError

#: The room of an attempt in which lies what it is lent: empty directories, and what they are mounted over.
LENT: Final = "lent"


class Ledger(Protocol):
    """Where the engine writes what happened to one run, under one lease."""

    def record(self, changes: Sequence[Change]) -> None:
        """Write all of them in one durable transaction, or none; LeaseLost if another epoch drives the run."""

    def reusable(self, fingerprint: str) -> Reused | None:
        """The newest successful task with this fingerprint in the project, if its bytes are still there."""

    def beat(self) -> bool:
        """Renew the lease; whether someone asked for the run to be cancelled. LeaseLost as in `record`."""


class Bytes(Protocol):
    """Content-addressed bytes."""

    def put(self, path: Path) -> tuple[str, int]:
        """Take over a file or directory that nobody writes to any more; its digest and size in bytes. Durable when it
        returns. The path is gone afterwards, or a link to the stored bytes."""

    def restore(self, digest: str, path: Path) -> None:
        """Make the file or directory available, read-only, at a path that does not exist yet; CorruptBlob if its bytes
        are not what they were."""


@dataclass(frozen=True, kw_only=True)
class Referred:
    """What lies at a URI, recorded and not copied."""

    uri: str
    #: "sha256:…" of the bytes, or "etag:…" as the host says it
    digest: str
    #: bytes
    size: int
    #: the name it has as a file; a directory's ends in "/"
    filename: str


class Importer(Protocol):
    """Knows what lies outside the store."""

    def refer(self, uri: str) -> Referred:
        """What lies there now; PalmetteError if nothing does, or it cannot be read."""

    def fetch(self, uri: str, target: Path) -> None:
        """Copy what lies there to a path that does not exist yet, whole or not at all; PalmetteError as for
        `refer`."""


class Nowhere:
    """Knows of nothing outside the store."""

    def refer(self, uri: str) -> Referred:
        """Never."""
        raise NotFound(f"nothing here can read {uri}")

    def fetch(self, uri: str, target: Path) -> None:
        """Never."""
        raise NotFound(f"nothing here can read {uri}")


class Expressions(Protocol):
    """Evaluates the expressions of a pipeline document, which are CEL. `Unusable` says why one makes no sense."""

    def holds(self, expression: str, parameters: Mapping[str, Json]) -> bool:
        """Whether a condition over ``inputs.parameter_values`` is true."""

    def part(self, expression: str, value: Json) -> Json:
        """The part of a value that a selector over ``string_value`` names."""


class Unusable(Exception):
    """An expression cannot be evaluated."""


class NoExpressions:
    """Evaluates none."""

    def holds(self, expression: str, parameters: Mapping[str, Json]) -> bool:
        """Never."""
        raise Unusable(f"nothing here evaluates {expression!r}")

    def part(self, expression: str, value: Json) -> Json:
        """Never."""
        raise Unusable(f"nothing here evaluates {expression!r}")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """What an attempt finds at a path. With neither a source nor files it is an empty directory in memory."""

    at: str
    #: what it is, for messages: "the volume data"
    what: str
    #: the directory that lies there
    source: Path | None = None
    #: or a part of it, made if it is missing
    within: str = ""
    #: or files by name, read-only and never on a disk
    files: Mapping[str, str] | None = field(default=None, repr=False)
    #: the most bytes in memory; 0 for no limit
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Before:
    """What runs to its end before an attempt's own command, in the same place."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Container:
    """The image that an attempt runs in, and whose program runs it there."""

    #: "docker", "podman", or the path of either
    runtime: str
    image: str
    #: unique on this machine; the container is known by it
    name: str
    #: variables that the container is given; the rest of the environment is the program's own
    variables: tuple[str, ...] = ()
    #: the names of those whose values nobody may read in a list of processes
    confidential: frozenset[str] = frozenset()
    #: directories that it sees at the same path, read-only…
    shown: tuple[Path, ...] = ()
    #: …and such as it may write to
    shared: tuple[Path, ...] = ()
    #: "always", "missing" or "never"; empty for the program's own choice
    pull: str = ""
    cpus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One attempt, ready to be started."""

    #: "task#serial": unique within the run
    id: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    #: the complete environment of the process, secrets included
    environment: Mapping[str, str]
    #: the attempt's own directory, which exists; the process starts in its subdirectory "work"
    directory: Path
    #: where standard output and error go, appended
    log: Path
    #: threads that numerical libraries may use
    threads: int = 1
    gpus: tuple[int, ...] = ()
    #: seconds; None for no limit
    timeout: float | None = None
    #: modules worth importing in the template first
    imports: tuple[str, ...] = ()
    #: variables the step declared: among them may be one that only a fresh start can set
    declared: tuple[str, ...] = ()
    #: the Python that it runs with; None for the project's own
    interpreter: Path | None = None
    #: what it finds at paths of its own, and nobody else sees there
    mounts: tuple[Mount, ...] = ()
    #: the names of the volumes among them
    volumes: frozenset[str] = frozenset()
    before: tuple[Before, ...] = ()
    #: the most bytes that it may hold in memory; 0 for no limit
    memory: int = 0
    #: who it runs as, where Palmette may choose that; None for who runs Palmette
    user: int | None = None
    group: int | None = None
    #: values that nobody may read in what it leaves, by the names of the secrets
    confidential: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: None for a process of this machine
    container: Container | None = None

    @property
    def scratch(self) -> Path:
        """The directory of what it is lent; gone when it is over."""
        return self.directory / LENT


@dataclass(frozen=True, kw_only=True)
class Started:
    """The attempt's process exists."""

    id: str
    how: str
    why: str
    process: Process


@dataclass(frozen=True, kw_only=True)
class Exited:
    """The attempt's process, and all it started, is gone."""

    id: str
    #: as a shell reports it: 128 + signal
    code: int
    cpu_seconds: float
    #: bytes
    peak_memory: int
    #: it ran out of time
    timed_out: bool = False
    #: bytes it held when it was ended for that; 0 if it was not
    outgrown: int = 0


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The machinery below the attempt died; the attempt is not to blame."""

    id: str
    why: str


Report: TypeAlias = Started | Exited | Lost


class Executor(Protocol):
    """Starts attempts and tells what became of them. Never raises for what an attempt does."""

    def start(self, launch: Launch) -> None:
        """Start the attempt; `Started`, then `Exited`, or `Lost` at any moment, is reported for it later."""

    def end(self, id: str, grace: float) -> None:
        """Ask the attempt's processes to stop (SIGTERM), and kill the whole tree after `grace` seconds (0: at once).
        Unknown or ended ids are ignored."""

    def wait(self, timeout: float, wake: Sequence[int] = ()) -> list[Report]:
        """What happened since the last call; waits up to `timeout` seconds if that is nothing, less if one of the file
        descriptors in `wake` becomes readable."""

    def close(self) -> None:
        """Kill what still runs and let go of everything."""


class Slots(Protocol):
    """The host's cores, memory and GPUs, shared by all drivers of this user."""

    def claim(self, cpu: float, memory: int, gpu: int) -> Claim | None:
        """Take what is asked for now, whole, or nothing."""


class Claim(Protocol):
    """Held until released; a driver's death releases it too."""

    @property
    def threads(self) -> int:
        """Cores handed out, at least 1."""

    @property
    def gpus(self) -> tuple[int, ...]:
        """Numbers of the GPUs handed out."""

    def release(self) -> None:
        """Give everything back; a second call does nothing."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A running step says how far it is."""

    task: str
    done: float
    #: None where the end is not known
    total: float | None = None
    text: str = ""


#: Called by the loop after each change is durable, and for progress as it comes; must not block for long.
Watch: TypeAlias = Callable[[Change | Progress], None]


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Secret values by name, and a version of each that changes whenever its value does."""

    values: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


class Vault(Protocol):
    """What stands in for a cluster's secrets, config maps and volumes. What does not exist is None."""

    def secret(self, name: str) -> Mapping[str, str] | None:
        """The values of a secret by key. They are handed to the process that needs them and kept nowhere."""

    def configmap(self, name: str) -> Mapping[str, str] | None:
        """The values of a config map by key."""

    def version(self, name: str) -> str:
        """What changes whenever a value of that secret does; empty where there is no such secret."""

    def volume(self, name: str) -> Path | None:
        """The directory of a volume."""

    def create_volume(self, name: str, *, size: str, access_modes: Sequence[str], storage_class: str) -> Path:
        """Make a volume; UsageError if there is one of that name."""

    def delete_volume(self, name: str) -> None:
        """Remove a volume and what is in it; nothing happens if it does not exist."""


class NoVault:
    """Has nothing."""

    def secret(self, name: str) -> Mapping[str, str] | None:
        """None."""
        return None

    def configmap(self, name: str) -> Mapping[str, str] | None:
        """None."""
        return None

    def version(self, name: str) -> str:
        """Nothing."""
        return ""

    def volume(self, name: str) -> Path | None:
        """None."""
        return None

    def create_volume(self, name: str, *, size: str, access_modes: Sequence[str], storage_class: str) -> Path:
        """Never."""
        raise UsageError(f"the volume {name} cannot be made: nothing here keeps volumes")

    def delete_volume(self, name: str) -> None:
        """There is nothing to remove."""


#: Output name → artifact, as read from a finished attempt
Artifacts: TypeAlias = Mapping[str, Artifact]
#: Parameter name → value
Values: TypeAlias = Mapping[str, Json]
