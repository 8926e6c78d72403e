"""Which runs repeat a training: with other seeds on either side, or earlier on the target branch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from palmette.comparison.repeats import BAND_LENGTH, Earlier
from palmette.domain.lines import Line
from palmette.domain.run import Run, upstream
from palmette.domain.values import digest
from palmette.store import sweeps, trainings
from palmette.store.database import Store
from palmette.store.trainings import Made, Reading, Training

#: what the last part of a config field is called that only throws the dice: "seed", "model.random_state"
SEEDS: Final = frozenset({"seed", "random_seed", "random_state"})


@dataclass(frozen=True, kw_only=True)
class Repetitions:
    """Runs that repeat the trainings of the two sides, themselves included, all on the same data."""

    #: seed → run
    head: Mapping[str, str] = field(default_factory=dict)
    baseline: Mapping[str, str] = field(default_factory=dict)
    #: of the target branch with the baseline's config, the newest first
    earlier: tuple[str, ...] = ()
    made: Mapping[str, tuple[Made, ...]] = field(default_factory=dict)
    readings: Mapping[str, Mapping[str, Reading]] = field(default_factory=dict)
    #: the metrics whose number was made once for both
    reused: frozenset[str] = frozenset()

    @property
    def alike(self) -> tuple[str, str] | None:
        """Two runs with the same seed, one of each side, if any have."""
        return next(((run, self.baseline[seed]) for seed, run in self.head.items() if seed in self.baseline), None)

    def of(self, name: str) -> tuple[dict[str, float], dict[str, float], tuple[Earlier, ...]]:
        """What they say of a metric: the numbers by seed of both sides, and the earlier ones."""
        head, baseline = (self._values(runs, name) for runs in (self.head, self.baseline))
        earlier = tuple(
            Earlier(run=run, value=found.value, training=self._trainings[run, found.task])
            for run in self.earlier
            if (found := self.readings.get(run, {}).get(name)) is not None
        )
        return head, baseline, earlier

    @cached_property
    def _trainings(self) -> dict[tuple[str, str], str]:
        """What stands for the training, of each task that logged anything: of a thousand metrics most are of one."""
        logged = {(run, found.task) for run in self.earlier for found in self.readings.get(run, {}).values()}
        return {(run, task): training(self.made.get(run, ()), task, run) for run, task in logged}

    def _values(self, runs: Mapping[str, str], name: str) -> dict[str, float]:
        return {
            seed: found.value
            for seed, run in runs.items()
            if (found := self.readings.get(run, {}).get(name)) is not None
        }


def gather(store: Store, head: Run, baseline: Run, line: Line, names: Collection[str]) -> Repetitions:
    """Look for them in the store; none where the two were trained on different data, or nobody knows on which."""
    made = dict(trainings.made(store, [head.id, baseline.id]))
    read = trainings.readings(store, [head.id, baseline.id], names)
    reused = _reused(head.id, baseline.id, made, read, names)
    known = trainings.data(made[head.id])
    if not known or trainings.data(made[baseline.id]) != known:
        return Repetitions(made=made, reused=reused)
    seeds = _seeds(store, head, baseline)
    near = [trainings.around(store, run) for run in (head, baseline)]
    likely = [_likely(run.id, found, seeds) for run, found in zip((head, baseline), near, strict=True)]
    own = next((each for each in near[1] if each.run == baseline.id), None)
    past = _past(store, head, baseline, line, own) if own else []
    others = {each.run for found in (*likely, past) for each in found} - made.keys()
    made |= trainings.made(store, others)
    same = {run for run, tasks in made.items() if trainings.data(tasks) == known}
    sides = [
        siblings(run.id, [each for each in found if each.run in same], made, seeds)
        for run, found in zip((head, baseline), likely, strict=True)
    ]
    earlier = tuple(each.run for each in past if each.run in same)[:BAND_LENGTH]
    wanted = {*earlier, *sides[0].values(), *sides[1].values()} - read.keys()
    return Repetitions(
        head=sides[0],
        baseline=sides[1],
        earlier=earlier,
        made=made,
        readings=read | trainings.readings(store, wanted, names),
        reused=reused,
    )


def _reused(
    head: str,
    baseline: str,
    made: Mapping[str, Sequence[Made]],
    found: Mapping[str, Mapping[str, Reading]],
    names: Collection[str],
) -> frozenset[str]:
    makers = {run: {task.name: task.maker for task in made[run]} for run in (head, baseline)}

    def maker(run: str, name: str) -> str | None:
        reading = found[run].get(name)
        return makers[run].get(reading.task) if reading else None

    return frozenset(name for name in names if (one := maker(head, name)) and one == maker(baseline, name))


def siblings(
    run: str, found: Sequence[Training], made: Mapping[str, Sequence[Made]], seeds: Collection[str]
) -> dict[str, str]:
    """The runs of the same code by their seed: of several with one seed the run itself, else the newest."""
    own = next((each for each in found if each.run == run), None)
    if own is None or not any(name in own.config for name in seeds):
        return {}
    by_seed: dict[str, str] = {_seed(own, seeds): run}
    for each in sorted(found, key=lambda each: (each.created, each.run), reverse=True):
        if _same_code(own, each, made):
            by_seed.setdefault(_seed(each, seeds), each.run)
    return by_seed


def training(tasks: Sequence[Made], task: str, run: str) -> str:
    """What stands for the training behind a number that a task logged: all that was made on the way to it of what came
    in from outside. A model that was reused, or came out the same again, is one training."""
    by_name = {each.name: each for each in tasks}
    if task not in by_name:
        return run
    seen = upstream(by_name[task].needs, {each.name: each.needs for each in tasks})
    made = sorted(
        f"{name}/{output}/{value}" for name in seen if by_name[name].needs for output, _, value in by_name[name].outputs
    )
    return digest([*made]) if made else by_name[task].maker


def _likely(run: str, found: Sequence[Training], seeds: Collection[str]) -> list[Training]:
    """Those with the run's config but for the seed."""
    own = next((each for each in found if each.run == run), None)
    if own is None:
        return []
    config = _fixed(own, seeds)
    return [each for each in found if _fixed(each, seeds) == config]


