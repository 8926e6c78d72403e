"""Is a run better than its baseline? The answer, as Python sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from palmette.client import tool
from palmette.client.runs import Asks, Run
from palmette.errors import NotFound


def compare(
    head: Run | str = "last",
    baseline: Run | str | None = None,
    *,
    quiet: bool = True,
    project: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Compare a run with its baseline, as `palmette diff` does: ``palmette.compare("tumour").verdict``.

    The head is a `Run`, an id, or an algorithm for its newest run. The baseline is a `Run`, an id, "tumour@production",
    or an algorithm whose runs are looked at. Where no run is named it is found by rule: the pinned one, else that of
    the nearest commit of the target branch. Where the two were tested on different examples, the baseline's model is
    scored again first, which takes as long as one evaluation; unless it is to be `quiet`, that is shown.
    """
    return asked(tool.here(project), head, baseline, quiet=quiet)


def asked(place: Asks, head: Run | str, baseline: Run | str | None, *, quiet: bool) -> Comparison:
    """Ask for the comparison where the runs are."""
    words = [each.id if isinstance(each, Run) else each for each in (head, baseline) if each is not None]
    return Comparison(place, place("diff", *words, "--json", hear=None if quiet else tool.say))


def wanting(record: Mapping[str, Any]) -> bool:
    """Whether an extra task might tell more: a metric that both runs have is judged by nothing."""
    judged = [each["judged"] for each in record["metrics"] if each["judged"]]
    both = (each for each in judged if each["head"] is not None and each["baseline"] is not None)
    return record["baseline"] is not None and any(each["evidence"] is None for each in both)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that was declared, and whether the run keeps it."""

    metric: str
    #: "minimum", "max_drop", or, of a toy run, "present"
    kind: str
    #: "passed", "failed", "inconclusive"
    outcome: str
    limit: float | None = None
    #: what is held against it: the head's number, or the drop
    value: float | None = None
    #: why, as a fragment of a sentence
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A metric of either run, and what is concluded of it."""

    name: str
    #: the numbers that the two runs logged; None where there is none
    head: float | None = None
    baseline: float | None = None
    #: "max", "min", or empty where the metric is not declared
    goal: str = ""
    primary: bool = False
    #: "better", "worse", "equivalent", "inconclusive", "not comparable"; empty where it is not judged
    verdict: str = ""
    #: what that is about: "model", "change", or empty where nothing was at hand to judge by
    scope: str = ""
    #: how it is said, with the numbers that were compared
    sentence: str = ""
    #: why it is inconclusive or not comparable
    reason: str = ""
    #: head minus baseline and the interval in which it lies at 95 %, by the evidence that decided
    difference: float | None = None
    interval: tuple[float, float] | None = None
    #: of the test that there is no difference, two-sided
    p: float | None = None
    #: by what it was judged: "DeLong", "paired t over seeds"
    method: str = ""
    #: all that `palmette diff --json` says of it
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the baseline was found."""

    #: "pinned", "nearest commit", "newest", "named", "alias", "previous", "none"
    rule: str
    #: the branch that was looked at; empty where there is no repository
    target: str = ""
    #: commits between the start of the walk and the baseline's; None off that line
    distance: int | None = None
    #: whether it was trained on the head's data; None where that is not known
    same_data: bool | None = None
    #: what the reader should know, as sentences without a full stop
    remarks: tuple[str, ...] = ()
    #: the runs that were nearer or newer, with the reason why they are not the baseline
    passed_over: tuple[Mapping[str, Any], ...] = ()


class Comparison:
    """A run beside its baseline: the verdict, the gates, what changed, and the numbers. A value: it does not change."""

    def __init__(self, place: Asks, record: Mapping[str, Any]) -> None:
        self._place, self._record = place, record

    @property
    def record(self) -> Mapping[str, Any]:
        """All that `palmette diff --json` says."""
        return self._record

    @property
    def head(self) -> Run:
        """The run that is judged."""
        return Run(self._place, self.record["head"])

    @property
    def baseline(self) -> Run | None:
        """The run that it is compared with; None where there is none."""
        return Run(self._place, self.record["baseline"]) if self.record["baseline"] else None

    @property
    def verdict(self) -> str:
        """Is it better? "better", "worse", "equivalent", "inconclusive", "not comparable"."""
        return str(self.record["verdict"] or "")

    @property
    def scope(self) -> str:
        """What the verdict is about: "model" (this one training), "change" (whatever the seed), or empty."""
        return str(self.record["scope"] or "")

    @property
    def sentence(self) -> str:
        """The verdict in words, with how sure it is, by what, and about what."""
        return str(self.record["sentence"] or "")

    @property
    def gate(self) -> str:
        """Of all gates together: "failed" if one is, else "inconclusive" if one is, else "passed"."""
        return str(self.record["gate"] or "")

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Every gate, in the order of the metrics."""
        return tuple(
            Gate(
                metric=each["metric"],
                kind=each["gate"],
                outcome=each["outcome"],
                limit=each["limit"],
                value=each["value"],
                reason=each["reason"],
            )
            for each in self.record["gates"]
        )

    @property
    def metrics(self) -> dict[str, Judged]:
        """The metrics of either run by name, declared ones first."""
        return {each["name"]: _judged(each) for each in self.record["metrics"]}

    def __getitem__(self, metric: str) -> Judged:
        """What is concluded of a metric: ``compared["auc"].difference``."""
        found = self.metrics
        if metric not in found:
            raise NotFound(f"neither run has a metric {metric!r}", f"There are: {', '.join(found) or 'none'}.")
        return found[metric]

    @property
    def causes(self) -> tuple[str, ...]:
        """The kinds of thing that differ on the way in: of "config", "code", "data", "environment"."""
        return tuple(self.record["causes"])

    @property
    def choice(self) -> Choice | None:
        """How the baseline was found."""
        said = self.record["choice"]
        if said is None:
            return None
        return Choice(
            rule=said["rule"],
            target=said["target"],
            distance=said["distance"],
            same_data=said["same_data"],
            remarks=tuple(said["remarks"]),
            passed_over=tuple(said["passed_over"]),
        )

    def __repr__(self) -> str:
        against = self.record["baseline"] or "nothing"
        return f"<Comparison of {self.record['head']} with {against}: {self.verdict or 'no verdict'}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(each.name)}</td><td>{_shown(each.baseline)}</td><td>{_shown(each.head)}</td>"
            f"<td>{escape(each.verdict)}</td></tr>"
            for each in self.metrics.values()
        )
        head = "<tr><th>metric</th><th>baseline</th><th>head</th><th>verdict</th></tr>"
        return f"<p>{escape(self.sentence)}</p><table>{head}{rows}</table>"


def _judged(said: Mapping[str, Any]) -> Judged:
    judged: Mapping[str, Any] = said["judged"] or {}
    evidence: Mapping[str, Any] = judged.get("evidence") or {}
    interval = evidence.get("interval_95")
    return Judged(
        name=said["name"],
        head=said["after"],
        baseline=said["before"],
        goal=said["goal"] or "",
        primary=bool(said["primary"]),
        verdict=judged.get("verdict") or "",
        scope=judged.get("scope") or "",
        sentence=judged.get("sentence") or "",
        reason=judged.get("reason") or "",
        difference=evidence.get("difference"),
        interval=(interval[0], interval[1]) if interval else None,
        p=evidence.get("p"),
        method=evidence.get("method") or "",
        record=said,
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
