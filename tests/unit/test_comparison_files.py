"""Files of two bundles, line by line."""

from __future__ import annotations

import pytest

from palmette.comparison.changes import CodeChange, Edit, FileChange
from palmette.comparison.files import LARGEST, files

SCALE = CodeChange(definition="helpers.scaling:scaled", edit=Edit.CHANGED, tasks=("fit", "score"))


def test_a_changed_file_is_shown_with_the_steps_that_reach_it() -> None:
    before = {"helpers/scaling.py": b"a = 1\nb = 2\n", "notes.py": b"# old\n"}
    after = {"helpers/scaling.py": b"a = 1\nb = 3\nc = 4\n", "notes.py": b"# new\n"}
    found = files(before, after, [SCALE])
    assert found.changes == (
        FileChange(path="helpers/scaling.py", edit=Edit.CHANGED, added=2, removed=1, steps=("fit", "score")),
        FileChange(path="notes.py", edit=Edit.CHANGED, added=1, removed=1),
    )
    assert found.diff.splitlines()[:6] == [
        "--- a/helpers/scaling.py", "+++ b/helpers/scaling.py", "@@ -1,2 +1,3 @@", " a = 1", "-b = 2", "+b = 3"
    ]  # fmt: skip


def test_packages_and_data_files_belong_to_the_steps_that_reach_them() -> None:
    code = [
        CodeChange(definition="helpers:*", edit=Edit.CHANGED, tasks=("fit",)),
        CodeChange(definition="data:helpers/words.txt", edit=Edit.CHANGED, tasks=("score",)),
    ]
    after = {"helpers/__init__.py": b"x\n", "helpers/words.txt": b"y\n"}
    steps = {change.path: change.steps for change in files({}, after, code).changes}
    assert steps == {"helpers/__init__.py": ("fit",), "helpers/words.txt": ("score",)}


def test_files_that_came_and_went_are_compared_with_nothing() -> None:
    found = files({"old.py": b"x\n"}, {"new.py": b"y\nz"}, ())
    edits = [(each.path, each.edit, each.added, each.removed) for each in found.changes]
    assert edits == [("new.py", Edit.ADDED, 2, 0), ("old.py", Edit.REMOVED, 0, 1)]
    assert "--- /dev/null\n+++ b/new.py" in found.diff
    assert "+z\n\\ No newline at end of file\n" in found.diff
    assert "--- a/old.py\n+++ /dev/null" in found.diff


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        ("model.bin", b"\0\1", "binary"),
        ("latin.txt", b"\xe9t\xe9", "binary"),
        (".env.team", b"TOKEN=sesame", "its name is a secret's (.env*)"),
        ("patients.csv", b"name,age\nsesame,4\n", "data"),
        ("conf.txt", b"sesame AKIAABCDEFGHIJKLMNOP\n", "it looks as if it held a key"),
        ("keys.py", b"sesame = 'AKIAABCDEFGHIJKLMNOP'\n", "it looks as if it held a key"),
        ("long.txt", b"sesame\n" * 6_000, "too large"),
        ("large.txt", b"sesame " * (LARGEST // 7 + 1), "too large"),
    ],
)
def test_what_is_no_code_or_looks_secret_is_named_only(path: str, content: bytes, why: str) -> None:
    for sides in (({}, {path: content}), ({path: content}, {}), ({path: b"x\n"}, {path: content})):
        found = files(*sides, ())
        assert [(each.path, each.unshown) for each in found.changes] == [(path, why)]
        assert found.diff == ""


def test_other_line_ends_are_a_change_without_lines() -> None:
    (change,) = files({"a.py": b"x\ny\n"}, {"a.py": b"x\r\ny\r\n"}, ()).changes
    assert (change.added, change.removed, change.unshown) == (0, 0, "only its line ends differ")


def test_a_long_diff_is_cut_by_whole_files_and_says_so() -> None:
    after = {f"{name}.py": b"".join(b"x%d\n" % n for n in range(1_800)) for name in "ab"} | {"c.py": b"x" * 600}
    found = files({}, after, ())
    assert [each.added for each in found.changes] == [1_800, 1_800, 1]
    assert found.remarks == ("the diff is cut at 3,000 lines: b.py not in it",)
    assert "b.py" not in found.diff
    assert " … cut" in found.diff
    assert max(map(len, found.diff.splitlines())) < 520