def _fixed(each: Training, seeds: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in each.config.items() if name not in seeds}


def _seed(each: Training, seeds: Collection[str]) -> str:
    return " ".join(f"{name}={each.config[name]}" for name in sorted(seeds) if name in each.config)


def _past(store: Store, head: Run, baseline: Run, line: Line, own: Training) -> list[Training]:
    """What the target branch trained before the head with the baseline's config, the newest first."""
    if not line.target:
        return []
    commits = line.commits[:BAND_LENGTH]
    found = trainings.before(store, baseline, branch=line.target, commits=commits, created=head.created)
    fitting = [each for each in found if each.config == own.config and not each.dirty and each.run != head.id]
    return fitting[: 4 * BAND_LENGTH]


def _same_code(one: Training, other: Training, made: Mapping[str, Sequence[Made]]) -> bool:
    if one.run == other.run or (one.bundle and one.bundle == other.bundle):
        return True
    clean = one.dirty == other.dirty and (not one.dirty or (bool(one.diff) and one.diff == other.diff))
    if one.commit and one.commit == other.commit and clean:
        return True
    mine, theirs = (_code(made.get(each.run, ())) for each in (one, other))
    return mine is not None and mine == theirs


def _code(tasks: Sequence[Made]) -> list[tuple[str, tuple[str, ...]]] | None:
    """The definitions of all tasks; None unless they are known of each."""
    return sorted((task.name, task.code) for task in tasks) if tasks and all(task.code for task in tasks) else None


def _seeds(store: Store, head: Run, baseline: Run) -> frozenset[str]:
    """The config fields that only throw the dice: by their name, or since a sweep over seeds moved them."""
    found = {name for run in (head, baseline) for name in run.config if name.rpartition(".")[2].lower() in SEEDS}
    for run in (head, baseline):
        record = sweeps.find(store, run.sweep, project=run.project) if run.sweep else None
        wish = record.plan.get("wish") if record and isinstance(record.plan, Mapping) else None
        if isinstance(wish, Mapping) and wish.get("seeds"):
            found.add(str(wish.get("seed_field", "seed")))
    return frozenset(found)
