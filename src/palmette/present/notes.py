"""The note on a merge request: Markdown of one screen, with one section for each algorithm.

Hidden markers tell the note and its sections apart, so that jobs which run at once can each write their own. A marker
is a line of its own; what users wrote never is, since it stands escaped within one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never
from urllib.parse import quote, unquote, urlencode

from palmette.comparison.verdict import GateOutcome, Outcome, Verdict
from palmette.domain.context import Context, Provider
from palmette.domain.run import Run
from palmette.operations.comparing import Compared
from palmette.operations.reports import Report, Reported, Stage, Trial, Variant, stamp
from palmette.present import markdown, words
from palmette.present.account import account
from palmette.present.quoting import code, opening, prose

#: outcome or stage → a sign that is seen from afar; the word beside it says the same
_SIGNS: Final[Mapping[str, str]] = {
    Outcome.BETTER.value: "🟢",
    Outcome.WORSE.value: "🔴",
    Outcome.EQUIVALENT.value: "🔵",
    Outcome.INCONCLUSIVE.value: "🟡",
    Outcome.NOT_COMPARABLE.value: "⚪",
    Stage.RUNNING.value: "⏳",
    Stage.FAILED.value: "🔴",
    Stage.CANCELED.value: "🟡",
}
_NOTHING: Final = "⚪"
_ATTRIBUTE: Final = re.compile(r"([a-z]+)=([\w./%-]*)")
_SECTION: Final = re.compile(
    r"^<!-- palmette:section:(?P<name>[\w.~%-]+) (?P<said>[^\n]*?) ?-->\n(?P<body>.*?)\n"
    r"<!-- palmette:end:(?P=name) -->$",
    re.MULTILINE | re.DOTALL,
)
#: what may stand as a link
_URL: Final = re.compile(r"https?://[\w.~:/?#@!$&*+,;=%\[\]-]+", re.ASCII)
_FOLDED: Final = re.compile(r"^<details>.*?^</details>\n?", re.MULTILINE | re.DOTALL)
#: so many algorithms that nothing was tried of are told of in a line each
_UNFOLDED: Final = 3
#: so many values of a variant are named
_VALUES: Final = 4
_CUT: Final = "<sub>Cut short, since a note has no room for more: report.html of the job has all of it.</sub>"


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a note says of one algorithm."""

    algorithm: str
    #: full SHA of the commit that it tells of
    commit: str
    #: changes whenever what is said does
    stamp: str
    #: "better", …, or how far the full training is
    word: str
    #: of all its gates together; empty where nothing was judged
    gate: str = ""
    #: how the toy training ended
    trains: str = ""
    body: str = ""


def marker(project: str) -> str:
    """The first line of the project's note."""
    return f"<!-- palmette:report:{quote(project, safe='')} -->"


def section(report: Report, reported: Reported) -> Section:
    """What is said of an algorithm."""
    verdict = reported.compared.verdict if reported.compared else None
    return Section(
        algorithm=reported.algorithm,
        commit=report.commit,
        stamp=stamp(reported),
        word=_word(reported),
        gate=verdict.gate.value if verdict else "",
        trains=reported.trains.stage.value,
        body="\n".join(_body(report, reported)).strip("\n"),
    )


def sections(body: str) -> tuple[Section, ...]:
    """Those that a note has."""
    found = []
    for each in _SECTION.finditer(body):
        said = dict(_ATTRIBUTE.findall(each["said"]))
        texts = {name: said.get(name, "").replace("%20", " ") for name in ("commit", "stamp", "word", "gate", "trains")}
        found.append(Section(algorithm=unquote(each["name"]), body=each["body"], **texts))
    return tuple(found)


def note(project: str, parts: Iterable[Section], *, head: str, title: str = "", limit: int = 1_000_000) -> str:
    """The whole note. `head` is the newest commit of the merge request: sections of another one say so. Where it would
    be longer than the limit, it is cut, and says that."""
    ordered = _ordered(parts)
    whole = _whole(project, ordered, head, title)
    for shorten in (_unfolded, _first):
        for place in sorted(range(len(ordered)), key=lambda place: -len(ordered[place].body)):
            if len(whole) <= limit:
                return whole
            ordered[place] = shorten(ordered[place])
            whole = _whole(project, ordered, head, title)
    return whole if len(whole) <= limit else f"{marker(project)}\n{_headline(ordered)}\n\n{_CUT}\n"


def summary(report: Report, title: str = "") -> str:
    """The same without markers: for a file, or a job's own page."""
    parts = _ordered(section(report, each) for each in report.algorithms)
    return "\n\n".join([_headline(parts), *_subject(title), *(each.body for each in parts), *_foot(parts)]) + "\n"


