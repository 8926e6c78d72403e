"""Make a host what a commit says: versions of its pipelines, its branch's experiment, recurring runs that follow it.

Each step is whole by itself and is found done when it is asked for again, so that an update that was killed is
completed by the next one, and two that race come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from palmette.ci import experiments, recurring
from palmette.ci.recurring import Moves
from palmette.domain import wire
from palmette.domain.branches import Branch, Ticket
from palmette.domain.context import Context
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Pipeline, Version
from palmette.domain.run import Git, Run
from palmette.domain.values import Json
from palmette.errors import AccessDenied, AlreadyThere, Problem, Temporary, UsageError
from palmette.ir.dialects import Dialect
from palmette.operations import ancestry, branches, jobs, lines, scopes
from palmette.operations import git as repository
from palmette.operations.ancestry import Ancestry
from palmette.operations.branches import Advanced
from palmette.operations.compiling import Built, compile_all
from palmette.operations.git import Repository
from palmette.operations.hosts import PipelineHost
from palmette.operations.lines import Stand
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.scopes import VERSION, Names
from palmette.operations.updates import Filed, Followed, Updated, Uploaded

#: How many documents one commit may have of an algorithm: each is of uncommitted changes, or of another generator.
_MANY: Final = 50
#: Characters of a commit's subject that stand in a version's description.
_SUBJECT: Final = 300
#: Merges of a branch that a version tells of.
_MERGED: Final = 20
#: What parts the owner of a fork from its branch, and cannot be in a branch.
_FORK: Final = ":"

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The commit that a host is updated to."""

    host: PipelineHost
    project: Project
    environ: Mapping[str, str]
    context: Context
    tickets: Sequence[Ticket]
    names: Names
    #: what the repository says of the commit, of where it stands, and of what is not committed
    ancestry: Ancestry
    stand: Stand
    repository: Repository
    #: called before each change; may raise
    pause: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """What versions of the commit are called, as long as it has one document."""
        return self.names.version(self.context.branch or self.context.tag, self.context.head)

    @property
    def git(self) -> Git:
        """The commit, as a run of it has it."""
        return Git(branch=self.context.branch, commit=self.context.head)

    def facts(self, built: Built) -> dict[str, Json]:
        """What stands below a version's description."""
        context, told = self.context, self.ancestry
        facts: dict[str, Json] = {
            "project": self.project.name,
            "algorithm": built.algorithm.name,
            "branch": context.branch,
            "commit": context.head,
            "committed": told.committed,
            "author": told.author,
            "order": context.order,
            "closure": built.closure,
            "document": built.digest,
            "bundle": built.bundle,
            "fork": self.fork(built),
        }
        if not context.branch:
            facts["tag"] = context.tag
        if self.dirty(built):
            facts["dirty"] = True
        return facts

    def dirty(self, built: Built) -> bool:
        """Whether there are changes that are not committed, or files that it takes along and that Git does not know."""
        return self.repository.of(built.files).dirty

    def fork(self, built: Built) -> Json:
        """Where the commit stands to the branch that it is compared with, so that baselines of its runs are found."""
        run = Run(id="", project=self.project.name, algorithm=built.algorithm.name, git=self.git)
        fork = lines.fork(self.stand, run, self.project.baselines.get(built.algorithm.name, ""))
        return wire.dump(replace(fork, merged=fork.merged[:_MERGED]))


def update(
    place: Place,
    host: PipelineHost,
    project: Project,
    environ: Mapping[str, str],
    *,
    context: Context,
    tickets: Sequence[Ticket],
    image: str = "",
    say: Say,
    pause: Callable[[], None] = lambda: None,
) -> Updated:
    """Upload a version of each of the project's pipelines for the commit, file the branch, and point what follows it at
    the new versions. Nothing is changed where an algorithm does not compile.

    AccessDenied is none of a fork's merge request, which has no rights: that is said. Temporary where others went on
    at the same time; then it is to be tried again.
    """
    require(context)
    try:
        names = Names(prefix=host.prefix(project.name), project=project.name)
        subject, built = prepared(host, project, environ, context, tickets, names=names, image=image)
        pause()
        settled = host.claim(project.name)
        if settled != names.prefix:
            # Another project was quicker to be the first one.
            names = replace(names, prefix=settled)
            subject, built = prepared(host, project, environ, context, tickets, names=names, image=image)
        return carry_out(place, replace(subject, pause=pause), built, say)
    except AccessDenied as error:
        if _FORK not in context.branch:
            raise
        why = f"nothing was uploaded, since jobs of a fork have no rights there: {error.message}"
        return replace(_blank(host, project, context), warnings=(why,))


