"""Every error that Palmette raises on purpose, and the exit code each one promises.

    PalmetteError                     1   something the user can mend
    ├── DefinitionError               1   the project's own code says something impossible
    ├── CaptureError                  1   a step's source cannot be taken along as it stands
    ├── CompileError                  1   a pipeline cannot be expressed, or is too large
    ├── SpecError                     1   a pipeline document breaks its specification
    ├── AlreadyThere                  1   the name is taken
    ├── Conflict                      1   the state of things forbids it
    │   ├── GateFailed                4   a run breaks a bound that was declared
    │   └── GateInconclusive          5   whether a run keeps its bounds is not shown
    ├── UsageError                    2   a command, an argument or a setting is wrong
    │   ├── ConfigError               2   a value for an algorithm's config is not allowed
    │   ├── ProjectError              2   no project, or its settings are wrong
    │   ├── NotFound                  2   nothing has the name that was asked for
    │   └── QueryError                2   a search cannot be read
    ├── RunFailed                     3   a run was executed and did not succeed
    ├── StillRunning                  6   a run was not over at the deadline
    ├── StoreError                   69   the home cannot be read or written
    │   ├── StoreTooNew              69   a newer Palmette made it
    │   └── CorruptBlob              69   stored bytes are not what they were
    ├── InterpreterError             69   the project's Python cannot be used
    │   └── EnvironmentFailed        69   an environment that steps ask for cannot be built
    ├── ServerError                  69   a server cannot be reached, or does not answer as one of Palmette's
    │   └── AccessDenied             77   a server wants another token, or does not allow what was asked
    ├── Temporary                    75   it may go well if it is tried again
    ├── LeaseLost                    75   another process drives this run now
    └── Interrupted                 130   the user pressed Ctrl-C

The codes follow the conventions of ``sysexits.h`` where they have one (69 unavailable, 75 try again, 77 not allowed).
An error that gathers several findings holds them all in `problems`: bad input is reported at once, not
one mistake at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding: where it is, what is wrong, what to do."""

    #: "algorithms/tumour.py:41, build_and_fit", "config.C", "root.dag.tasks.fit": whatever leads there
    where: str
    #: one sentence without a full stop
    what: str
    #: what to do about it; may be empty
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n    {self.hint}" if self.hint else text


class PalmetteError(Exception):
    """Something went wrong that the user can mend."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        #: what is wrong, in one sentence
        self.message = message
        #: what to do about it
        self.hint = hint
        #: every single finding, in the order in which the user would meet them
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {problem}" for problem in self.problems)]
        return "\n".join([*lines, self.hint] if self.hint else lines)


class DefinitionError(PalmetteError):
    """The project's steps, algorithms or configs say something impossible."""


class CaptureError(PalmetteError):
    """A step's source cannot be taken along as it stands."""


class CompileError(PalmetteError):
    """A pipeline cannot be expressed, or is too large."""


class SpecError(PalmetteError):
    """A pipeline document breaks its specification."""


class AlreadyThere(PalmetteError):
    """Something else has the name already."""


class Conflict(PalmetteError):
    """The state of things forbids what was asked for."""


class GateFailed(Conflict):
    """A run breaks a bound that was declared for its metrics."""

    exit_code = 4


class GateInconclusive(Conflict):
    """Whether a run keeps the bounds that were declared for its metrics is not shown."""

    exit_code = 5


class UsageError(PalmetteError):
    """A command, an argument or a setting is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A value for an algorithm's config is not allowed."""


class ProjectError(UsageError):
    """There is no project here, or its settings are wrong."""


class NotFound(UsageError):
    """Nothing has the name that was asked for."""


class QueryError(UsageError):
    """A search cannot be read, or compares what cannot be compared."""

    @classmethod
    def at(cls, query: str, column: int, what: str, hint: str = "") -> QueryError:
        """With the query, and a mark below the column where it goes wrong; of a long one, with what stands there."""
        begin = max(0, column - 50)
        cut = query[begin : begin + 74].replace("\n", " ").replace("\t", " ")
        return cls(f"{what}\n  {cut}\n  {' ' * (column - begin)}^", hint)


class RunFailed(PalmetteError):
    """A run was executed and did not succeed."""

    exit_code = 3
    #: the run, and the name of the step that failed, where it was started from Python
    run: Any = None
    step = ""


class StillRunning(PalmetteError):
    """A run was not over at the deadline."""

    exit_code = 6


class StoreError(PalmetteError):
    """The home cannot be read or written."""

    exit_code = 69


class StoreUnreachable(StoreError):
    """The database does not answer just now."""


class StoreTooNew(StoreError):
    """A newer Palmette made this store."""


class CorruptBlob(StoreError):
    """Stored bytes are not what they were when they were stored."""


class InterpreterError(PalmetteError):
    """The project's Python cannot be used."""

    exit_code = 69


class EnvironmentFailed(InterpreterError):
    """An environment that steps ask for cannot be built."""


class ServerError(PalmetteError):
    """A server cannot be reached, or does not answer as one of Palmette's."""

    exit_code = 69


class AccessDenied(ServerError):
    """A server wants another token, or does not allow what was asked."""

    exit_code = 77


class Temporary(PalmetteError):
    """What was asked for may go well if it is asked for again."""

    exit_code = 75


class LeaseLost(PalmetteError):
    """Another process drives this run now."""

    exit_code = 75


class Interrupted(PalmetteError):
    """The user pressed Ctrl-C."""

    exit_code = 130