def _ordered(parts: Iterable[Section]) -> list[Section]:
    """By name, those of which there is nothing to say last."""
    return sorted(parts, key=lambda each: (_quiet(each.word, each.trains), each.algorithm))


def _quiet(word: str, trains: str) -> bool:
    """Whether nothing was tried."""
    return {word, trains} <= {Stage.NONE.value, Stage.UNCHANGED.value}


def verdict_line(parts: Sequence[Section]) -> str:
    """What it comes to, in a line: what is wrong comes first."""
    told = (
        ("🔴", _LOST, [each for each in parts if each.trains == Stage.FAILED]),
        ("🔴", "gate failed", [each for each in parts if each.gate == GateOutcome.FAILED]),
        (
            "🔴",
            "training failed",
            [each for each in parts if each.word == Stage.FAILED and each.trains != Stage.FAILED],
        ),
        ("🔴", "worse", [each for each in parts if each.word == Outcome.WORSE and each.gate != GateOutcome.FAILED]),
        ("⏳", "still running", [each for each in parts if Stage.RUNNING in (each.word, each.trains)]),
        ("🟡", "gate inconclusive", [each for each in parts if each.gate == GateOutcome.INCONCLUSIVE]),
        ("🟡", "inconclusive", [each for each in parts if each.word == Outcome.INCONCLUSIVE and _passed(each)]),
        ("⚪", "not comparable", [each for each in parts if each.word == Outcome.NOT_COMPARABLE and _passed(each)]),
    )
    wrong = [(sign, f"{what}: {_named(which)}") for sign, what, which in told if which]
    if wrong:
        return f"{wrong[0][0]} " + "; ".join(text for _, text in wrong)
    judged = [each for each in parts if each.gate]
    if not judged:
        return f"{_NOTHING} nothing is compared yet"
    found = {word: sum(each.word == word for each in judged) for word in _WORDS}
    counts = words.tally({word: times for word, times in found.items() if times})
    return f"🟢 {counts}"


def _passed(part: Section) -> bool:
    return part.gate == GateOutcome.PASSED


_WORDS: Final = tuple(each.value for each in Outcome)


def _named(which: Sequence[Section]) -> str:
    shown = ", ".join(code(each.algorithm) for each in which[:3])
    return shown if len(which) <= 3 else f"{shown} and {len(which) - 3} more"


def _word(reported: Reported) -> str:
    if reported.waiting:
        return Stage.RUNNING.value
    verdict = reported.compared.verdict if reported.compared else None
    if verdict is not None:
        return verdict.outcome.value
    stage = reported.quality.stage
    if stage is Stage.NONE and reported.trains.stage is Stage.UNCHANGED:
        return Stage.UNCHANGED.value
    return stage.value


# The whole


def _whole(project: str, parts: Sequence[Section], head: str, title: str) -> str:
    return "\n\n".join([marker(project) + "\n" + _headline(parts), *_banner(parts, head), *_subject(title)]) + (
        "\n\n" + "\n\n".join([*_marked(parts, head), *_foot(parts)]) + "\n"
    )


def _headline(parts: Sequence[Section]) -> str:
    return f"### {verdict_line(parts)}"


def _subject(title: str) -> list[str]:
    return [opening(title, 200)] if title.strip() else []


def _banner(parts: Sequence[Section], head: str) -> list[str]:
    """That nothing here is of the newest commit."""
    if not head or not parts or any(each.commit == head for each in parts):
        return []
    told = ", ".join(dict.fromkeys(code(each.commit[:8]) for each in parts))
    return [f"> ⚠️ **Stale.** The newest commit is {code(head[:8])}; this tells of {told}."]


def _marked(parts: Sequence[Section], head: str) -> Iterator[str]:
    """The sections; of many that say nothing, one line, with the rest folded below it."""
    quiet = sum(_quiet(each.word, each.trains) for each in parts)
    told = list(_each(parts, head))
    if quiet <= _UNFOLDED:
        yield from told
        return
    yield from told[:-quiet]
    yield f"<details><summary>{quiet} algorithms are unchanged or were not tried</summary>"
    yield from told[-quiet:]
    yield "</details>"


def _each(parts: Sequence[Section], head: str) -> Iterator[str]:
    some = any(each.commit == head for each in parts)
    for each in parts:
        said = [("commit", each.commit), ("stamp", each.stamp), ("word", each.word.replace(" ", "%20"))]
        said += [("gate", each.gate), ("trains", each.trains)]
        attributes = " ".join(f"{name}={value}" for name, value in said if value)
        name = quote(each.algorithm, safe="")
        older = f"> ⚠️ {code(each.algorithm)} is told of at the older commit {code(each.commit[:8])}.\n\n"
        yield (
            (older if some and head and each.commit != head else "")
            + f"<!-- palmette:section:{name} {attributes} -->\n{each.body}\n<!-- palmette:end:{name} -->"
        )


