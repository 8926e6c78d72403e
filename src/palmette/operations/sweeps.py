"""Sweeps: begin one, go on with one, look at one."""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from palmette.domain import wire
from palmette.domain.config import settle
from palmette.domain.graph import Algorithm, Field, Reading
from palmette.domain.run import Run, Setting, Source
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json, literal
from palmette.engine.planning import plan as make_plan
from palmette.errors import ConfigError, LeaseLost, NotFound, Problem, UsageError
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import configs, environments, machine, outside, secrets, vault
from palmette.operations.accepting import Accepted, Request, accept
from palmette.operations.compiling import compile_recorded
from palmette.operations.home import Home, hold, interrupted, open_home
from palmette.operations.points import Varied, grid, varied, varies
from palmette.operations.policy import policy
from palmette.operations.preparing import Directories, Preparation, directories
from palmette.operations.project import Project
from palmette.operations.recording import finish
from palmette.operations.sharing import Reach, reach
from palmette.store import runs
from palmette.store import sweeps as stored
from palmette.store.identity import new_run_id
from palmette.store.sweeps import SweepRecord

#: a sweep of more points is asked about
MANY = 100


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What someone wants of a sweep, beside what they want of its runs."""

    seeds: int = 0
    seed_field: str = "seed"
    #: how many runs a search may make; 0 for every point of the grid
    trials: int = 0
    #: where the search's own dice begin
    sampler: int = 0
    #: how many runs at once; 0 for what the machine has cores for
    jobs: int = 0
    #: start no further point once one has failed
    stop: bool = False


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Trainings of one algorithm that differ in some fields of its config."""

    id: str
    project: str
    algorithm: str
    varied: tuple[Varied, ...]
    wish: Wish = Wish()
    #: every step is a fresh process
    isolated: bool = False
    #: the metric that decides, and which way; empty where the algorithm declares none
    metric: str = ""
    goal: str = "max"
    note: str = ""
    created: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that vary."""
        return tuple(each.name for each in self.varied)

    @property
    def points(self) -> list[tuple[Json, ...]]:
        """The points of the grid; none, of a search."""
        return [] if self.wish.trials else grid(self.varied)

    @property
    def size(self) -> int:
        """How many runs it comes to."""
        return self.wish.trials or math.prod(len(each.values) for each in self.varied)

    def at(self, run: Run) -> tuple[Json, ...]:
        """The point at which a run is."""
        config = run.config
        return tuple(config.get(name) for name in self.names)

    def title(self, values: Sequence[Json]) -> str:
        """A point in words: "C=0.1 penalty=l2"."""
        return " ".join(f"{name}={short(value)}" for name, value in zip(self.names, values, strict=True))


def short(value: Json) -> str:
    """A value as a table shows it: numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else literal(value)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A run of a sweep."""

    run: Run
    values: tuple[Json, ...]
    metrics: Mapping[str, float]
    tasks: Mapping[TaskState, int]
    #: nobody drives it though it is not over
    interrupted: bool = False

    @property
    def over(self) -> bool:
        """Whether its point needs nothing more: it succeeded, or it failed, which doing it again would not mend."""
        return self.run.state in (RunState.SUCCEEDED, RunState.FAILED)


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """A sweep before it is begun: what it comes to."""

    sweep: Sweep
    request: Request
    #: steps of all its runs, and how many of them differ
    steps: int = 0
    different: int = 0
    #: the varied fields whose values are files, as paths that begin at the project
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A sweep that is driven by this process."""

    sweep: Sweep
    home: Home
    project: Project
    environ: Mapping[str, str]
    directories: Directories
    #: a run of it, of which the others are made
    model: Run
    document: PipelineDocument
    reach: Reach
    secrets: secrets.Secrets
    #: what the templates of other environments import before they are forked
    imports: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    #: the first point's run, if it was accepted just now
    first: Accepted | None = None
    notices: tuple[str, ...] = ()


def draft(preparation: Preparation, request: Request, overrides: Sequence[str], wish: Wish) -> Drafted:
    """Work out the points; ConfigError with every problem of any of them."""
    with TemporaryDirectory(prefix="trial-", dir=preparation.directories.cache) as trial:
        recorded = finish(preparation, Path(trial))
    algorithm = recorded.algorithm
    several, single = _parted(algorithm, request, overrides, wish)
    several = tuple(_placed(each, algorithm.config, request, preparation.project.root) for each in several)
    primary = next(iter(sorted(algorithm.metrics, key=lambda each: not each.primary)), None)
    sweep = Sweep(
        id=new_run_id(),
        project=preparation.project.name,
        algorithm=algorithm.name,
        varied=several,
        wish=wish,
        isolated=request.isolated,
        metric=primary.name if primary else "",
        goal=primary.goal if primary else "max",
        note=request.note,
    )
    if wish.trials and primary is None:
        raise UsageError(f"{algorithm.name} declares no metric", "A search needs one: @algorithm(metrics=[Metric(…)]).")
    request = replace(
        request, overrides=single, sweep=sweep.id, trigger="sweep" if request.trigger == "cli" else request.trigger
    )
    steps, different = _count(compile_recorded(recorded).document, sweep, reuse=request.reuse)
    files = frozenset(field.name for field in algorithm.config if field.reading is Reading.FILE)
    return Drafted(sweep=sweep, request=request, steps=steps, different=different, files=files)


