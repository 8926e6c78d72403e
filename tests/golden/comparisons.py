"""Comparisons of every kind: what `comparisons/` shows in each format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from palmette.comparison.baseline import Choice, PassedOver, Rule
from palmette.comparison.changes import (
    CodeChange,
    CommitChange,
    Comparison,
    ConfigChange,
    ConfigEdit,
    DataChange,
    Edit,
    EnvironmentChange,
    FileChange,
    MetricChange,
    Rerun,
)
from palmette.comparison.evidence import DELONG, EXAMPLES, MCNEMAR, Evidence, Interval, Refusal, Scope, identical
from palmette.comparison.examples import Cell, Flip, Flips, Moved, SliceValue
from palmette.comparison.numbers import Curve, Curves, Numbers
from palmette.comparison.sides import Side
from palmette.comparison.tables import ColumnChange, TableChange
from palmette.comparison.verdict import Gate, GateKind, GateOutcome, MetricVerdict, Outcome, Role, Verdict
from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Line, Start
from palmette.domain.run import Git, Run, Setting, Source
from palmette.domain.states import RunState
from palmette.operations.comparing import Compared

#: when all of this is looked at
NOW = 1_790_000_000.0
AUC = MetricSpec(name="auc", goal="max", primary=True, tolerance=0.005, minimum=0.97, max_drop=0.02)
LOSS = MetricSpec(name="log_loss", goal="min", max_drop=0.01)
LINE = Line(target="main", start=Start.MERGE_BASE, commits=("b" * 40, "c" * 40))


def run(name: str, *, branch: str, commit: str, dirty: bool = False, algorithm: str = "tumour") -> Run:
    return Run(
        id=name,
        project="clinic",
        algorithm=algorithm,
        state=RunState.SUCCEEDED,
        metrics=(AUC, LOSS),
        git=Git(branch=branch, commit=commit, dirty=dirty),
        created=NOW - (7200 if branch == "main" else 120),
    )


HEAD = Side(run=run("rs1j259kby3p", branch="IA-1742-smooth", commit="a" * 40))
BASELINE = Side(run=run("mj9ppdvrxmyj", branch="main", commit="c" * 40))
NEAREST = Choice(run="mj9ppdvrxmyj", rule=Rule.NEAREST, line=LINE, distance=1, same_data=True)


def evidence(low: float, high: float, before: float, scope: Scope = Scope.MODEL) -> Evidence:
    middle, half = (low + high) / 2, (high - low) / 2
    return Evidence(
        method=DELONG,
        scope=scope,
        head=before + middle,
        baseline=before,
        difference=middle,
        narrow=Interval(low=middle - 0.84 * half, high=middle + 0.84 * half),
        wide=Interval(low=low, high=high),
        p=0.01 if low * high > 0 else 0.4,
        n=143,
    )


def auc(outcome: Outcome, found: Evidence | None, **more: object) -> MetricVerdict:
    head, baseline = (found.head, found.baseline) if found else (0.9929, 0.9950)
    made = MetricVerdict(
        name="auc", goal="max", role=Role.PRIMARY, outcome=outcome, head=head, baseline=baseline, tolerance=0.005
    )
    return replace(made, evidence=found, **more)  # type: ignore[arg-type]


def loss(before: float, after: float, outcome: Outcome = Outcome.INCONCLUSIVE, **more: object) -> MetricVerdict:
    made = MetricVerdict(name="log_loss", goal="min", role=Role.GUARD, outcome=outcome, head=after, baseline=before)
    return replace(made, **more)  # type: ignore[arg-type]


def metrics(values: Mapping[str, tuple[float | None, float | None]]) -> tuple[MetricChange, ...]:
    declared = {"auc": AUC, "log_loss": LOSS}
    return tuple(
        MetricChange(
            name=name,
            before=before,
            after=after,
            goal=declared[name].goal if name in declared else "",
            primary=name == "auc",
            tolerance=declared[name].tolerance if name in declared else None,
        )
        for name, (before, after) in values.items()
    )


def minimum(value: float, outcome: GateOutcome) -> Gate:
    return Gate(metric="auc", kind=GateKind.MINIMUM, outcome=outcome, limit=0.97, value=value)


def drop(value: float | None, outcome: GateOutcome, reason: str = "") -> Gate:
    return Gate(metric="auc", kind=GateKind.MAX_DROP, outcome=outcome, limit=0.02, value=value, reason=reason)


def better() -> Compared:
    """A branch that smooths before it fits: code of two files, one of them reached by two steps."""
    found = evidence(0.004, 0.014, 0.981)
    names = ("fetch_dataset", "build_and_fit", "evaluate_model", "report")
    return Compared(
        comparison=Comparison(
            head=HEAD,
            baseline=BASELINE,
            code=(
                CodeChange(definition="clinic.scaling:smooth", edit=Edit.ADDED, tasks=("build-and-fit",)),
                CodeChange(definition="clinic.scaling:scaled", edit=Edit.CHANGED, tasks=("build-and-fit",)),
                CodeChange(definition="clinic.charts:colour", edit=Edit.CHANGED, tasks=("report",)),
            ),
            commits=(
                CommitChange(sha="a" * 40, subject="Smooth the outliers before scaling"),
                CommitChange(sha="d" * 40, subject="Name the colours of the chart"),
            ),
            files=(
                FileChange(path="clinic/scaling.py", edit=Edit.CHANGED, added=21, removed=4, steps=("build-and-fit",)),
                FileChange(path="clinic/charts.py", edit=Edit.CHANGED, added=3, removed=1, steps=("report",)),
            ),
            diff="--- a/clinic/scaling.py\n+++ b/clinic/scaling.py\n@@ -1,2 +1,2 @@\n-scale = 1\n+scale = 2\n",
            metrics=metrics({"auc": (0.981, 0.99), "log_loss": (0.11, 0.1), "accuracy": (0.951, 0.951)}),
            reruns=(Rerun(task="build-and-fit", because=("code",)), Rerun(task="report", because=("code",), same=True)),
            numbers=Numbers(
                slices=(
                    SliceValue(grouping="site", group="north", metric="auc", n=80, head=0.99, baseline=0.97),
                    SliceValue(grouping="site", group="south", metric="auc", n=63, head=0.989, baseline=0.991),
                ),
                roc=Curves(
                    name="ROC",
                    x="false positive rate",
                    y="true positive rate",
                    head=Curve(xs=(0.0, 0.02, 0.1, 1.0), ys=(0.0, 0.9, 0.98, 1.0)),
                    baseline=Curve(xs=(0.0, 0.05, 0.2, 1.0), ys=(0.0, 0.85, 0.97, 1.0)),
                ),
                confusion=(
                    Cell(label="malignant", prediction="benign", before=7, after=3),
                    Cell(label="malignant", prediction="malignant", before=46, after=50),
                ),
                flips=Flips(
                    mended=5,
                    broken=1,
                    other=0,
                    listed=(Flip(key="0f3a9c41d2be", label="benign", before="benign", after="malignant"),),
                ),
            ),
        ),
        names=dict(zip((name.replace("_", "-") for name in names), names, strict=True)),
        choice=NEAREST,
        verdict=Verdict(
            outcome=Outcome.BETTER,
            scope=Scope.MODEL,
            by="auc",
            metrics=(
                auc(Outcome.BETTER, found),
                loss(0.11, 0.1, reason="the interval holds zero", evidence=evidence(-0.03, 0.01, 0.11)),
            ),
            gates=(minimum(0.99, GateOutcome.PASSED), drop(-0.009, GateOutcome.PASSED)),
        ),
    )


def worse() -> Compared:
    """One setting, and a gate that fails for it."""
    found = evidence(-0.05, -0.022, 0.995, Scope.CHANGE)
    before, after = Setting(name="C", value=1.0), Setting(name="C", value=0.001, source=Source.OVERRIDE)
    return Compared(
        comparison=Comparison(
            head=HEAD,
            baseline=BASELINE,
            config=(ConfigChange(name="C", before=before, after=after, edit=ConfigEdit.OVERRIDE),),
            metrics=metrics({"auc": (0.995, 0.959)}),
            reruns=(Rerun(task="fit", because=("C 1.0 → 0.001",)),),
        ),
        names={"fit": "build_and_fit"},
        choice=replace(
            NEAREST,
            rule=Rule.PINNED,
            passed_over=(PassedOver(run="z50d79cqfpdb", commit="b" * 40, reason="overrides (C)"),),
        ),
        verdict=Verdict(
            outcome=Outcome.WORSE,
            scope=Scope.CHANGE,
            by="auc",
            metrics=(auc(Outcome.WORSE, found),),
            gates=(minimum(0.959, GateOutcome.FAILED), drop(0.036, GateOutcome.FAILED)),
        ),
    )


def equivalent() -> Compared:
    """Nothing that goes in differs, and everything was reused."""
    same = identical(0.995, 143)
    return Compared(
        comparison=Comparison(head=HEAD, baseline=BASELINE, metrics=metrics({"auc": (0.995, 0.995)})),
        names={},
        choice=NEAREST,
        verdict=Verdict(
            outcome=Outcome.EQUIVALENT,
            scope=Scope.MODEL,
            by="auc",
            metrics=(auc(Outcome.EQUIVALENT, same),),
            gates=(minimum(0.995, GateOutcome.PASSED),),
        ),
    )


def inconclusive() -> Compared:
    """Two single numbers, of runs that gave no evaluation."""
    refused = (Refusal(method=EXAMPLES, reason="not both runs gave an evaluation"),)
    reason = "two single numbers tell nothing (predictions: not both runs gave an evaluation)"
    return Compared(
        comparison=Comparison(
            head=replace(HEAD, run=replace(HEAD.run, git=replace(HEAD.run.git, dirty=True))),
            baseline=BASELINE,
            environment=(EnvironmentChange(name="scikit-learn", before="1.5.2", after="1.7.0"),),
            metrics=metrics({"auc": (0.995, 0.9929), "log_loss": (0.1, 0.12), "folds": (5, None)}),
            dirty=(True, False),
        ),
        names={},
        choice=replace(
            NEAREST,
            rule=Rule.NEWEST,
            distance=None,
            remarks=("this clone is shallow: only 2 commits of main are known",),
        ),
        verdict=Verdict(
            outcome=Outcome.INCONCLUSIVE,
            by="auc",
            reason=reason,
            metrics=(
                auc(Outcome.INCONCLUSIVE, None, reason=reason, refused=refused),
                loss(0.1, 0.12, reason=reason, refused=refused),
            ),
            gates=(minimum(0.9929, GateOutcome.PASSED), drop(0.0021, GateOutcome.INCONCLUSIVE, reason)),
        ),
    )


def rescored() -> Compared:
    """More rows than the baseline had, so that its model was scored again, and one leaked example was left out."""
    found = replace(evidence(-0.003, 0.002, 0.984), method=MCNEMAR, n=156)
    table = TableChange(
        rows_before=569,
        rows_after=626,
        added=("ward",),
        columns=(
            ColumnChange(
                name="mean_radius",
                type_before="double",
                type_after="double",
                statistics={"mean": (14.1, 15.9)},
                shift=0.42,
                missing=(0.0, 0.031),
                drifted=True,
            ),
            ColumnChange(
                name="mean_area", type_before="double", type_after="double", statistics={"mean": (654.9, 655.1)}
            ),
        ),
    )
    return Compared(
        comparison=Comparison(
            head=HEAD,
            baseline=BASELINE,
            data=(
                DataChange(
                    task="fetch",
                    output="output",
                    type="system.Dataset",
                    before="sha256:1f",
                    after="sha256:2e",
                    rows_before=569,
                    rows_after=626,
                    source=True,
                    table=table,
                ),
                DataChange(
                    task="letters",
                    output="output",
                    type="system.Dataset",
                    before="sha256:3d",
                    after="sha256:4c",
                    source=True,
                    sensitive=True,
                ),
            ),
            moved=Moved(into_training=1, into_test=0, new_test=14, gone_test=None),
            metrics=metrics({"auc": (0.986, 0.9835)}),
        ),
        names={"fetch": "fetch_dataset", "letters": "fetch_letters"},
        choice=replace(NEAREST, same_data=False),
        verdict=Verdict(
            outcome=Outcome.EQUIVALENT,
            scope=Scope.MODEL,
            by="auc",
            metrics=(auc(Outcome.EQUIVALENT, found),),
            remarks=("baseline rescored, 1 left out",),
        ),
    )


def apart() -> Compared:
    """Other test data, and no way to score the baseline on it."""
    reason = "the two runs have no test example in common"
    return Compared(
        comparison=Comparison(
            head=HEAD,
            baseline=BASELINE,
            metrics=metrics({"auc": (0.986, 0.9)}),
            remarks=("different presets: full and toy",),
        ),
        names={},
        choice=replace(NEAREST, same_data=False),
        verdict=Verdict(
            outcome=Outcome.NOT_COMPARABLE,
            by="auc",
            reason=reason,
            metrics=(auc(Outcome.NOT_COMPARABLE, None, reason=reason),),
            gates=(drop(None, GateOutcome.INCONCLUSIVE, reason),),
            hint=f"palmette run tumour --data-of {BASELINE.run.id}",
        ),
    )


def alone() -> Compared:
    """Nothing to compare with: the absolute bounds alone judge."""
    return Compared(
        comparison=Comparison(head=HEAD, baseline=None, metrics=metrics({"auc": (None, 0.96)})),
        names={},
        choice=Choice(run="", rule=Rule.NONE, line=LINE),
        verdict=Verdict(
            outcome=Outcome.NOT_COMPARABLE,
            reason="no run on main to compare with",
            gates=(minimum(0.96, GateOutcome.FAILED),),
        ),
    )


def toy() -> Compared:
    """A toy run, which shows that it trains."""
    reason = "a toy run shows that it trains, not how well"
    return Compared(
        comparison=Comparison(head=HEAD, baseline=BASELINE, metrics=metrics({"auc": (0.7, 0.8)})),
        names={},
        choice=NEAREST,
        verdict=Verdict(
            outcome=Outcome.NOT_COMPARABLE,
            reason=reason,
            metrics=(auc(Outcome.NOT_COMPARABLE, None, reason=reason),),
            gates=(Gate(metric="auc", kind=GateKind.PRESENT, outcome=GateOutcome.PASSED, value=0.8),),
        ),
    )


#: what somebody might name a branch, a commit, a file, a metric, a column, to be heard by others than the reader
HOSTILE = (
    "@ada",
    "#123",
    "!45",
    "team/repo#6",
    "GH-7",
    "[all](https://example.org)",
    "![x](https://example.org/x.png)",
    "https://example.org",
    "www.example.org",
    "ada@example.org",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</details><h1>",
    "a | b",
    "a \\| b",
    "`code` and ``more``",
    "**bold** _it_ ~~gone~~",
    "\n/close\n# heading\n- item",
    "# heading",
    "- item",
    "1. one",
    "/close",
    "---",
    "\r\n> quote",
    "$`x`$ :tada: &amp; ^1",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "]]> <!-- --> \ufffe",
)


def hostile() -> Compared:
    """Names that mean harm, in every place where users' texts stand."""
    made, rest = better(), list(HOSTILE)
    every = "\n".join(HOSTILE)
    name = HOSTILE[0] + "|" + HOSTILE[10]
    judged = replace(auc(Outcome.WORSE, evidence(-0.05, -0.02, 0.9)), name=name)
    algorithm = "t|`@ada\n/close"
    head = replace(HEAD.run, algorithm=algorithm, git=replace(HEAD.run.git, branch=every))
    settings = [Setting(name="x", value=value) for value in (every, "ok")]
    return replace(
        made,
        names={"fit": every},
        comparison=replace(
            made.comparison,
            head=replace(HEAD, run=head),
            code=tuple(CodeChange(definition=each, edit=Edit.CHANGED, tasks=("fit",)) for each in rest),
            commits=tuple(CommitChange(sha="e" * 40, subject=each) for each in rest),
            files=tuple(FileChange(path=each, edit=Edit.ADDED, added=1, steps=("fit",)) for each in rest),
            config=(ConfigChange(name=every, before=settings[0], after=settings[1]),),
            environment=tuple(EnvironmentChange(name=each, before=each, after=each) for each in rest),
            diff="".join(f"+{each}\n" for each in rest) + "+```\n/close\n",
            remarks=tuple(rest),
            metrics=tuple(MetricChange(name=each, before=0.1, after=0.2) for each in rest),
            numbers=Numbers(
                slices=(SliceValue(grouping=every, group=every, metric=every, n=9, head=0.1, baseline=0.2),),
                curves=(Curves(name=every, x=every, y=every, head=Curve(xs=(0.0, 1.0), ys=(0.0, 1.0)), baseline=None),),
                confusion=(Cell(label=every, prediction=every, before=1, after=2),),
            ),
        ),
        choice=replace(
            NEAREST,
            line=replace(LINE, target=every),
            passed_over=(PassedOver(run="z", commit="", reason=every),),
            remarks=tuple(rest),
        ),
        verdict=Verdict(
            outcome=Outcome.WORSE,
            scope=Scope.MODEL,
            by=name,
            metrics=(judged, replace(judged, name=every, reason=every, role=Role.GUARD)),
            gates=(Gate(metric=every, kind=GateKind.MAX_DROP, outcome=GateOutcome.FAILED, limit=1.0, reason=every),),
            remarks=tuple(rest),
        ),
    )


#: name → comparison; what each of them looks like is committed
KINDS = {made.__name__: made for made in (better, worse, equivalent, inconclusive, rescored, apart, alone, toy)}