def _foot(parts: Sequence[Section]) -> list[str]:
    return [] if parts else ["No algorithm was tried at this commit."]


def _unfolded(part: Section) -> Section:
    """Without what is folded."""
    shorter = _FOLDED.sub("", part.body)
    return part if shorter == part.body else replace(part, body=f"{shorter.rstrip()}\n\n{_CUT}")


def _first(part: Section) -> Section:
    """Its heading and the two lines below it."""
    blocks = part.body.split("\n\n")
    return replace(part, body="\n\n".join([*blocks[:2], _CUT])) if len(blocks) > 3 else part


# One algorithm


def _body(report: Report, reported: Reported) -> Iterator[str]:
    """Each a paragraph, a list or a table, with an empty line after it."""
    word = _word(reported)
    sign = _SIGNS.get(word, _NOTHING)
    name = code(reported.algorithm)
    if _quiet(word, reported.trains.stage.value) and not reported.variants:
        yield f"{sign} {name}: {_trains(reported.trains, reported.algorithm)}"
        return
    lost = reported.trains.stage is Stage.FAILED
    yield f"#### {_SIGNS[Stage.FAILED] if lost else sign} {name}: {_LOST if lost else _TITLES.get(word, word)}\n"
    yield f"- **Trains:** {_trains(reported.trains, reported.algorithm)}\n- **Quality:** {_quality(report, reported)}"
    yield from (f"- **Variant** {_variant(each)}" for each in reported.variants)
    yield ""
    if reported.compared is not None:
        yield markdown.unheaded(account(reported.compared))
        yield from _fine(reported.compared)
    origin = "; ".join(_origin(report, reported))
    if origin:
        yield f"<sub>{origin[:1].upper()}{origin[1:]}.</sub>"


_LOST: Final = "does not train"
#: stage → how a heading says it
_TITLES: Final[Mapping[str, str]] = {
    Stage.NONE.value: "no full training yet",
    Stage.RUNNING.value: "training",
    Stage.FAILED.value: "the full training failed",
    Stage.CANCELED.value: "the full training was canceled",
    Stage.SUCCEEDED.value: "not compared",
    Stage.UNCHANGED.value: "unchanged",
}


def _trains(trial: Trial, algorithm: str) -> str:
    match trial.stage:
        case Stage.SUCCEEDED:
            return f"yes, run {_run(trial)}{_because(trial)}."
        case Stage.UNCHANGED:
            since = f" since run {_run(trial)}" if trial.check and trial.check.run else ""
            return f"unchanged{since}."
        case Stage.RUNNING:
            return f"running, run {_run(trial)}."
        case Stage.FAILED:
            return f"**no**, run {_run(trial)} failed{_lost(trial)}: {code(f'palmette logs {_id(trial)}')}."
        case Stage.CANCELED:
            return f"not known, run {_run(trial)} was canceled."
        case Stage.NONE:
            return f"not tried at this commit: {code(f'palmette ci toy {algorithm}')}."
        case _:
            assert_never(trial.stage)


def _quality(report: Report, reported: Reported) -> str:
    trial = reported.quality
    if reported.waiting:
        return f"run {_run(trial)} succeeded; its baseline is scored on the same examples first."
    if reported.hurdle:
        return f"run {_run(trial)} succeeded and is not compared: {prose(reported.hurdle)}."
    match trial.stage:
        case Stage.SUCCEEDED:
            word = _word(reported) if reported.compared else _TITLES[Stage.SUCCEEDED]
            return f"{word}, run {_run(trial)}{_unstopped(reported)}."
        case Stage.RUNNING:
            return f"running, run {_run(trial)}; the verdict stands here once it ends."
        case Stage.FAILED:
            return f"none, run {_run(trial)} failed{_lost(trial)}: {code(f'palmette logs {_id(trial)}')}."
        case Stage.CANCELED:
            return f"none, run {_run(trial)} was canceled."
        case Stage.UNCHANGED:
            return f"unchanged since run {_run(trial)}."
        case Stage.NONE if reported.trains.stage is Stage.UNCHANGED:
            return "nothing that goes into it changed, so there is nothing to compare."
        case Stage.NONE if reported.trains.stage is Stage.FAILED:
            return "no full training of this commit yet."
        case Stage.NONE:
            start = code(f"palmette ci run {reported.algorithm}")
            form = _form(report.context, reported)
            return f"no full training of this commit yet{_alike(reported)}. Start it: {form}, or {start}."
        case _:
            assert_never(trial.stage)