def _parted(
    algorithm: Algorithm, request: Request, overrides: Sequence[str], wish: Wish
) -> tuple[tuple[Varied, ...], tuple[str, ...]]:
    """The fields that vary and the overrides that do not; ConfigError with every problem of both, of the preset and of
    the file."""
    several: tuple[Varied, ...] = ()
    single = tuple(text for text in overrides if not varies(text))
    moving = {text.partition("=")[0].strip() for text in overrides if varies(text)}
    moving |= {wish.seed_field} if wish.seeds else set()
    problems: list[Problem] = []
    file = configs.read(request.config) if request.config else None
    try:
        several, single = varied(
            algorithm.config, overrides, seeds=wish.seeds, seed_field=wish.seed_field, search=bool(wish.trials)
        )
    except ConfigError as error:
        problems += error.problems
    try:
        settle(
            algorithm.config,
            algorithm.presets,
            preset=request.preset,
            file=file,
            file_name=str(request.config or ""),
            overrides=single,
        )
    except ConfigError as error:
        # A field that varies needs no default.
        problems += [problem for problem in error.problems if problem.where not in moving]
    if problems:
        raise ConfigError("the sweep cannot be run", problems=problems)
    return several, single


def _placed(each: Varied, fields: Sequence[Field], request: Request, root: Path) -> Varied:
    """The field with its files found, if files are what it names; as for a single run."""
    own, typed = [field for field in fields if field.name == each.name], {each.name: request.directory or root}
    values = (
        outside.placed(own, (Setting(name=each.name, value=value, source=Source.OVERRIDE),), root, typed=typed)
        for value in each.values
    )
    return replace(each, values=tuple(setting.value for (setting,) in values))


def _count(document: PipelineDocument, sweep: Sweep, *, reuse: bool) -> tuple[int, int]:
    """The steps of all points, and how many are left if what several points share is carried out once. A loop counts
    as one step. Nobody knows what a search will share."""
    reached = reach(document, sweep.names)
    steps = sweep.size * reached.size
    if sweep.wish.trials or not reuse:
        return steps, steps
    shared = frozenset(task for values in sweep.points for task in reached.tasks(values))
    return steps, len(shared) + sweep.size * (reached.size - len(reached.fields))


def begin(preparation: Preparation, drafted: Drafted, first: Sequence[Json]) -> Opened:
    """Accept the sweep and the run of its first point: from then on both are in the store."""
    sweep = drafted.sweep
    accepted = accept(preparation, of_point(drafted, first, preparation.project.root))
    home = accepted.home
    stored.create(home.store, record(sweep))
    document = _document(home, accepted.run)
    return Opened(
        sweep=sweep,
        home=home,
        project=accepted.project,
        environ=accepted.environ,
        directories=accepted.directories,
        model=accepted.run,
        document=document,
        reach=reach(document, sweep.names),
        secrets=accepted.secrets,
        imports=accepted.imports,
        first=accepted,
        notices=accepted.notices,
    )


def of_point(drafted: Drafted, values: Sequence[Json], root: Path) -> Request:
    """What is wanted of the run of a point."""
    point = dict(zip(drafted.sweep.names, values, strict=True))
    for name in drafted.files & {*point}:
        text = str(point[name])
        point[name] = text if "://" in text else str(root / text)
    given = tuple(f"{name}={_given(value)}" for name, value in point.items())
    return replace(drafted.request, overrides=(*drafted.request.overrides, *given))


def _given(value: Json) -> str:
    return f'"{value}"' if isinstance(value, str) and '"' not in value else literal(value)


def _document(home: Home, run: Run) -> PipelineDocument:
    with home.blobs.open(run.spec) as file:
        return codec.loads(file.read())


def record(sweep: Sweep) -> SweepRecord:
    """The sweep as the store knows it."""
    return SweepRecord(
        id=sweep.id,
        project=sweep.project,
        algorithm=sweep.algorithm,
        plan=wire.dump(replace(sweep, note="")),
        note=sweep.note,
        created=time.time(),
    )


