"""The state of the repository: which commit this is, and what has not been committed."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.capture.secrets import DATA, denied, key_like
from palmette.domain.run import Git
from palmette.operations import jobs
from palmette.operations.jobs import Job
from palmette.operations.questions import SECONDS, Answer, Ask, alone, foreign, permitted

#: Bytes of changes to known files that are kept, and of files that Git does not know.
_CHANGES_LIMIT: Final = 4 << 20
_UNTRACKED_LIMIT: Final = 1 << 20
#: Files that a note names before it counts the rest.
_NAMED: Final = 3
_NOTHING: Final = "branch, commit and changes are not recorded"
_ONLY: Final = "uncommitted changes are not recorded"
#: Git's name for the empty tree: what an unborn branch is compared with.
_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What Git says of a directory."""

    #: without the digest of the changes, which their keeper knows
    git: Git = Git()
    #: the changes since the commit as a patch that `git apply` takes, preceded by what is left out; empty if clean
    diff: bytes = b""
    #: what is missing here and why, one line; empty for nothing
    note: str = ""
    #: the files that Git does not know and does not ignore
    untracked: tuple[str, ...] = ()
    #: full SHA of what is checked out, where that is a merge that the CI made to test the commit
    tested: str = ""
    #: whether the job that this process is part of is about what is checked out
    of_job: bool = False

    @property
    def checked_out(self) -> Git:
        """The state with the commit that is checked out, which need not be the one that the run is filed under."""
        return replace(self.git, commit=self.tested or self.git.commit)

    def of(self, code: Iterable[str]) -> Git:
        """The state as a run of this code has it, whose files are named from where they are imported. A file that Git
        does not know makes a run one of uncommitted changes if its code takes it along; a report beside it does not."""
        taken = tuple(f"/{path}" for path in code)
        new = any(f"/{path}".endswith(taken) for path in self.untracked)
        return replace(self.git, dirty=self.git.dirty or new)


def read(root: Path, environ: Mapping[str, str]) -> Repository:
    """The state of the repository that the directory belongs to, all of it, not only below the directory.

    In a job of a CI, which checks commits out without a branch, and merges to test them, it is that of the branch and
    of its own commit, as far as the job is about what is checked out. PALMETTE_COMMIT says so whatever is.

    Never raises for what Git says, takes no locks, and heeds no configuration but the repository's own. Only where Git
    refuses because the repository belongs to somebody else is the user's asked: permission can stand nowhere else.
    """
    job = jobs.read(environ)
    command = shutil.which("git", path=environ.get("PATH", os.defpath))
    if command is None:
        return _told(root, job, f"git is not installed: {_NOTHING}")
    asks = [Ask(command, root, alone(environ))]
    try:
        state = _state(asks[0])
        if foreign(state.refusal):
            asks.append(Ask(command, root, permitted(environ)))
            state = _state(asks[1])
        if state.refusal:
            return _told(root, job, _refused(state.refusal))
        return _repository(asks[-1], root, state, job)
    except subprocess.TimeoutExpired:
        return _told(root, job, f"git gave no answer within {SECONDS:.0f} s: {_NOTHING}")
    except OSError as error:
        return _told(root, job, f"git cannot be asked ({error.strerror}): {_NOTHING}")
    finally:
        for ask in asks:
            ask.end()


def _told(root: Path, job: Job, note: str) -> Repository:
    """What the job knows by itself, where Git does not answer about what it checked out."""
    context = job.context
    where = job.directory
    if not context.head or not (job.explicit or (where is not None and root.resolve().is_relative_to(where.resolve()))):
        return Repository(note=note)
    git = Git(branch=context.branch, commit=context.head, author=context.author, message=context.title)
    return Repository(git=git, note=note.replace(_NOTHING, _ONLY), of_job=True)


# What is asked. All questions are put at once: starting a process takes longer than answering does.

