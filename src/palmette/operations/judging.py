"""From the store to a verdict: which run it is compared with, what is known of the two, and what that concludes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from palmette.authoring.results import Evaluation
from palmette.comparison.baseline import Choice
from palmette.comparison.judgement import Question, apart, judge, rescored
from palmette.comparison.pairs import Pair, Unpaired, pair, relabelled
from palmette.comparison.sides import Side
from palmette.comparison.verdict import Verdict
from palmette.domain.fields import TOY
from palmette.domain.lines import Line
from palmette.domain.run import Run
from palmette.domain.states import RunState, became
from palmette.operations import baselines, comparing, evaluations, extras, repetitions
from palmette.operations.comparing import Compared
from palmette.operations.evaluations import Loaded
from palmette.operations.extras import Found
from palmette.operations.home import Home
from palmette.operations.repetitions import Repetitions
from palmette.operations.resampling import unknown
from palmette.store import runs
from palmette.store import tasks as stored_tasks

#: one label in so many may be corrected before it seems that the examples are others
_MANY = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A verdict, and the examples that it rests on."""

    verdict: Verdict
    both: Pair | Unpaired | None = None
    #: what the runs' own evaluations say, not rescored
    loaded: tuple[Loaded, Loaded] = (Loaded(), Loaded())
    #: an extra task might tell more
    wanting: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Laid:
    """The examples of the two, side by side as far as that is possible."""

    both: Pair | Unpaired | None
    loaded: tuple[Loaded, Loaded]
    #: the two were tested on different examples
    moved: bool = False
    #: what was executed for this comparison; None where nothing needed to be
    found: Found | None = None
    remarks: tuple[str, ...] = ()


def judged(home: Home, head: str, baseline: str | None = None, line: Line | None = None) -> Compared:
    """Compare a run with the one that was named, or that the rule finds, and conclude. Nothing is executed: what an
    extra task would tell is not known unless it was executed before."""
    run = runs.get(home.store, head, project=home.project)
    choice = baselines.choose(home, run, line, named=baseline)
    other = runs.get(home.store, choice.run) if choice.run else None
    laid = comparing.laid(home, run, other)
    sides = laid.comparison
    if sides.baseline is None:
        return replace(laid, choice=choice, verdict=_alone(sides.head, choice))
    found = concluded(home, sides.head, sides.baseline, choice)
    return replace(
        comparing.numbered(home, laid, found.both, *found.loaded),
        choice=choice,
        verdict=found.verdict,
        wanting=found.wanting,
    )


def concluded(home: Home, head: Side, baseline: Side, choice: Choice) -> Judged:
    """Gather what is known of the declared metrics of two runs, and judge."""
    questions = [
        Question(metric=metric, head=head.metrics.get(metric.name), baseline=baseline.metrics.get(metric.name))
        for metric in head.run.metrics
    ]
    unfinished = _unfinished(head.run, "this run") or _unfinished(baseline.run, "the baseline")
    if unfinished:
        return Judged(verdict=apart(questions, unfinished, over=head.run.state.final))
    if TOY in (head.run.preset, baseline.run.preset):
        return Judged(verdict=judge(questions, None, toy=True))
    laid = lay(home, head, baseline)
    repeated = _repeated(home, head.run, baseline.run, choice.line, moved=laid.moved)
    verdict = judge([_filled(each, repeated, laid.found, laid.both) for each in questions], laid.both)
    told = {metric.name for metric in verdict.metrics if metric.evidence is not None}
    helps = _moved(laid.both) and len(told) < len(questions)
    return Judged(
        verdict=replace(
            verdict,
            remarks=(*verdict.remarks, *laid.remarks),
            hint=f"palmette run {head.run.algorithm} --data-of {baseline.run.id}" if helps else "",
        ),
        both=laid.both,
        loaded=laid.loaded,
        wanting=helps or any(metric.name not in told for metric in unknown(head.run.metrics)),
    )