def point(opened: Opened, values: Sequence[Json]) -> Accepted:
    """Accept the run of a further point: the same code, environment and settings but those that vary."""
    home, model = opened.home, opened.model
    given = dict(zip(opened.sweep.names, values, strict=True))
    run = replace(
        model,
        id=new_run_id(),
        state=RunState.PENDING,
        settings=moved(model.settings, given),
        # What reads the world was read again for the first point; the others have that.
        refresh=False,
        created=time.time(),
        started=None,
        ended=None,
        message="",
        lease=None,
    )
    plan = make_plan(opened.document, run.config)
    host = model.host or machine.host(opened.project.gpus)
    runs.create(home.store, run, plan.records())
    return Accepted(
        run=run,
        tasks=plan.records(),
        notices=(),
        home=home,
        plan=plan,
        lease=hold(home, run.id, host.name),
        project=opened.project,
        environ=opened.environ,
        directories=opened.directories,
        secrets=opened.secrets,
        policy=policy(home, run, plan),
        isolated=opened.sweep.isolated,
        imports=opened.imports,
    )


def moved(settings: Sequence[Setting], given: Mapping[str, Json]) -> tuple[Setting, ...]:
    """The settings with other values of these fields."""
    return tuple(
        Setting(name=each.name, value=given[each.name], source=Source.OVERRIDE) if each.name in given else each
        for each in settings
    )


# Looking at them, and going on


def find(home: Home, reference: str) -> Sweep | None:
    """The sweep of that name; None if there is none."""
    record = stored.find(home.store, reference, project=home.project)
    return _sweep(record) if record else None


def _sweep(record: SweepRecord) -> Sweep:
    return replace(wire.load(Sweep, record.plan), note=record.note, created=record.created)


def get(home: Home, reference: str) -> Sweep:
    """The sweep of that name; NotFound if there is none."""
    found = find(home, reference)
    if found is None:
        known = [each.id for each in page(home, 5)]
        hint = f"The newest are: {', '.join(known)}." if known else "Begin one: palmette run ALGORITHM FIELD=1,2,3"
        what = "there are no sweeps yet" if reference == "last" else f"there is no sweep {reference!r}"
        raise NotFound(what, hint)
    return found


def look(home: Home, reference: str) -> tuple[Sweep, tuple[Member, ...]]:
    """The sweep of that name with its runs; NotFound if there is none."""
    found = get(home, reference)
    return found, members(home, found)


def known(home: Home, limit: int) -> list[tuple[Sweep, tuple[Member, ...]]]:
    """The sweeps of the project with their runs, newest first."""
    if not 0 < limit <= 1000:
        raise UsageError(f"a list has 1 to 1000 sweeps, and not {limit}")
    return [(sweep, members(home, sweep)) for sweep in page(home, limit)]


def page(home: Home, limit: int) -> list[Sweep]:
    """The sweeps of the project, newest first."""
    return [_sweep(record) for record in stored.page(home.store, project=home.project, limit=limit)]


def members(home: Home, sweep: Sweep) -> tuple[Member, ...]:
    """Its runs, in the order in which they were begun."""
    listed = runs.page(home.store, runs.Filter(project=home.project, sweep=sweep.id), limit=100_000)
    return tuple(
        Member(
            run=each.run,
            values=sweep.at(each.run),
            metrics=each.metrics,
            tasks=each.tasks,
            interrupted=interrupted(each.run),
        )
        for each in reversed(listed)
    )


@contextmanager
def alone(opened: Opened) -> Iterator[None]:
    """Drive the sweep, and nobody else on this machine at the same time; LeaseLost if someone does."""
    path = opened.home.directory / "sweeps" / opened.sweep.id
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = f"See how far it is: palmette sweep {opened.sweep.id}."
            raise LeaseLost(f"sweep {opened.sweep.id} is driven by another process now", hint) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def reopen(project: Project, environ: Mapping[str, str], sweep: Sweep) -> Iterator[Opened]:
    """Take up a sweep where it was left, with the code that it was begun with."""
    home = open_home(project)
    known = members(home, sweep)
    if not known:
        raise NotFound(f"sweep {sweep.id} has no runs any more", f"Begin it anew: palmette run {sweep.algorithm} ….")
    model = runs.get(home.store, known[0].run.id)
    document = _document(home, model)
    plan = make_plan(document, model.config)
    hidden = secrets.gather(plan.secrets, project.root, environ, vault.reach(project, environ))
    with environments.shelf(environ) as held:
        built = environments.again(held, model.environment, model.environments, project.root)
        yield Opened(
            sweep=sweep,
            home=home,
            project=project,
            environ=environ,
            directories=directories(environ),
            model=replace(model, environments=built),
            document=document,
            reach=reach(document, sweep.names),
            secrets=hidden,
            members=known,
        )
