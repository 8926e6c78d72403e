"""Which algorithms a commit is tried with, and which run a job that is started again gets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from palmette.ci import trying
from palmette.ci.earlier import Before
from palmette.ci.launching import Choice, Wish, choose, key_of
from palmette.ci.planning import Finding, Planned, judged
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.domain.states import RunState
from palmette.errors import CaptureError, NotFound, UsageError
from palmette.operations.checks import Tried
from palmette.operations.closures import Closure, closures
from palmette.operations.project import find

FILES = {
    "pyproject.toml": """
        [project]
        name = "ia"
        requires-python = ">=3.11"
        dependencies = []
        [tool.palmette]
        algorithms = ["algorithms"]
        gates = {}
    """,
    "uv.lock": """
        version = 1
        [[package]]
        name = "numpy"
        version = "2.0.0"
        source = { registry = "https://example.org/simple" }
        [[package]]
        name = "ia"
        version = "0.1.0"
        source = { virtual = "." }
    """,
    "algorithms/tumour.py": """
        from palmette import InputFile, algorithm, step
        from team.text import clean
        LABELS = InputFile("data/labels.csv")
        scans: InputFile = "data/scans"
        SMALL = dict(labels="data/small.csv", of="text", url="https://example.org/x.csv")
        @step
        def fit() -> int:
            return clean(1)
        @algorithm
        def tumour():
            fit()
    """,
    "algorithms/digits.py": """
        from palmette import algorithm, step
        @step
        def fit() -> int:
            return 1
        @algorithm
        def digits():
            fit()
    """,
    "team/__init__.py": "",
    "team/text.py": """
        def clean(value):
            return value
    """,
    "data/labels.csv": "1\n",
    "data/small.csv": "2\n",
    "data/scans.dvc": "md5: 1\n",
}


class Repository:
    """A real repository with two algorithms."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"))

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def closures(self, *names: str) -> dict[str, Closure]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root.parent), "XDG_CACHE_HOME": str(self.root.parent)}
        return dict(closures(find(self.root, environ), names, environ=environ))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "ia")
    made.write(FILES)
    made.git("init", "--initial-branch=main")
    made.git("add", ".")
    made.git("commit", "--message=first")
    return made


def tried(closure: Closure, state: RunState | None = RunState.SUCCEEDED, run: str = "r1") -> Tried:
    check = Check(project="ia", commit="a" * 40, algorithm="tumour", kind=Kind.TOY, run=run, closure=closure.digest)
    return Tried(check=replace(check, parts=closure.parts), state=state)


def planned(before: Closure, now: Closure, forced: str = "") -> Planned:
    known = tried(before)
    return judged("tumour", now, Before(succeeded={"tumour": known}, newest={"tumour": known}), "main", forced)


def edit(name: str, old: str, new: str) -> Callable[[Repository], None]:
    def done(repository: Repository) -> None:
        path = repository.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return done


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(edit("team/text.py", "return value", "return value  # as it is"), "", id="a comment"),
        pytest.param(edit("team/text.py", "    return", "\n    return"), "", id="formatting"),
        pytest.param(edit("algorithms/digits.py", "return 1", "return 2"), "", id="another algorithm's module"),
        pytest.param(edit("uv.lock", '"0.1.0"', '"0.2.0"'), "", id="the project's own version"),
        pytest.param(
            edit("pyproject.toml", "gates = {}", "gates = {tumour = {auc = {minimum = 0.9}}}"), "", id="gates"
        ),
        pytest.param(
            edit("team/text.py", "return value", "return 2 * value"),
            "team/text.py changed, which algorithms/tumour.py imports",
            id="a module that it imports",
        ),
        pytest.param(
            edit("algorithms/tumour.py", "clean(1)", "clean(2)"), "algorithms/tumour.py changed", id="its own module"
        ),
        pytest.param(
            edit("data/labels.csv", "1", "2"),
            "data/labels.csv changed, which algorithms/tumour.py needs",
            id="a data file",
        ),
        pytest.param(
            edit("data/small.csv", "2", "3"),
            "data/small.csv changed, which algorithms/tumour.py needs",
            id="a data file that a preset names",
        ),
        pytest.param(
            edit("data/scans.dvc", "md5: 1", "md5: 2"),
            "data/scans changed, which algorithms/tumour.py needs",
            id="data that Git has a pointer to",
        ),
        pytest.param(edit("uv.lock", "2.0.0", "2.0.1"), "the lock changed", id="the lock"),
        pytest.param(edit("pyproject.toml", ">=3.11", ">=3.12"), "the version of Python changed", id="Python"),
        pytest.param(
            edit("pyproject.toml", "gates = {}", 'image = "img:2"'),
            "settings in [tool.palmette] changed",
            id="settings",
        ),
        pytest.param(
            lambda repository: repository.write(
                {"team/new.py": "A = 1\n", "team/text.py": "from team.new import A\ndef clean(value):\n    return A\n"}
            ),
            "team/text.py and 1 more changed",
            id="a module that came in",
        ),
    ],
)
def test_what_changed_is_told_by_content(
    repository: Repository, change: Callable[[Repository], None], reason: str
) -> None:
    before = repository.closures("tumour")["tumour"]
    change(repository)
    now = repository.closures("tumour")["tumour"]

    found = planned(before, now)

    assert found.finding is (Finding.CHANGED if reason else Finding.UNCHANGED)
    assert found.reason == (reason or "unchanged since r1")
    assert found.tried is bool(reason)