_STATUS: Final = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
_LOG: Final = ("-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=%H%x00%aN%x00%ct%x00%s")
_DIFF: Final = (
    *("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--submodule=short", "--unified=3"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--diff-algorithm=myers", "--", ":/"),
)


# Reading the answers


@dataclass(frozen=True, kw_only=True)
class _State:
    """What `git status` said, and the questions asked beside it."""

    refusal: str
    log: Answer
    changes: Answer
    branch: str = ""
    #: False before the first commit
    born: bool = True
    dirty: bool = False
    untracked: tuple[str, ...] = ()


def _state(ask: Ask) -> _State:
    status, told, changes = ask("status", *_STATUS), log(ask), ask("diff", "HEAD", *_DIFF)
    answer, refusal = status.complete()
    entries = [os.fsdecode(entry) for entry in answer.split(b"\0") if entry]
    headers = dict(entry[2:].split(" ", 1) for entry in entries if entry.startswith("# "))
    head, born = headers.get("branch.head", ""), headers.get("branch.oid") != "(initial)"
    known = ("# ", "? ") if born else ("# ",)
    return _State(
        refusal=refusal,
        log=told,
        changes=changes,
        branch="" if head == "(detached)" else head,
        born=born,
        dirty=any(not entry.startswith(known) for entry in entries),
        untracked=tuple(sorted(entry[2:] for entry in entries if entry.startswith("? "))),
    )


def _refused(complaint: str) -> str:
    if "not a git repository" in complaint:
        return f"this is no Git repository: {_NOTHING}"
    if foreign(complaint):
        command = "git config --global --add safe.directory DIRECTORY"
        return f"git refuses, since the repository belongs to another user (`{command}` permits it): {_NOTHING}"
    return f"git refuses ({complaint.splitlines()[0].removeprefix('fatal: ')}): {_NOTHING}"


def _repository(ask: Ask, root: Path, state: _State, job: Job) -> Repository:
    notes: list[str] = []
    git = replace(logged(state.log) if state.born else Git(), branch=state.branch, dirty=state.dirty)
    checked_out, of_job = git.commit, job.about(git.commit)
    if of_job:
        git = _filed(ask, git, job)
    if not state.born:
        notes.append("there is no commit yet")
    if not git.branch:
        notes.append(f"tag {job.context.tag}" if of_job and job.context.tag else "no branch is checked out")
    if checked_out != git.commit:
        merged = f"commit {git.commit[:8]} is tested as {checked_out[:8]}, merged for that"
        other = f"filed under commit {git.commit[:8]}, though {checked_out[:8]} is checked out"
        notes.append(merged if checked_out == job.context.commit else other)
    diff = b""
    if state.dirty or state.untracked:
        changes = state.changes if state.born else ask("diff", _EMPTY_TREE, *_DIFF)
        diff, left_out = _patch(changes.output(_CHANGES_LIMIT), _top(root), state.untracked)
        if left_out:
            notes.append(f"uncommitted, and not kept with the run: {_named(left_out)}")
    tested = checked_out if checked_out == job.context.commit != git.commit else ""
    note = "; ".join(notes)
    return Repository(git=git, diff=diff, note=note, untracked=state.untracked, tested=tested, of_job=of_job)


def log(ask: Ask, commit: str = "HEAD") -> Answer:
    """The question that `logged` reads the answer to."""
    return ask("log", *_LOG, commit, "--")


def logged(answer: Answer) -> Git:
    """A commit, as `git log` tells of it; nothing of one that is not here."""
    fields = answer.text().split("\0")
    if len(fields) != 4:
        return Git()
    return Git(commit=fields[0], author=fields[1], committed=float(fields[2]), message=fields[3])


def _filed(ask: Ask, git: Git, job: Job) -> Git:
    """The state as the job has it: the branch that it is about, and that branch's own commit."""
    context = job.context
    branch = context.branch or ("" if context.tag else git.branch)
    if not context.head or context.head == git.commit:
        return replace(git, branch=branch)
    own = logged(log(ask, context.head))
    if not own.commit:
        # A clone of one commit has the merge alone, which was made just now.
        own = replace(git, commit=context.head, author=context.author or git.author, message=context.title)
    return replace(own, branch=branch, dirty=git.dirty)


def _top(root: Path) -> Path:
    return next((parent for parent in (root, *root.parents) if (parent / ".git").exists()), root)


def _patch(changes: bytes, top: Path, untracked: Sequence[str]) -> tuple[bytes, list[str]]:
    """The patch of all changes, headed by a line for each file that is not in it; those lines."""
    left_out: list[str] = []
    sections = re.split(rb"^(?=diff --git )", changes, flags=re.MULTILINE)[1:]
    if len(changes) > _CHANGES_LIMIT:
        left_out.append(f"{_subject(sections.pop())} and all that follow it: the changes are too large")
    kept = []
    for section in sections:
        if why := _secret(_subject(section)):
            left_out.append(f"{_subject(section)}: {why}")
        else:
            kept.append(section)
    remaining = _UNTRACKED_LIMIT
    for path in untracked:
        content, why = _text(top / path, path, remaining)
        if why:
            left_out.append(f"{path}: {why}")
        else:
            remaining -= len(content)
            kept.append(_added(path, content))
    head = "".join(re.sub(r"[\x00-\x1f]", "?", f"# not kept: {line}") + "\n" for line in left_out)
    return os.fsencode(head) + b"".join(kept), left_out


def _named(left_out: Sequence[str]) -> str:
    """The first few of them in a sentence: "notes.csv (data), model.bin (binary) and 3 more"."""
    parts = [line.rpartition(": ") for line in left_out[:_NAMED]]
    names = [f"{path} ({why.partition(' (')[0]})" for path, _, why in parts]
    more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return ", ".join(names) + more


def _subject(section: bytes) -> str:
    """The path that a section of a patch is about. Without renames it stands there twice: `a/PATH b/PATH`."""
    names = os.fsdecode(section.split(b"\n", 1)[0]).removeprefix("diff --git ")
    half = names[: len(names) // 2]
    return half.strip('"').removeprefix("a/")


def _secret(path: str) -> str:
    """Why a file is not kept; modules of Python are code, whatever they are called."""
    return "" if path.endswith(".py") or not (pattern := denied(path)) else f"its name is a secret's ({pattern})"


def _text(file: Path, path: str, limit: int) -> tuple[bytes, str]:
    """What an unknown file holds, or why that is not kept. Links are not followed, and nothing that could block is
    opened."""
    if why := _secret(path):
        return b"", why
    if path.endswith("/"):
        return b"", "a repository of its own"
    # A data set that is not committed is not copied into the store.
    if DATA.search(path):
        return b"", "data"
    if any(ord(character) < 32 or character in '"\\' for character in path):
        return b"", "its name cannot be written in a patch"
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return b"", "no plain file"
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
            content = opened.read(limit + 1)
    except OSError as error:
        return b"", str(error.strerror)
    if b"\0" in content[:8000]:
        return b"", "binary"
    if len(content) > limit:
        return b"", "too large"
    if any(key_like(content.decode(errors="replace"))):
        return b"", "it looks as if it held a key"
    return content, ""


def _added(path: str, content: bytes) -> bytes:
    """The section of a patch that adds a file."""
    name = os.fsencode(path)
    head = b"diff --git a/%b b/%b\nnew file mode 100644\n" % (name, name)
    if not content:
        return head + b"index 0000000..e69de29\n"
    lines = content.split(b"\n")
    end = b"" if lines[-1] == b"" else b"\n\\ No newline at end of file\n"
    lines = lines[:-1] if lines[-1] == b"" else lines
    tab = b"\t" if b" " in name else b""
    body = b"\n".join(b"+" + line for line in lines)
    return head + b"--- /dev/null\n+++ b/%b%b\n@@ -0,0 +1,%d @@\n%b%b" % (name, tab, len(lines), body, end or b"\n")