def lay(home: Home, head: Side, baseline: Side) -> Laid:
    """Lay the examples of two runs side by side; the baseline's as they were scored again, where that was done."""
    matched = evaluations.matched(head.tasks, baseline.tasks)
    loaded = evaluations.load_both(home, matched)
    both, remarks = _paired(*loaded), matched.remarks
    moved = _moved(both)
    if not moved and not unknown(head.run.metrics):
        return Laid(both=both, loaded=loaded, remarks=remarks)
    found = extras.found(home, head.run, baseline.run)
    after, again = loaded[0].evaluation, found.evaluation
    if moved and after is not None and again is not None:
        both = _again(after, again)
        remarks = (*remarks, *_relabelled(after, loaded[1].evaluation))
    return Laid(both=both, loaded=loaded, moved=moved, found=found, remarks=(*remarks, *found.remarks))


def _again(head: Evaluation, baseline: Evaluation) -> Pair | Unpaired:
    """The examples of the two after the baseline was scored again. Where that gives no pair either, the test data still
    differ, and so do the questions that the numbers answer."""
    both = pair(head, baseline, rescored=True)
    if isinstance(both, Pair):
        return both
    return Unpaired(reason=f"the test data differ, and with the baseline rescored {both.reason}", rescoring_helps=True)


def _relabelled(head: Evaluation, baseline: Evaluation | None) -> Iterator[str]:
    """That keys seem to be no names of examples: then nobody knows what a model was trained on."""
    differing, common = relabelled(head, baseline) if baseline is not None else (0, 0)
    if differing:
        doubt = ": if keys do not name the same examples in both, leaks are not excluded"
        said = f"{differing:,} of the {common:,} test examples in both runs have other labels now"
        yield said + (doubt if _MANY * differing > common else "")


def _alone(head: Side, choice: Choice) -> Verdict:
    """With nothing to compare, the absolute bounds judge; of a toy run, that its numbers are there."""
    questions = [Question(metric=each, head=head.metrics.get(each.name), baseline=None) for each in head.run.metrics]
    unfinished = _unfinished(head.run, "this run")
    if head.run.preset == TOY and not unfinished:
        return replace(judge(questions, None, toy=True), reason=choice.sentence)
    return apart(questions, unfinished or choice.sentence, alone=True, over=head.run.state.final)


def _unfinished(run: Run, name: str) -> str:
    """Why a run's numbers are none to be compared, as a fragment of a sentence; empty if they are."""
    if run.state is RunState.SUCCEEDED:
        return ""
    return f"{name} {became(run.state)}" if run.state.final else f"{name} is not over"


def _paired(head: Loaded, baseline: Loaded) -> Pair | Unpaired:
    missing = [
        f"{name} {side.reason}"
        for name, side in (("this run", head), ("the baseline", baseline))
        if side.evaluation is None
    ]
    if head.evaluation is None or baseline.evaluation is None:
        return Unpaired(reason=" and ".join(missing))
    return pair(head.evaluation, baseline.evaluation)


def _moved(both: Pair | Unpaired | None) -> bool:
    """Whether the two were tested on different examples."""
    return isinstance(both, Unpaired) and both.rescoring_helps


def _repeated(home: Home, head: Run, baseline: Run, line: Line, *, moved: bool) -> Repetitions:
    """The repetitions of the two sides. What the change itself tests on other examples is none: its numbers answer
    another question, whatever the seed."""
    found = repetitions.gather(home.store, head, baseline, line, [each.name for each in head.metrics])
    if not moved:
        return found
    same = found.alike
    if same is None or (head.id, baseline.id) == same:
        return Repetitions()
    tasks = [stored_tasks.of_run(home.store, run) for run in same]
    both = _paired(*evaluations.load_both(home, evaluations.matched(*tasks)))
    return Repetitions() if _moved(both) else replace(found, earlier=())


def _filled(question: Question, repeated: Repetitions, found: Found | None, both: Pair | Unpaired | None) -> Question:
    """The question with all that is known beside the two numbers; of a baseline that was scored again, its new one."""
    name = question.metric.name
    head, baseline, earlier = repeated.of(name)
    number = question.baseline
    if found is not None and found.evaluation is not None and isinstance(both, Pair):
        number = found.metrics.get(name)
        number = rescored(question.metric, question.head, both) if number is None else number
    return replace(
        question,
        baseline=number,
        head_seeds=head,
        baseline_seeds=baseline,
        earlier=earlier,
        replicates=found.replicates.get(name) if found is not None else None,
        refused=found.refused.get(name, "") if found is not None else "",
        reused=name in repeated.reused,
    )