def test_comments_count_where_the_code_reads_its_own_text(repository: Repository) -> None:
    repository.write({"team/text.py": "import inspect\ndef clean(value):\n    return inspect.getsource(clean)\n"})
    before = repository.closures("tumour")["tumour"]
    edit("team/text.py", "import inspect", "# why\nimport inspect")(repository)

    assert planned(before, repository.closures("tumour")["tumour"]).tried


def test_a_squashed_merge_in_a_shallow_clone_is_what_the_branch_was(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "-b", "feature")
    for number in range(3):
        repository.write({"team/text.py": f"def clean(value):\n    return {number}\n"})
        repository.git("commit", "--all", f"--message={number}")
    branch = repository.closures()
    repository.git("checkout", "main")
    repository.git("merge", "--squash", "feature")
    repository.git("commit", "--message=squashed")
    subprocess.run(
        ["git", "clone", "--depth=1", f"file://{repository.root}", "clone"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )

    clone = Repository(tmp_path / "clone").closures()

    assert {name: each.digest for name, each in clone.items()} == {name: each.digest for name, each in branch.items()}


def test_what_was_never_tried_or_failed_is_tried(repository: Repository) -> None:
    now, other = repository.closures("tumour")["tumour"], repository.closures("digits")["digits"]
    failed = tried(now, RunState.FAILED, "r2")

    def finding(succeeded: Tried | None, newest: Tried | None, forced: str = "") -> tuple[Finding, str]:
        before = Before(
            succeeded={"tumour": succeeded} if succeeded else {}, newest={"tumour": newest} if newest else {}
        )
        found = judged("tumour", now, before, "main", forced)
        return found.finding, found.reason

    assert finding(None, None) == (Finding.NEVER, "no toy run of it on main is known")
    assert finding(None, failed) == (Finding.FAILED, "its last toy run on main, r2, failed")
    assert finding(tried(now), failed)[0] is Finding.FAILED
    # Something else failed in between, and was taken back.
    assert finding(tried(now), tried(other, RunState.FAILED, "r2"))[0] is Finding.UNCHANGED
    assert finding(tried(other), tried(now, RunState.RUNNING, "r2"))[0] is Finding.CHANGED
    assert finding(tried(now), tried(now), "--all") == (Finding.ASKED, "unchanged since r1, tried for --all")


def test_all_that_cannot_be_taken_along_is_said_at_once(repository: Repository) -> None:
    for name in ("tumour", "digits"):
        edit(f"algorithms/{name}.py", "@step", "import importlib\nimportlib.import_module(input())\n@step")(repository)
    with pytest.raises(CaptureError) as caught:
        repository.closures()
    assert {each.where.partition(":")[0] for each in caught.value.problems} == {
        "algorithms/tumour.py",
        "algorithms/digits.py",
    }
    with pytest.raises(NotFound, match="tumor"):
        repository.closures("tumor")


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("", ()),
        (" \n\t ", ()),
        ("C=0.1 penalty=l1", ("C=0.1", "penalty=l1")),
        ("C=0.1\n'title=two  words' note=\"it's\"", ("C=0.1", "title=two  words", "note=it's")),
        ("""'layers=["a", "b"]'""", ('layers=["a", "b"]',)),
        (
            "a=$(touch x) `id` $HOME * ~ --on=http://x ; b & c > d #e",
            ("a=$(touch", "x)", "`id`", "$HOME", "*", "~", "--on=http://x", ";", "b", "&", "c", ">", "d", "#e"),
        ),
        ("title=", ("title=",)),
    ],
)
def test_what_a_form_says_is_parted_as_by_a_shell_and_nothing_of_it_evaluated(
    typed: str, values: tuple[str, ...]
) -> None:
    assert trying.overrides({"PALMETTE_OVERRIDES": typed}) == values


