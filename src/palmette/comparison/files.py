"""The files that two runs were executed from, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from palmette.capture.secrets import DATA, denied, key_like
from palmette.comparison.changes import CodeChange, Edit, FileChange
from palmette.comparison.definitions import origin, origins

#: bytes of a file that are compared: of a longer one no more needs to be given
LARGEST: Final = 1 << 20
#: lines of a file that are compared, and of the whole diff that are kept
_LONGEST_FILE: Final = 5_000
_LONGEST_DIFF: Final = 3_000
#: characters of a line that are kept
_WIDEST: Final = 500


@dataclass(frozen=True, kw_only=True)
class Files:
    """What differs between the files of two bundles."""

    changes: tuple[FileChange, ...] = ()
    #: unified, in the order of the changes
    diff: str = ""
    #: what of it is not shown, as sentences without a full stop
    remarks: tuple[str, ...] = ()


def files(before: Mapping[str, bytes], after: Mapping[str, bytes], code: Sequence[CodeChange]) -> Files:
    """Compare the files that differ, path → bytes on each side; those that steps reach come first."""
    steps = _reaching(code, {*before, *after})
    changes: list[FileChange] = []
    sections: dict[str, list[str]] = {}
    for path in sorted({*before, *after}):
        was, now = before.get(path), after.get(path)
        if was != now or _large(was, now):
            change, sections[path] = _compared(path, was, now)
            changes.append(replace(change, steps=steps.get(path, ())))
    changes.sort(key=lambda change: (not change.steps, change.path))
    diff, remarks = _joined([(change.path, sections[change.path]) for change in changes])
    return Files(changes=tuple(changes), diff=diff, remarks=remarks)


def _compared(path: str, was: bytes | None, now: bytes | None) -> tuple[FileChange, list[str]]:
    edit = Edit.CHANGED if was is not None and now is not None else Edit.REMOVED if now is None else Edit.ADDED
    change = FileChange(path=path, edit=edit)
    if _large(was, now):
        return replace(change, unshown="too large"), []
    texts = [_text(side) for side in (was, now)]
    if texts[0] is None or texts[1] is None:
        return replace(change, unshown="binary"), []
    old, new = (_lines(text) for text in (texts[0], texts[1]))
    if max(len(old), len(new)) > _LONGEST_FILE:
        return replace(change, unshown="too large"), []
    names = (f"a/{path}" if was is not None else "/dev/null", f"b/{path}" if now is not None else "/dev/null")
    section = [*difflib.unified_diff(old, new, *names, lineterm="")]
    added, removed = (sum(line.startswith(sign) for line in section[2:]) for sign in "+-")
    unshown = _private(path, texts[0], texts[1]) if section else "only its line ends differ"
    change = replace(change, added=added, removed=removed, unshown=unshown)
    return change, [] if change.unshown else section


def _large(*sides: bytes | None) -> bool:
    """Whether no more than the beginning of a side may be at hand."""
    return any(side is not None and len(side) > LARGEST for side in sides)


def _text(content: bytes | None) -> str | None:
    """What a file says; None if it is none that people read."""
    if content is None:
        return ""
    if b"\0" in content[:8000]:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    # Only what ends a line for Git: a form feed within one does not.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if not lines[-1] else [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def _private(path: str, *texts: str) -> str:
    """Why nothing of a file is quoted; modules of Python are code, whatever they are called."""
    if not path.endswith(".py") and (pattern := denied(path)):
        return f"its name is a secret's ({pattern})"
    if DATA.search(path):
        return "data"
    return "it looks as if it held a key" if any(any(key_like(text)) for text in texts) else ""


def _joined(sections: Sequence[tuple[str, list[str]]]) -> tuple[str, tuple[str, ...]]:
    kept: list[str] = []
    left: list[str] = []
    for path, section in sections:
        if len(kept) + len(section) > _LONGEST_DIFF:
            left.append(path)
        else:
            kept += [line if len(line) <= _WIDEST else f"{line[:_WIDEST]} … cut" for line in section]
    remarks = (f"the diff is cut at {_LONGEST_DIFF:,} lines: {', '.join(_few(left))} not in it",) if left else ()
    return "".join(f"{line}\n" for line in kept), remarks


def _few(names: Sequence[str]) -> Iterator[str]:
    yield from names[:3]
    if len(names) > 3:
        yield f"{len(names) - 3} more"


def _reaching(code: Sequence[CodeChange], paths: set[str]) -> dict[str, tuple[str, ...]]:
    """Path → the tasks that reach something of it that differs."""
    modules = origins(paths)
    found: dict[str, dict[str, None]] = {}
    for change in code:
        path = origin(change.definition, paths, modules)
        if path is not None:
            found.setdefault(path, {}).update(dict.fromkeys(change.tasks))
    return {path: tuple(tasks) for path, tasks in found.items()}
