"""An algorithm as a graph: what recording a pipeline function yields, before anything is compiled.

The graph is made in the project's interpreter and read in the tool's, so it consists of plain values only and
travels as JSON (`palmette.domain.wire`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from palmette.domain.values import Json


class ParameterType(StrEnum):
    """The types of a Kubeflow pipeline parameter, as the IR spells them."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "NUMBER_INTEGER"
    DOUBLE = "NUMBER_DOUBLE"
    STRING = "STRING"
    LIST = "LIST"
    STRUCT = "STRUCT"


class ArtifactType(StrEnum):
    """The artifact types that Palmette's own steps produce, by their KFP schema title."""

    ARTIFACT = "system.Artifact"
    DATASET = "system.Dataset"
    MODEL = "system.Model"
    METRICS = "system.Metrics"
    HTML = "system.HTML"
    MARKDOWN = "system.Markdown"


class Reading(StrEnum):
    """How the text of an override (``C=0.1``) is read for a config field, beyond its parameter type."""

    PLAIN = "plain"
    DATE = "date"
    DATETIME = "datetime"
    PATH = "path"
    ENUM = "enum"
    #: an `InputFile`: a path relative to the project, or a URI; what counts is the content
    FILE = "file"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One leaf of an algorithm's config, which is one parameter of its pipeline."""

    #: dotted for nested configs: "model.depth"
    name: str
    type: ParameterType
    reading: Reading = Reading.PLAIN
    #: the default as a parameter value; None where `optional` is the only default
    default: Json = None
    #: there is no default: a value must be given
    required: bool = False
    #: None is allowed, and is what an absent value means
    optional: bool = False
    description: str = ""
    #: inclusive bounds of a number
    low: float | None = None
    high: float | None = None
    #: the allowed values (of the items, for a list); empty for any
    choices: tuple[Json, ...] = ()
    #: for a LIST: the type of its items; for a STRUCT: of its values
    item: ParameterType | None = None
    #: for a LIST: how many items it must have; None for any number
    length: int | None = None
    #: the declared type as the user wrote it, for messages: "Annotated[float, Range(0.05, 0.5)]"
    declared: str = ""
    #: "algorithms/tumour.py:12"
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A named input of a step: a parameter or an artifact."""

    name: str
    #: None for an artifact
    parameter: ParameterType | None = None
    artifact: ArtifactType | None = None
    #: a call need not give it
    optional: bool = False
    default: Json = None
    #: of a LIST or STRUCT parameter or a dataclass-typed one: the declared type, for messages
    declared: str = ""
    #: a list of artifacts: what a loop's tasks made
    many: bool = False
    #: the final status of a task or group, which the backend fills in; nothing is wired to it
    status: bool = False


@dataclass(frozen=True, kw_only=True)
class Output:
    """A named output of a step: a parameter or an artifact.

    A step that returns one value has one output named "output"; a tuple's are "output_1", "output_2"; a dataclass's
    or NamedTuple's are named after its fields.
    """

    name: str
    parameter: ParameterType | None = None
    artifact: ArtifactType | None = None
    #: how the value is stored: a name of `palmette.runtime.formats`, or "custom"
    format: str = ""
    #: never previewed, quoted, summarised or logged
    sensitive: bool = False
    #: a list of artifacts: what an algorithm collected and returns
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a task asks the machine for."""

    #: cores; a fraction is allowed
    cpu: float = 1.0
    #: bytes; 0 for no request
    memory: int = 0
    gpu: int = 0


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a failed task is tried again, and after how long.

    The n-th retry waits ``backoff * factor ** (n - 1)`` seconds, at most `longest`.
    """

    retries: int = 0
    backoff: float = 1.0
    factor: float = 2.0
    longest: float = 3600.0


class Freshness(StrEnum):
    """How long the output of a step that reads the outside world may stand."""

    #: nothing was said: `palmette run` may reuse it and prints its age, CI and recurring runs never do
    UNSAID = "unsaid"
    ALWAYS = "always"
    FOR = "for"
    FUNCTION = "function"


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """`kind` FOR stands for `seconds`; FUNCTION asks the function `target` for a token that is part of the key."""

    kind: Freshness = Freshness.UNSAID
    seconds: float = 0.0
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A component: a function, where it is, what it takes and gives, what it needs."""

    #: unique within the algorithm: the function's name
    name: str
    #: "package.module:qualname" of the function to call
    target: str
    #: "package.module:name" under which the step object stands, where it is not the function itself
    wrapper: str = ""
    description: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    resources: Resources = Resources()
    retry: Retry = Retry()
    #: seconds; None for no limit
    timeout: float | None = None
    fresh: Fresh = Fresh()
    #: names of environment variables whose values the step reads, and which count in its fingerprint
    env: tuple[str, ...] = ()
    #: names of secrets handed to it as environment variables
    secrets: tuple[str, ...] = ()
    #: definitions that run with it beside its own closure, as "module:qualname": custom formats, fresh functions
    reaches: tuple[str, ...] = ()
    #: third-party modules that its formats import when they read or write
    imports: tuple[str, ...] = ()
    #: dynamic imports the author declared: module names or globs
    include: tuple[str, ...] = ()
    #: the dependency group of the lock that it runs with, besides the project's own dependencies; empty for those alone
    environment: str = ""
    #: of a step that is a command and no function: its words, each with placeholders such as "{dataset}"; its `target`
    #: is then the name under which the step object stands
    command: tuple[str, ...] = ()
    #: "algorithms/tumour.py:41"
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class FromParameter:
    """A task's argument is a pipeline parameter."""

    parameter: str