def _unstopped(reported: Reported) -> str:
    """Why the commit's status is green beside a verdict that is red."""
    verdict = reported.compared.verdict if reported.compared else None
    if verdict is None or verdict.outcome is not Outcome.WORSE or verdict.gates:
        return ""
    return "; no gate is declared for it, so the commit's status does not fail"


def _alike(reported: Reported) -> str:
    """What is known all the same, since nothing that goes into it changed."""
    known = reported.alike
    if known is None:
        return ""
    which = f"run {code(known.run)} at {code(known.commit[:8])}"
    return f"; nothing that goes into it changed since {which}, which was {prose(str(known.verdict['outcome']))}"


def _form(context: Context, reported: Reported) -> str:
    """Where a click starts a full training, as far as the job's own address tells."""
    job = context.job_url if _URL.fullmatch(context.job_url) else ""
    match context.provider:
        case Provider.GITLAB if "/-/jobs/" in job and context.branch:
            asked = {"ref": context.branch, "var[PALMETTE_ALGORITHM]": reported.algorithm}
            return f"[in GitLab]({job.partition('/-/jobs/')[0]}/-/pipelines/new?{urlencode(asked, quote_via=quote)})"
        case Provider.GITHUB if "/actions/runs/" in job:
            return f"[in GitHub]({job.partition('/runs/')[0]}/workflows/palmette.yml), {code('Run workflow')}"
        case _:
            return f"the CI's job {code('train')}"


def _variant(variant: Variant) -> str:
    """A training with values of its own, in a line."""
    values = ", ".join(code(f"{each.name}={words.value(each.value)}", 60) for each in variant.values[:_VALUES])
    more = f" and {len(variant.values) - _VALUES} more" if len(variant.values) > _VALUES else ""
    told = account(variant.compared) if variant.compared is not None else None
    said = prose(told.headline) if told is not None else variant.stage.value
    against = f" against {code(told.baseline.id)}" if told is not None and told.baseline is not None else ""
    return f"{values or code(variant.run.preset)}{more} (run {code(variant.run.id)}{against}): {said}."


def line(reported: Reported) -> str:
    """An algorithm in a line without Markdown: "tumour: trains; worse, gate failed"."""
    trial, word = reported.trains, _word(reported)
    where = f" ({trial.lost})" if trial.lost else ""
    told = [f"{_TRIED[trial.stage]}{where}"]
    if word != Stage.UNCHANGED:
        told.append(_TITLES.get(word, word))
    verdict = reported.compared.verdict if reported.compared else None
    gate = verdict.gate if verdict else GateOutcome.PASSED
    # Where none is declared, none was passed.
    broken = f", gate {gate.value}" if gate is not GateOutcome.PASSED else ""
    return f"{reported.algorithm}: {'; '.join(told)}{broken}"


#: stage of the toy training → what it tells
_TRIED: Final[Mapping[Stage, str]] = {
    Stage.NONE: "not tried",
    Stage.RUNNING: "being tried",
    Stage.SUCCEEDED: "trains",
    Stage.UNCHANGED: "unchanged",
    Stage.FAILED: _LOST,
    Stage.CANCELED: "not known whether it trains",
}


def _because(trial: Trial) -> str:
    return " (the full training)" if trial.run and trial.run.preset != "toy" else ""


def _lost(trial: Trial) -> str:
    return f" in {code(trial.lost, 80)}" if trial.lost else ""


def _id(trial: Trial) -> str:
    return trial.run.id if trial.run else trial.check.run if trial.check else ""


def _run(trial: Trial) -> str:
    return code(_id(trial)) or "elsewhere"


def _fine(compared: Compared) -> Iterator[str]:
    """Tolerances and numbers of examples, which the table has no room for."""
    parts = list(_limits(compared.verdict)) if compared.verdict else []
    if parts:
        yield f"<sub>{'; '.join(parts)}.</sub>\n"


def _limits(verdict: Verdict) -> Iterator[str]:
    for each in verdict.metrics:
        told = [f"tolerance ±{each.tolerance:g}"] if each.tolerance else []
        told += [f"n = {each.evidence.n:,} {each.evidence.method.unit}"] if each.evidence else []
        if told:
            yield f"{code(each.name, 60)}: {', '.join(told)}"


def _origin(report: Report, reported: Reported) -> Iterator[str]:
    branch = code(report.context.branch, 60)
    if reported.compared is None:
        yield f"Commit {code(report.commit[:8])}" + (f" of {branch}" if branch else "")
    run: Run | None = reported.quality.run
    if run is not None and run.started and run.ended:
        yield f"trained for {words.seconds(run.ended - run.started)}"
        if run.started - run.created >= 1:
            yield f"after {words.seconds(run.started - run.created)} in the queue"
    job = report.context.job_url
    if _URL.fullmatch(job):
        yield f"[job]({job.replace('(', '%28').replace(')', '%29')})"
