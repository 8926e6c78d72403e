"""Say of a commit what there is to be said: as a note on the merge request, as a status of the commit, and as files."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from palmette.ci import merging
from palmette.ci.forge import Forge, MergeRequest, Standing, Status
from palmette.ci.merging import Memory, Target, Written
from palmette.ci.web import WebError
from palmette.comparison.verdict import GateOutcome
from palmette.domain.context import Context
from palmette.errors import GateFailed, GateInconclusive, ServerError, UsageError
from palmette.operations import reports
from palmette.operations.places import Place
from palmette.operations.reports import Report, Reported, Stage
from palmette.operations.writing import write_bytes
from palmette.present import junit, notes, reported, webpage
from palmette.present.notes import Section

T = TypeVar("T")

TRAINS: Final = "palmette/trains"
QUALITY: Final = "palmette/quality"
#: bytes that GitHub shows of a job's summary
_SUMMARY: Final = 1 << 20
_WEB: Final = re.compile(r"https?://")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What became of a report on a forge."""

    #: the merge request's address or number; empty where there is none
    where: str = ""
    note: str = ""
    standings: tuple[Standing, ...] = ()
    #: why something was not said, as sentences without a full stop
    remarks: tuple[str, ...] = ()
    #: everything that was to be said was
    done: bool = False


def tell(
    forge: Forge,
    report: Report,
    *,
    title: str = "",
    memory: Memory | None = None,
    calm: float = 0.0,
    pauses: Sequence[float] = (),
) -> Told:
    """Write the note, if there is a merge request, and the status of the commit. A forge that does not take them is a
    remark: it fails nobody's job. What may work later is tried again after each of the `pauses`, in seconds."""
    own = [notes.section(report, each) for each in report.algorithms]
    telling, known = _Telling(forge=forge, pauses=pauses), memory or Memory()
    found = telling.tried("the note", lambda: _merge_request(forge, report.context))
    written: Written | None = None
    if found is not None:
        target = Target(forge=forge, project=report.project, number=found.number, head=found.head, title=title)
        written = telling.tried("the note", lambda: merging.write(target, own, known, calm=calm))
    elif not telling.remarks:
        telling.remarks.append(_without(report.context))
    said = (*own, *(written.sections if written is not None else ()))
    standings = standing(report.context, _of(said, report.commit, known))
    posted = []
    for each in standings:
        if telling.tried(f"the status {each.name}", partial(_posted, forge, report.commit, each)) is None:
            break
        posted.append(each)
    return Told(
        where=(found.url or found.number) if found else "",
        note=written.id if written is not None else "",
        standings=tuple(posted),
        remarks=(*(written.remarks if written is not None else ()), *telling.remarks),
        done=not telling.failed,
    )


@dataclass(kw_only=True)
class _Telling:
    """Asks a forge, and keeps what it did not take."""

    forge: Forge
    pauses: Sequence[float]
    remarks: list[str] = field(default_factory=list)
    failed: bool = False

    def tried(self, what: str, ask: Callable[[], T]) -> T | None:
        """What the forge answers; None where it does not take it, which is a remark then."""
        for pause in (*self.pauses, None):
            try:
                return ask()
            except ServerError as error:
                if pause is not None and isinstance(error, WebError) and error.temporary:
                    time.sleep(pause)
                    continue
                # Whoever does not answer once is not waited for again and again.
                self.failed, self.pauses = True, ()
                self.remarks.append(f"{what} was not written: {_why(self.forge, error)}")
                return None
        return None


def _posted(forge: Forge, commit: str, each: Standing) -> Standing:
    forge.status(commit, each)
    return each


def remembered(place: Place, report: Report, again: Callable[[Sequence[str]], Report]) -> Memory:
    """What the home remembers was said at the report's commit; `again` reports of these algorithms anew."""

    def said(name: str) -> Section | None:
        anew = again([name])
        return next((notes.section(anew, each) for each in anew.algorithms), None)

    return Memory(stamps=lambda: reports.stamps(place, report.commit), again=said)


def standing(context: Context, parts: Sequence[Section]) -> list[Standing]:
    """How the commit stands: whether it trains, and whether it is as good. Nothing of what nobody tried."""
    # No forge takes another one, and would refuse the status with it.
    url = next((each for each in (context.job_url, context.pipeline_url) if _WEB.match(each)), "")
    found = [(TRAINS, _trains(parts)), (QUALITY, _quality(parts))]
    return [
        Standing(name=name, status=told[0], description=told[1], url=url, branch=context.branch)
        for name, told in found
        if told is not None
    ]


def exit_code(report: Report) -> int:
    """4 where a gate failed, 5 where none failed and one is inconclusive, else 0."""
    gates = {each.verdict.gate for each in report.compared if each.verdict is not None}
    if GateOutcome.FAILED in gates:
        return GateFailed.exit_code
    return GateInconclusive.exit_code if GateOutcome.INCONCLUSIVE in gates else 0