@dataclass(frozen=True, kw_only=True)
class FromTask:
    """A task's argument is an output of another task."""

    task: str
    output: str


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A task's argument was written out in the pipeline function."""

    value: Json


@dataclass(frozen=True, kw_only=True)
class FromItem:
    """A task's argument is the item of a loop around it, or a part of that item."""

    #: the name of the loop
    loop: str
    #: keys into an item that is a mapping: ("train",)
    path: tuple[str, ...] = ()
    #: of that item or part; None for an artifact
    type: ParameterType | None = None


@dataclass(frozen=True, kw_only=True)
class FromCollected:
    """A task's argument is the list of what a task within loops made, in the order of the items."""

    task: str
    output: str


@dataclass(frozen=True, kw_only=True)
class FromOneOf:
    """A task's argument is the output of that task, of several in exclusive branches, which was executed."""

    alternatives: tuple[FromTask, ...]


@dataclass(frozen=True, kw_only=True)
class FromFile:
    """A task's argument is the file that an `InputFile` parameter names: an artifact that is imported, not copied."""

    parameter: str


Source: TypeAlias = FromParameter | FromTask | Constant | FromItem | FromCollected | FromOneOf | FromFile


class Comparator(StrEnum):
    """How a condition compares two values."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One value held against another."""

    left: Source
    operator: Comparator
    right: Source


@dataclass(frozen=True, kw_only=True)
class Not:
    """The opposite of a test."""

    test: Test


