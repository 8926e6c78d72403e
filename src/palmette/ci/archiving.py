"""What becomes of branches that the repository does not have any more: their experiments are archived after a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from palmette.ci.forge import Forge
from palmette.ci.web import WebError
from palmette.domain.branches import Branch
from palmette.domain.footer import split
from palmette.domain.hosting import Experiment
from palmette.errors import AccessDenied, NotFound, ServerError
from palmette.operations import branches, departures, upstream
from palmette.operations.continuing import Gone
from palmette.operations.departures import Departure, Fate, Survey, Thinned
from palmette.operations.hosts import PipelineHost
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.upstream import Heads

#: branches that are never archived, whatever the repository says
PROTECTED: Final = ("main", "master", "trunk", "develop")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where branches are looked at."""

    place: Place
    host: PipelineHost
    project: Project
    environ: Mapping[str, str]
    heads: Heads
    now: float
    #: seconds that a branch may be gone before its experiment is archived
    grace: float
    #: the branch that is never archived; empty where nobody knows
    default: str = ""
    #: what was not found out on the way here
    remarks: tuple[str, ...] = field(default=())


def heads(root: Path, environ: Mapping[str, str], forge: Forge | None) -> tuple[Heads, tuple[str, ...]]:
    """The branches that the repository has: what the forge says, else the remote; what was in the way. ServerError
    where nobody says."""
    remarks: tuple[str, ...] = ()
    if forge is not None:
        try:
            if names := forge.branches():
                return Heads(commits=dict.fromkeys(names, ""), source=forge.called), ()
            remarks = (f"{forge.called} names no branch at all",)
        except WebError as error:
            remarks = (f"{forge.called} was asked for branches: {error.reason}",)
    try:
        return upstream.heads(root, environ), remarks
    except ServerError as error:
        hint = "Nothing was archived. Ask again where the repository's remote can be asked."
        raise ServerError("; ".join((*remarks, error.message)), hint) from error


def survey(scene: Scene) -> Survey:
    """What there is to do. Nothing is changed."""
    said = {"branches": len(scene.heads.commits), "source": scene.heads.source}
    if not scene.heads.commits:
        why = f"{scene.heads.source} names no branch at all, so nothing is archived"
        return Survey(remarks=(*scene.remarks, why), source=scene.heads.source)
    if scene.default and scene.default not in scene.heads.commits:
        what = f"{scene.heads.source} does not name the default branch {scene.default}, so it may be another repository"
        raise ServerError(what, "Nothing was archived. Is the remote right, and `default-branch` in [tool.palmette]?")
    found = tuple(_departures(scene))
    lost = _lost(scene)
    thinned = _thinned(scene, found, departures.preview) if _thins(scene) else None
    return Survey(
        departures=found,
        thinned=thinned,
        orphans=None if lost.why else len(lost.commits),
        remarks=(*scene.remarks, *_remarks(scene, found, lost.why)),
        **said,  # type: ignore[arg-type]  # a number and a text
    )


def carry_out(scene: Scene, plan: Survey) -> Survey:
    """Do what was surveyed, and what became due by that. Whatever is cut short is finished the next time."""
    if not plan.branches:
        return replace(plan, done=True)
    home = scene.place.begun()
    _note(scene, home, plan.departures)
    done = tuple(_settled(scene, home, each) for each in plan.departures)
    remarks, thinned = plan.remarks, None
    if _thins(scene):
        try:
            thinned = _thinned(scene, done, departures.thin)
        except AccessDenied as error:
            remarks = (*remarks, f"runs were not thinned: {error.message}")
    lost = _lost(scene)
    if not lost.why and scene.place.there:
        home(departures.orphan, list(lost.commits), scene.now)
    return replace(plan, departures=done, thinned=thinned, remarks=remarks, done=True)


def _departures(scene: Scene) -> Iterator[Departure]:
    known = {each.name: each for each in scene.place(branches.known)} if scene.place.there else {}
    there = _experiments(scene, known)
    protected = {*PROTECTED, scene.default}
    protected |= {each.target for each in known.values() if each.target and each.name in scene.heads.commits}
    schedules = [each for each in scene.host.schedules.listed() if each.enabled]
    for name in sorted({*known, *there}):
        own, experiment = known.get(name), there.get(name)
        if name in scene.heads.commits:
            if own is not None and own.gone is not None:
                yield Departure(branch=name, fate=Fate.BACK, since=own.gone, experiment=experiment, known=own)
        elif name not in protected:
            disabled = [each.name for each in schedules if experiment is not None and each.experiment == experiment.id]
            yield _departure(scene, name, own, experiment, tuple(disabled))