def foreseen(
    host: PipelineHost,
    project: Project,
    environ: Mapping[str, str],
    *,
    context: Context,
    tickets: Sequence[Ticket],
    image: str = "",
) -> Updated:
    """What `update` would do, as far as can be told; nothing is changed."""
    require(context)
    names = Names(prefix=host.prefix(project.name), project=project.name)
    subject, built = prepared(host, project, environ, context, tickets, names=names, image=image)
    versions = []
    for each in built.values():
        pipeline = host.pipelines.named(names.pipeline(each.algorithm.name))
        name, there = _free(subject, pipeline, each) if pipeline else (subject.name, None)
        versions.append(_told(each, pipeline, name, there, known=there is not None))
    found = _result(subject, versions, _remarks(subject, built))
    if not context.branch:
        return replace(found, dry=True)
    moves = _moves(subject, built, versions)
    return replace(
        found,
        dry=True,
        experiment=experiments.foreseen(host, names, context.branch, tickets),
        recurring=recurring.foreseen(moves),
    )


def require(context: Context) -> None:
    """UsageError with all that an update needs to know and nobody says."""
    problems = []
    if not context.head:
        problems.append(Problem(where="", what=jobs.NO_COMMIT, hint=jobs.NAME_COMMIT))
    if not context.branch and not context.tag:
        problems.append(Problem(where="", what="no branch is known", hint="Name it: -b BRANCH, or PALMETTE_BRANCH."))
    if len(problems) == 1:
        raise UsageError(problems[0].what, problems[0].hint)
    if problems:
        raise UsageError("it is not known what to update to", problems=problems)


def prepared(
    host: PipelineHost,
    project: Project,
    environ: Mapping[str, str],
    context: Context,
    tickets: Sequence[Ticket],
    *,
    names: Names,
    image: str,
) -> tuple[Subject, dict[str, Built]]:
    """The commit, and its algorithms as the host takes them; UsageError where there is none."""
    prefix = "" if host.dialect is Dialect.PALMETTE or not names.prefix else project.name
    built = compile_all(project, environ, image=image, dialect=host.dialect, prefix=prefix)
    if not built:
        raise UsageError("the project has no algorithm", "Decorate a pipeline function with @algorithm(config=…).")
    git = Git(branch=context.branch, commit=context.head)
    subject = Subject(
        host=host,
        project=project,
        environ=environ,
        context=context,
        tickets=tickets,
        names=names,
        ancestry=ancestry.of(project.root, environ, context.head, context.compared_with),
        stand=lines.stand(project.root, git, environ, project.default_branch),
        repository=repository.read(project.root, environ),
    )
    return subject, built


def carry_out(place: Place, subject: Subject, built: Mapping[str, Built], say: Say) -> Updated:
    """The versions first, then the experiment, then the branch, then what follows it: nothing points at what is not
    there yet."""
    uploaded: list[Uploaded] = []
    warnings = _remarks(subject, built)
    count = "a version" if len(built) == 1 else f"versions of {len(built)} pipelines"
    say(f"uploading {count} to {subject.host.called}")
    for each in built.values():
        subject.pause()
        done = _uploaded(subject, each)
        uploaded.append(done)
        if done.name != subject.name:
            warnings.append(f"{done.algorithm}: {subject.name} has another document, so this one is {done.name}")
    found = _result(subject, uploaded, warnings)
    return _branched(place, subject, built, found) if subject.context.branch else found


def _result(subject: Subject, versions: Iterable[Uploaded], warnings: Iterable[str]) -> Updated:
    blank = _blank(subject.host, subject.project, subject.context)
    return replace(blank, versions=tuple(versions), warnings=tuple(warnings))


def _blank(host: PipelineHost, project: Project, context: Context) -> Updated:
    return Updated(
        project=project.name,
        branch=context.branch,
        tag="" if context.branch else context.tag,
        commit=context.head,
        host=host.called,
        pages=host.pages,
        dialect=host.dialect,
    )


def _remarks(subject: Subject, built: Mapping[str, Built]) -> list[str]:
    said = list(dict.fromkeys(warning for each in built.values() for warning in each.warnings))
    if any(subject.dirty(each) for each in built.values()):
        said.append(f"there are uncommitted changes: what is uploaded need not be what {subject.context.head[:8]} is")
    return said


# Versions


def _uploaded(subject: Subject, built: Built) -> Uploaded:
    """The version of an algorithm. Several that upload at once come to one."""
    host, name = subject.host, subject.names.pipeline(built.algorithm.name)
    about = signed(built.algorithm.description, {"project": subject.project.name, "algorithm": built.algorithm.name})
    # Made, or found; and refused where it belongs to somebody else.
    pipeline = host.pipelines.named(name)
    if pipeline is None:
        pipeline = host.pipelines.create(name, description=about)
    scopes.require_own("a pipeline", pipeline, about)
    for _ in range(_MANY):
        free, there = _free(subject, pipeline, built)
        if there is not None:
            return _told(built, pipeline, free, there, known=True)
        try:
            text = signed(subject.ancestry.subject[:_SUBJECT], subject.facts(built))
            made = host.pipelines.add(pipeline.id, free, built.text, description=text)
        except AlreadyThere:
            continue  # somebody was quicker: with the same document, or another one
        return _told(built, pipeline, free, made, known=False)
    raise Temporary(f"others upload versions of {name} all the time", "Run palmette ci update again.")