@dataclass(frozen=True, kw_only=True)
class All:
    """Every one of several tests."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, kw_only=True)
class Any:
    """At least one of several tests."""

    tests: tuple[Test, ...]


Test: TypeAlias = Comparison | Not | All | Any


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of a step in the pipeline."""

    #: unique within its pipeline function: the step's name, then "name-2", "name-3"
    name: str
    step: str
    arguments: Mapping[str, Source] = field(default_factory=dict)
    #: tasks or groups that must have succeeded though nothing of theirs is used
    after: tuple[str, ...] = ()
    #: it runs once everything it needs is over, whether that succeeded or not
    regardless: bool = False
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One branch of a condition."""

    #: "condition-1": unique within its pipeline function
    name: str
    #: None for `otherwise`
    test: Test | None
    body: tuple[Node, ...]
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class When:
    """A condition: of its cases, at most the first whose test holds is executed."""

    #: "condition-branches-1"; a single case's own name where there is only one
    name: str
    cases: tuple[Case, ...]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Each:
    """A loop: its body once for each item."""

    #: "for-loop-1": unique within its pipeline function
    name: str
    #: a list; of artifacts, if it is a `FromCollected` of an artifact
    items: Source
    body: tuple[Node, ...]
    #: the type of its items; None for artifacts
    item: ParameterType | None = None
    #: at most so many items at once; 0 for any number
    parallelism: int = 0
    after: tuple[str, ...] = ()
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class Nested:
    """A call of another algorithm. The names in its body are its own: nothing inside refers outside but by its inputs,
    which are the parameters (`FromParameter`) or artifacts (`FromTask` with an empty task) of its body."""

    #: unique within the calling pipeline function
    name: str
    #: the algorithm's name
    algorithm: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    arguments: Mapping[str, Source] = field(default_factory=dict)
    body: tuple[Node, ...] = ()
    #: output name → what within the body it is
    results: Mapping[str, Source] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class OnExit:
    """A body, and a task that runs when it is over, whatever became of it."""

    #: "exit-handler-1": unique within its pipeline function
    name: str
    body: tuple[Node, ...]
    task: Task
    after: tuple[str, ...] = ()
    location: str = ""


Node: TypeAlias = Task | When | Each | Nested | OnExit


def calls(nodes: tuple[Node, ...]) -> Iterator[Task]:
    """Every task in these nodes and in the groups within them, in the order of the source."""
    for node in nodes:
        match node:
            case Task():
                yield node
            case When(cases=cases):
                for case in cases:
                    yield from calls(case.body)
            case Each(body=body) | Nested(body=body):
                yield from calls(body)
            case OnExit(body=body, task=task):
                yield from calls(body)
                yield task


def sources(nodes: tuple[Node, ...]) -> Iterator[Source]:
    """Everything that these nodes and the groups within them are given; not what is within nested algorithms."""
    for node in nodes:
        match node:
            case Task(arguments=arguments) | Nested(arguments=arguments):
                yield from arguments.values()
            case When(cases=cases):
                for case in cases:
                    yield from tested(case.test) if case.test else ()
                    yield from sources(case.body)
            case Each(items=items, body=body):
                yield items
                yield from sources(body)
            case OnExit(body=body, task=task):
                yield from sources(body)
                yield from task.arguments.values()


def tested(test: Test) -> Iterator[Source]:
    """Everything that a test looks at."""
    match test:
        case Comparison(left=left, right=right):
            yield left
            yield right
        case Not(test=inner):
            yield from tested(inner)
        case All(tests=tests) | Any(tests=tests):
            for each in tests:
                yield from tested(each)


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A declared metric of an algorithm."""

    name: str
    #: "max" or "min"
    goal: str
    #: the metric that decides
    primary: bool = False
    #: the smallest difference that matters, in the metric's own unit; None where nothing was said
    tolerance: float | None = None
    #: absolute bound that a gate checks
    minimum: float | None = None
    #: largest loss against the baseline that a gate allows
    max_drop: float | None = None
    #: "module:qualname" of the function that computes it from labels and predictions
    of: str = ""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """A pipeline function, recorded."""

    name: str
    #: "package.module:qualname"
    target: str
    description: str = ""
    #: in the order of the dataclass
    config: tuple[Field, ...] = ()
    #: for each preset the values in which it differs from the defaults; "full" is there and empty
    presets: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    metrics: tuple[MetricSpec, ...] = ()
    steps: tuple[Step, ...] = ()
    #: in the order of the calls, which is a topological order; conditions, loops, nested algorithms among them
    tasks: tuple[Node, ...] = ()
    #: artifacts that it takes: such an algorithm is a part of others, and cannot be run alone
    inputs: tuple[Input, ...] = ()
    #: what it returns, and what within it that is
    outputs: tuple[Output, ...] = ()
    results: Mapping[str, Source] = field(default_factory=dict)
    location: str = ""

    def step(self, name: str) -> Step:
        """The step of that name; KeyError if there is none."""
        return next((step for step in self.steps if step.name == name), None) or _missing(name)


def _missing(name: str) -> Step:
    raise KeyError(name)
