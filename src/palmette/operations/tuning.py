"""A search whose points an optimiser chooses from what the earlier ones gave. Imported where a search is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

from palmette.domain.states import RunState
from palmette.domain.values import Json, canonical
from palmette.errors import UsageError
from palmette.operations.details import Detail
from palmette.operations.points import Varied
from palmette.operations.sweeps import Member, Sweep

try:
    import optuna
except ModuleNotFoundError as error:
    raise UsageError(f"{error.name} is not installed", 'Install it: pip install "palmette[optuna]".') from None

optuna.logging.set_verbosity(optuna.logging.WARNING)

Values = tuple[Json, ...]


class Search:
    """Asks Optuna's TPE for points, and tells it what became of them. Implements `operations.sweeping.Source`.

    Nothing of the study is kept: it is made anew from the runs of the sweep, which are all that it knows.
    """

    def __init__(self, sweep: Sweep, known: int) -> None:
        self._sweep = sweep
        self._left = sweep.wish.trials - known
        direction: Literal["maximize", "minimize"] = "maximize" if sweep.goal == "max" else "minimize"
        # Continued, it must not throw the dice again that it threw in the beginning.
        sampler = optuna.samplers.TPESampler(seed=sweep.wish.sampler + known, constant_liar=True)
        self._study = optuna.create_study(direction=direction, sampler=sampler)
        self._spaces: Mapping[str, Any] = {each.name: self._space(each) for each in sweep.varied}
        self._asked: list[tuple[Values, Any]] = []

    @classmethod
    def of(cls, sweep: Sweep, members: Sequence[Member] = ()) -> Self:
        """A search that knows the runs that there are already."""
        over = [member for member in members if member.over or member.interrupted]
        search = cls(sweep, len(over))
        for member in over:
            search._remember(member)
        return search

    def next(self, held: Callable[[Values], bool]) -> Values | None:
        """See `Source`. A point is drawn when it can be begun, from all that is known then."""
        if not self._left or held(()):
            return None
        return self.suggest()

    def suggest(self) -> Values:
        """Draw a point."""
        trial = self._study.ask(dict(self._spaces))
        values = tuple(self._value(each, trial.params[each.name]) for each in self._sweep.varied)
        self._asked.append((values, trial))
        self._left -= 1
        return values

    def told(self, values: Values, detail: Detail | None) -> None:
        """See `Source`. A run that failed, or lacks the metric, teaches nothing but that."""
        position = next((place for place, (asked, _) in enumerate(self._asked) if asked == values), None)
        if position is None:
            return
        _, trial = self._asked.pop(position)
        good = detail is not None and detail.run.state is RunState.SUCCEEDED
        score = detail.metrics.get(self._sweep.metric) if good and detail is not None else None
        if score is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, score)

    def _remember(self, member: Member) -> None:
        states = optuna.trial.TrialState
        score = member.metrics.get(self._sweep.metric) if member.run.state is RunState.SUCCEEDED else None
        parameters = dict(zip(self._sweep.names, map(self._parameter, self._sweep.varied, member.values), strict=True))
        self._study.add_trial(
            optuna.trial.create_trial(
                params=parameters,
                distributions=dict(self._spaces),
                value=score,
                state=states.COMPLETE if score is not None else states.FAIL,
            )
        )

    def _space(self, each: Varied) -> Any:
        spaces, interval = optuna.distributions, each.interval
        if interval is None:
            return spaces.CategoricalDistribution([self._parameter(each, value) for value in each.values])
        if interval.whole:
            return spaces.IntDistribution(int(interval.low), int(interval.high), log=interval.logarithmic)
        return spaces.FloatDistribution(interval.low, interval.high, log=interval.logarithmic)

    def _parameter(self, each: Varied, value: Json) -> Any:
        """The value as the optimiser knows it: of several, lists and mappings as their JSON."""
        plain = each.interval is not None or value is None or isinstance(value, (bool, int, float, str))
        return value if plain else canonical(value).decode()

    def _value(self, each: Varied, parameter: Any) -> Json:
        found: Json = parameter
        if each.interval is None:
            found = next(value for value in each.values if self._parameter(each, value) == parameter)
        return found