@pytest.mark.parametrize(("typed", "what"), [("C=1 'a b", "not closed"), ('a="', "not closed"), ("a\\", "backslash")])
def test_what_a_form_leaves_open_is_refused(typed: str, what: str) -> None:
    with pytest.raises(UsageError, match=f"PALMETTE_OVERRIDES cannot be read: .*{what}"):
        trying.overrides({"PALMETTE_OVERRIDES": typed})


CONTEXT = Context(branch="main", head="a" * 40, pipeline="4", job="40")
WISH = Wish(algorithm="tumour", kind=Kind.TOY, closure=Closure(digest="d1"), reason="changed", preset="toy")


def known(wish: Wish = WISH, context: Context = CONTEXT, **values: Any) -> Check:
    made = Check(project="ia", commit="a" * 40, algorithm="tumour", kind=Kind.TOY, run="r1", key=key_of(wish, context))
    return replace(made, **values)


RETRIED = replace(CONTEXT, job="41")
LATER = replace(CONTEXT, pipeline="5", job="50")
ELSEWHERE = replace(CONTEXT, pipeline="", job="")
RERUN = replace(WISH, rerun=True)
OVERRIDDEN = replace(WISH, overrides=("C=2",))
KEY = key_of(WISH, CONTEXT)


@pytest.mark.parametrize(
    ("check", "state", "wish", "context", "expected"),
    [
        pytest.param(None, None, WISH, CONTEXT, Choice(attach=False, key=KEY), id="nothing is known"),
        pytest.param(
            known(unchanged=True), RunState.SUCCEEDED, WISH, CONTEXT, Choice(attach=False, key=KEY), id="an earlier run"
        ),
        *(
            pytest.param(known(), state, WISH, RETRIED, Choice(attach=True, key=KEY), id=f"same job, {state.lower()}")
            for state in (RunState.PENDING, RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED)
        ),
        pytest.param(
            known(), RunState.CANCELED, WISH, RETRIED, Choice(attach=False, key=f"{KEY}.r1"), id="same job, canceled"
        ),
        pytest.param(
            known(key=f"{KEY}.r0"),
            RunState.RUNNING,
            WISH,
            RETRIED,
            Choice(attach=True, key=f"{KEY}.r0"),
            id="the second",
        ),
        pytest.param(
            known(), None, WISH, RETRIED, Choice(attach=False, key=KEY, run="r1"), id="killed before it was begun"
        ),
        *(
            pytest.param(
                known(), state, WISH, LATER, Choice(attach=True, key=key_of(WISH, LATER)), id=f"later, {state}"
            )
            for state in (RunState.RUNNING, RunState.SUCCEEDED)
        ),
        pytest.param(
            known(), RunState.FAILED, WISH, LATER, Choice(attach=False, key=key_of(WISH, LATER)), id="later, it failed"
        ),
        pytest.param(
            known(), RunState.SUCCEEDED, RERUN, LATER, Choice(attach=False, key=key_of(RERUN, LATER)), id="--rerun"
        ),
        pytest.param(
            known(RERUN), RunState.RUNNING, RERUN, CONTEXT, Choice(attach=True, key=key_of(RERUN, CONTEXT)), id="twice"
        ),
        pytest.param(
            known(),
            RunState.SUCCEEDED,
            OVERRIDDEN,
            CONTEXT,
            Choice(attach=False, key=key_of(OVERRIDDEN, CONTEXT)),
            id="other values",
        ),
        pytest.param(
            known(context=ELSEWHERE),
            RunState.FAILED,
            WISH,
            ELSEWHERE,
            Choice(attach=False, key=f"{key_of(WISH, ELSEWHERE)}.r1"),
            id="by hand, it failed",
        ),
    ],
)
def test_a_job_that_is_started_again_gets_its_run(
    check: Check | None, state: RunState | None, wish: Wish, context: Context, expected: Choice
) -> None:
    assert choose(check, state, wish, context) == expected