def prepare(directory: Path) -> None:
    """Make the directory that files are written to; UsageError where that cannot be, before anything else is done. Git
    does not see one that is made here: a report is no change that a later run of the job would be blamed for."""
    try:
        new = not directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        if new:
            write_bytes(directory / ".gitignore", b"*\n")
    except OSError as error:
        raise UsageError(f"{directory} cannot be made: {error.strerror}", "Name another directory.") from error


def write(report: Report, directory: Path, *, title: str = "") -> tuple[Path, ...]:
    """Write report.md, report.html and palmette-junit.xml into the directory; each whole or not."""
    lines = [line for each in report.algorithms for line in _lines(each)]
    subject = " ".join(filter(None, (report.project, report.context.branch, report.commit[:8])))
    texts = {
        "report.md": notes.summary(report, title),
        "report.html": webpage.several(title or report.project, subject, lines, report.compared),
        "palmette-junit.xml": junit.reported(report),
    }
    for name, text in texts.items():
        write_bytes(directory / name, text.encode())
    return tuple(directory / name for name in texts)


def _lines(each: Reported) -> Iterator[str]:
    yield notes.line(each)
    for variant in each.variants:
        yield f"{each.algorithm} with {reported.said(variant)}"


def summarise(report: Report, environ: Mapping[str, str], *, title: str = "") -> bool:
    """Append the report to the page of a job on GitHub; whether there is one."""
    named = environ.get("GITHUB_STEP_SUMMARY", "")
    if not named:
        return False
    text = notes.summary(report, title).encode()
    try:
        file = Path(named)
        room = _SUMMARY - (file.stat().st_size if file.exists() else 0)
        if len(text) > room:
            said = b"\nThe report is too long for this page: see report.md of the job.\n"
            text = said if len(said) <= room else b""
        # Appended by one call: what other steps write stays whole.
        with file.open("ab", buffering=0) as opened:
            opened.write(text)
    except OSError as error:
        raise UsageError(f"{named} cannot be written: {error.strerror}", "GITHUB_STEP_SUMMARY names it.") from error
    return True


def _merge_request(forge: Forge, context: Context) -> MergeRequest | None:
    """The job's own, else the open one of its branch."""
    if context.merge_request:
        found = forge.numbered(context.merge_request)
        return replace(found, head=found.head or context.head) if found is not None else None
    return forge.merge_request(context.branch) if context.branch else None


def _without(context: Context) -> str:
    if context.merge_request:
        return f"there is no merge request {context.merge_request}, so there is no note"
    if context.branch:
        return f"no merge request of {context.branch} is open, so there is no note"
    return "no branch is known, so there is no note"


def _why(forge: Forge, error: ServerError) -> str:
    """What went wrong, with what to do where that is known."""
    status = error.status if isinstance(error, WebError) else 0
    if status == 401:
        return f"{forge.called} does not know the token (401): it may have expired"
    if status == 403:
        wanted = "the scope api" if forge.called == "GitLab" else "permissions pull-requests: write and statuses: write"
        return f"{forge.called} does not allow it (403): the token needs {wanted}"
    return error.message


def _of(said: Sequence[Section], commit: str, memory: Memory) -> list[Section]:
    """What is known of the commit, whether or not a note has it: a note tells of the newest one, and a status is its
    commit's."""
    found = {each.algorithm: each for each in said if each.commit == commit}
    for name in memory.stamps():
        if name not in found and (again := memory.again(name)) is not None:
            found[name] = again
    return [found[name] for name in sorted(found)]


def _trains(parts: Sequence[Section]) -> tuple[Status, str] | None:
    def those(*stages: Stage) -> list[str]:
        return [each.algorithm for each in parts if each.trains in stages]

    if lost := those(Stage.FAILED, Stage.CANCELED):
        return Status.FAILED, f"not trained: {_few(lost)}"
    if live := those(Stage.RUNNING):
        return Status.RUNNING, f"running: {_few(live)}"
    good, same = those(Stage.SUCCEEDED), those(Stage.UNCHANGED)
    told = [f"{word}: {_few(names)}" for word, names in (("trained", good), ("unchanged", same)) if names]
    return (Status.SUCCESS, "; ".join(told)) if told else None


def _quality(parts: Sequence[Section]) -> tuple[Status, str] | None:
    def those(*words: str) -> list[str]:
        return [each.algorithm for each in parts if each.word in words]

    failed = [each.algorithm for each in parts if each.gate == GateOutcome.FAILED]
    if failed:
        return Status.FAILED, f"gate failed: {_few(failed)}"
    if lost := those(Stage.FAILED, Stage.CANCELED):
        return Status.FAILED, f"full training failed: {_few(lost)}"
    if live := those(Stage.RUNNING):
        return Status.RUNNING, f"training: {_few(live)}"
    judged = [each for each in parts if each.gate]
    if not judged:
        return None
    told = ", ".join(f"{each.algorithm} {each.word}" for each in judged)
    unsure = any(each.gate == GateOutcome.INCONCLUSIVE for each in judged)
    return Status.SUCCESS, f"gate inconclusive: {told}" if unsure else told


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