def _free(subject: Subject, pipeline: Pipeline, built: Built) -> tuple[str, Version | None]:
    """The first name of the commit's that is free, or has this document; and the version that has it."""
    for number in range(1, _MANY + 1):
        name = subject.name if number == 1 else f"{subject.name}-{number}"
        if len(name) > VERSION:
            ref = subject.context.branch or subject.context.tag
            name = subject.names.version(ref, subject.context.head, built.digest)
        there = subject.host.pipelines.version(pipeline.id, name)
        if there is None or split(there.description)[1].get("document") == built.digest:
            return name, there
    raise AlreadyThere(f"{pipeline.name} has {_MANY} versions of one commit", "Delete some, or commit what changed.")


def _told(built: Built, pipeline: Pipeline | None, name: str, version: Version | None, *, known: bool) -> Uploaded:
    return Uploaded(
        algorithm=built.algorithm.name,
        pipeline=pipeline.id if pipeline else "",
        version=version.id if version else "",
        name=name,
        known=known,
        document=built.digest,
        closure=built.closure,
    )


# The branch


def _branched(place: Place, subject: Subject, built: Mapping[str, Built], found: Updated) -> Updated:
    """With its experiment, the branch at the commit, and what follows the branch at the new versions."""
    context, home = subject.context, place.begun()
    subject.pause()
    filed = experiments.file(subject.host, subject.names, context.branch, subject.tickets)
    subject.pause()
    advanced = _advanced(home, subject, filed, found)
    if subject.host.dialect is Dialect.PALMETTE:
        filed = _worded(home, subject, filed)
    moved: tuple[Followed, ...] = ()
    if advanced.taken:
        moved = recurring.move(home, _moves(subject, built, found.versions))
    remarks = [filed.remark] if filed.remark else []
    if advanced.why:
        remarks.append(f"{advanced.why}: neither the branch nor what follows it is moved back")
    return replace(
        found,
        experiment=filed,
        head=advanced.after,
        stays=advanced.why,
        recurring=moved,
        warnings=(*found.warnings, *remarks),
    )


def _moves(subject: Subject, built: Mapping[str, Built], versions: Sequence[Uploaded]) -> Moves:
    targets = {each.pipeline: (each, built[each.algorithm].text) for each in versions if each.pipeline}
    return Moves(subject.host, subject.project.name, subject.context, targets, subject.pause)


def _worded(home: Place, subject: Subject, filed: Filed) -> Filed:
    """With the text of the commit that the branch is at, whoever was the last to write one."""
    name, text = subject.context.branch, filed.text
    at = home(branches.named, name)
    for _ in range(_MANY):
        if at is None:
            break
        text = experiments.file(subject.host, subject.names, name, at.tickets).text
        # After it was written: whoever is later moves the branch first, and then writes.
        known, at = at, home(branches.named, name)
        if at is None or at.tickets == known.tickets:
            break
    return replace(filed, text=text)


def _advanced(home: Place, subject: Subject, filed: Filed, found: Updated) -> Advanced:
    """The branch at the commit, unless the home or the host knows a later one."""
    for _ in range(_MANY):
        known = home(branches.named, subject.context.branch)
        if known is None and (newest := _newest(subject, found)) is not None:
            # A home that remembers nothing, as a job's own: the host does.
            known = home(branches.advance, newest).after
        advanced = _compared(home, subject, filed, known.head if known else "")
        if not advanced.again:
            return advanced
    raise Temporary(f"others move {subject.context.branch} all the time", "Run palmette ci update again.")


def _compared(home: Place, subject: Subject, filed: Filed, head: str) -> Advanced:
    """The branch at the commit, unless that is older than the head that the branch has."""
    context, told = subject.context, subject.ancestry
    stands = ancestry.of(subject.project.root, subject.environ, context.head, others=[head] if head else [])
    branch = Branch(
        project=subject.project.name,
        name=context.branch,
        experiment=filed.id if subject.host.dialect is Dialect.PALMETTE else "",
        head=context.head,
        author=told.author or context.author,
        committed=told.committed,
        order=context.order,
        target=context.compared_with,
        fork=(told.fork or context.base) if context.compared_with else "",
        ahead=told.ahead,
        behind=told.behind,
        merge_request=context.merge_request,
        merge_request_url=context.merge_request_url,
        title=context.title,
        tickets=tuple(subject.tickets),
    )
    lists = stands.ancestors, stands.descendants, subject.stand.history
    return home(branches.advance, branch, *lists, compared=head)


def _newest(subject: Subject, found: Updated) -> Branch | None:
    """The branch as the host's versions tell of it: the other commit that the latest pipeline uploaded."""
    told: list[tuple[int, float, str]] = []
    for version in subject.host.pipelines.versions(found.versions[0].pipeline):
        _, facts = split(version.description)
        mine = (facts.get("project"), facts.get("branch")) == (subject.project.name, subject.context.branch)
        commit, order = facts.get("commit"), facts.get("order")
        if mine and isinstance(commit, str) and isinstance(order, int) and commit != subject.context.head:
            told.append((order, version.created, commit))
    if not told:
        return None
    order, created, commit = max(told)
    at = ancestry.of(subject.project.root, subject.environ, commit).committed
    name = subject.context.branch
    return Branch(project=subject.project.name, name=name, head=commit, order=order, committed=at, seen=created)