def _departure(
    scene: Scene, name: str, own: Branch | None, experiment: Experiment | None, schedules: tuple[str, ...]
) -> Departure:
    since = _since(scene, own, experiment)
    found = Departure(
        branch=name,
        fate=Fate.WAITING,
        since=since,
        due=since + scene.grace,
        experiment=experiment,
        known=own,
    )
    if scene.now < found.due:
        return replace(found, fate=Fate.LEFT if own is None or own.gone is None else Fate.WAITING)
    if experiment is None or experiment.archived is not None:
        return replace(found, fate=Fate.DONE)
    if live := [each.id for each in scene.host.runs.listed(experiment.id) if not each.state.final]:
        return replace(found, fate=Fate.BUSY, runs=tuple(live))
    return replace(found, fate=Fate.ARCHIVE, schedules=schedules)


def _since(scene: Scene, own: Branch | None, experiment: Experiment | None) -> float:
    """Since when it is gone. Where this home never heard of it, nobody saw it go: then since its last run."""
    if own is not None:
        return scene.now if own.gone is None else own.gone
    return max(experiment.last_run or 0.0, experiment.created) if experiment is not None else scene.now


def _experiments(scene: Scene, known: Mapping[str, Branch]) -> dict[str, Experiment]:
    """Branch → its experiment on the host: by its footer, or as the home has it. One that somebody made by hand is no
    branch's, whatever its name."""
    of_home = {each.experiment: each.name for each in known.values() if each.experiment}
    found: dict[str, Experiment] = {}
    for each in scene.host.experiments.listed():
        _, facts = split(each.description)
        named = facts.get("branch") if facts.get("project") == scene.project.name else None
        branch = named if isinstance(named, str) and named else of_home.get(each.id)
        if branch is not None:
            found[branch] = each
    return found


def _note(scene: Scene, home: Place, found: Sequence[Departure]) -> None:
    """Remember which branches are gone, and which came back."""
    left = {each.branch: each.known.seen for each in found if each.known is not None and each.known.gone is None}
    new = [each for each in found if each.known is None]
    if left:
        home(departures.leave, left, scene.now)
    if new:
        gone = [Branch(project=scene.project.name, name=each.branch, seen=each.since, gone=each.since) for each in new]
        home(departures.remember, gone)
    if back := [each.branch for each in found if each.fate is Fate.BACK]:
        home(departures.come_back, back)


def _settled(scene: Scene, home: Place, each: Departure) -> Departure:
    """Archive its experiment where that is due; it is taken out again where the branch came back meanwhile. The home
    is told last, so that what is cut short in between is done again."""
    if each.experiment is None or each.fate not in (Fate.ARCHIVE, Fate.DONE):
        return each
    seen = each.known.seen if each.known is not None else each.since
    if each.fate is Fate.ARCHIVE:
        # What is archived has its runs archived and its recurring runs disabled, and that stays when it is taken out.
        now = home(branches.named, each.branch)
        if now is not None and (now.gone is None or now.seen != seen):
            return replace(each, fate=Fate.BACK)
        try:
            scene.host.experiments.archive(each.experiment.id)
        except NotFound:
            return replace(each, fate=Fate.DONE)
    elif each.known is None or each.known.archived is not None:
        return each
    if home(departures.archived, each.branch, seen, scene.now) or each.fate is Fate.DONE:
        return each
    scene.host.experiments.unarchive(each.experiment.id)
    return replace(each, fate=Fate.BACK)


def _thins(scene: Scene) -> bool:
    return scene.project.ci.gone is Gone.THIN and scene.place.there


def _thinned(scene: Scene, found: Sequence[Departure], what: Callable[..., Thinned]) -> Thinned:
    over = [each.branch for each in found if each.fate in (Fate.ARCHIVE, Fate.DONE)]
    return scene.place(what, over) if over else Thinned()


def _lost(scene: Scene) -> upstream.Lost:
    """The commits of runs that are on no branch any more. A forge names no commits: the remote is asked for them."""
    if not scene.place.there or not (commits := scene.place(departures.commits)):
        return upstream.Lost()
    tips = scene.heads.commits
    if not all(tips.values()):
        try:
            tips = upstream.heads(scene.project.root, scene.environ).commits
        except ServerError as error:
            return upstream.Lost(why=error.message)
    return upstream.lost(scene.project.root, scene.environ, sorted(set(tips.values())), commits)


def _remarks(scene: Scene, found: Sequence[Departure], why: str) -> Iterator[str]:
    if unseen := sum(each.known is None for each in found):
        whose = "a branch" if unseen == 1 else f"{unseen} branches"
        yield f"this home never heard of {whose} that the host has: gone counts from the last run there"
    if why:
        yield f"whether runs are of commits that no branch has is not known: {why}"
    if not scene.default:
        yield "which branch is the default one is not known"
