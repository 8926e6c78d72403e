"""Did this branch make it better? Five branches of a clinic's repository, from a full clone and from shallow ones."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project

ROOT = Path(__file__).parents[2]

#: Writes the registry before and after a tenth was added to it, and one of another hospital. Which biopsies are held
#: out is said in it. When it grows, one that was trained on is held out by mistake.
REGISTRY = """
import sys
import numpy as np
from sklearn.datasets import load_breast_cancer

table = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "benign"}).sample(frac=1, random_state=1)
table.index = [f"B{number:04}" for number in range(len(table))]
table.index.name = "biopsy"
order = np.random.default_rng(1)
held_out = np.zeros(len(table), bool)
held_out[order.permutation(517)[:144]] = True
held_out[517 + order.permutation(52)[:13]] = True
table["held_out"] = held_out
table[:517].to_csv(sys.argv[1] + "/before.csv")
grown = table.copy()
grown.loc[table.index[~held_out][0], "held_out"] = True
grown.to_csv(sys.argv[1] + "/after.csv")
other = table.rename(columns=lambda name: name.replace(" error", " spread"))
other.index = "X" + other.index
other.index.name = "biopsy"
other.to_csv(sys.argv[1] + "/other.csv")
"""

#: What main changes of the clinic's own algorithm: (old, new).
FETCH = """    table = load_breast_cancer(as_frame=True).frame.rename(columns={"target": TARGET})
    return quality.require(table, TARGET)
"""
READ = """    table = pd.read_csv(REGISTRY, index_col="biopsy")
    return quality.require(table.reset_index(), TARGET).set_index("biopsy")
"""
COMPOSE = "from sklearn.compose import make_column_selector, make_column_transformer\n"
SIGNATURE = "measures: str, test_share: float, seed: int"
CHOSEN = """    columns = make_column_selector(pattern={"error": " error$", "all": ""}[measures])
    chosen = make_column_transformer(("passthrough", columns))
    return make_pipeline(chosen, *(step for _, step in scaled(model, gaps).steps)).fit("""
SHUFFLED = "fit(train.drop(columns=TARGET).sample(frac=1, random_state=seed)"
SPLIT = (
    "    train, test = train_test_split(",
    """    if "held_out" in table:
        train, test = (table[table["held_out"] == held].drop(columns="held_out") for held in (False, True))
        return train, test
    train, test = train_test_split(""",
)


@dataclass(frozen=True)
class Ward:
    """The team's repository with its origin, and the runs of main and of the branches, in one store."""

    work: Project
    origin: Path
    world: Path
    #: branch → its run; of main "first" and "newer"
    runs: Mapping[str, str]

    def clone(self, branch: str, depth: int, to: Path) -> Project:
        """A clone of a branch that is cut off behind so many commits, with the same store."""
        source = f"file://{self.origin}"
        command = ["git", "clone", "--quiet", f"--depth={depth}", f"--branch={branch}", source, str(to)]
        subprocess.run(command, env=self.work.environ, check=True, capture_output=True)
        return type(self.work)(to, self.work.environ)


def commit(work: Project, message: str) -> None:
    work.git("add", ".")
    work.git("commit", f"--message={message}")


def rewrite(work: Project, name: str, *pairs: tuple[str, str]) -> None:
    for old, new in pairs:
        work.replace(name, old, new)


@pytest.fixture(scope="module")
def ward(
    tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project_type: type[Project], clinic_python: Path
) -> Iterator[Ward]:
    """Main with two trained commits, five branches that left it between the two, each trained once, and an origin."""
    top = tmp_path_factory.mktemp("ward")
    world, work = top / "world", project_type(top / "clinic", dict(user) | {"PALMETTE_STORE": str(top / "store")})
    world.mkdir()
    subprocess.run([clinic_python, "-c", REGISTRY, world], check=True, env=user)
    shutil.copy(world / "before.csv", world / "registry.csv")
    ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache")
    shutil.copytree(ROOT / "examples" / "clinic", work.directory, ignore=ignored)
    (work.directory / "requirements.txt").unlink()
    work.replace("pyproject.toml", "[tool.palmette]\n", f'[tool.palmette]\npython = "{clinic_python}"\n')
    work.write(".gitignore", "__pycache__/\n")
    work.git("init", "--initial-branch=main")
    commit(work, "Train four algorithms")
    runs = dict(trained(work, world))
    origin = top / "origin.git"
    work.git("clone", "--quiet", "--bare", ".", str(origin))
    work.git("remote", "add", "origin", str(origin))
    work.git("fetch", "--quiet", "origin")
    yield Ward(work, origin, world, runs)
    work.end()


def trained(work: Project, world: Path) -> Iterator[tuple[str, str]]:
    """Make the commits and the branches, and train each."""
    use_the_registry(work, world)
    yield "first", work.run("tumour")["run_id"]
    work.replace("pyproject.toml", "a hospital's data team", "a ward")
    commit(work, "Say whose trainings these are")
    work.git("branch", "fork")
    work.replace("algorithms/tumour.py", "= 1.0  #:", "= 0.5  #:")
    commit(work, "Regularise more")
    yield "newer", work.run("tumour")["run_id"]
    for name, change in BRANCHES.items():
        work.git("checkout", "--quiet", "-b", name, "fork")
        change(work, world)
        commit(work, change.__name__.replace("_", " ").capitalize())
        if name == "grown":
            shutil.copy(world / "after.csv", world / "registry.csv")
        yield name, work.run("tumour", *(["--refresh"] if name == "grown" else []))["run_id"]
    work.git("checkout", "--quiet", "main")


def use_the_registry(work: Project, world: Path) -> None:
    rewrite(
        work,
        "algorithms/tumour.py",
        ("from sklearn.datasets import load_breast_cancer\n", COMPOSE),
        ("from sklearn.pipeline import Pipeline", "from sklearn.pipeline import Pipeline, make_pipeline"),
        ('TARGET = "benign"', f'TARGET = "benign"\nREGISTRY = "{world}/registry.csv"'),
        ("    seed: int = 0", '    measures: Literal["error", "all"] = "error"  #: which are used\n    seed: int = 0'),
        (FETCH, READ),
        ("gaps: Gaps, test_share: float, seed: int) -> Pipeline", f"gaps: Gaps, {SIGNATURE}) -> Pipeline"),
        ("    return scaled(model, gaps).fit(", CHOSEN),
        ("config.gaps, config.test_share", "config.gaps, config.measures, config.test_share"),
    )
    rewrite(work, "clinic/splitting.py", SPLIT)
    commit(work, "Read the registry")


def use_all_measures(work: Project, _world: Path) -> None:
    work.replace("algorithms/tumour.py", '"all"] = "error"', '"all"] = "all"')


def shuffle_the_training_rows(work: Project, _world: Path) -> None:
    # The labels are not shuffled with them.
    work.replace("algorithms/tumour.py", "fit(train.drop(columns=TARGET)", SHUFFLED)


def explain_the_evaluation(work: Project, _world: Path) -> None:
    work.replace("algorithms/tumour.py", "    scores = model", "    # Of being benign.\n    scores = model")


def say_when_the_registry_grew(work: Project, _world: Path) -> None:
    work.replace("README.md", "# Clinic", "# The ward, with a tenth more")


def read_the_other_hospital(work: Project, _world: Path) -> None:
    rewrite(work, "algorithms/tumour.py", ("/registry.csv", "/other.csv"), (" error$", " spread$"))


BRANCHES = {
    "better": use_all_measures,
    "worse": shuffle_the_training_rows,
    "same": explain_the_evaluation,
    "grown": say_when_the_registry_grew,
    "strange": read_the_other_hospital,
}


@dataclass(frozen=True)
class Expected:
    """What a comparison with the run before the fork concludes, and what it names as the cause."""

    verdict: str
    summary: str
    causes: tuple[str, ...]
    #: what the reader is told of the examples
    examples: tuple[str, ...] = ()
    #: of how many examples; 1 where the baseline's outputs were used again
    n: int | None = 144


LEFT_OUT = "baseline rescored, 1 left out"
EXPECTED = {
    "better": Expected("better", "Only measures changed.", ("config",)),
    "worse": Expected("worse", "Only algorithms.tumour:build_and_fit changed.", ("code",)),
    "same": Expected("equivalent", "Nothing that goes in differs", (), n=1),
    "grown": Expected(
        "equivalent", "Only the data of fetch_dataset changed.", ("data",), ("baseline rescored, 1 left out",), 157
    ),
    "strange": Expected(
        "not comparable", "Only algorithms/tumour.py changed, and with that the data.", ("code",), n=None
    ),
}


def judged(found: Mapping[str, Any], expected: Expected, baseline: str) -> None:
    """It is what was expected, by the run that main had where the branch left it."""
    assert (found["verdict"], found["baseline"]) == (expected.verdict, baseline)
    assert found["summary"].startswith(expected.summary)
    assert tuple(found["causes"]) == expected.causes
    assert set(expected.examples) <= set(found["examples"])
    primary = next(metric for metric in found["metrics"] if metric["primary"])
    evidence = primary["judged"]["evidence"]
    assert (evidence and evidence["n"]) == expected.n
    assert found["choice"]["rule"] == "nearest commit"


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_is_judged_by_where_it_left_main(ward: Ward, branch: str) -> None:
    found = ward.work.json("diff", ward.runs[branch])
    judged(found, EXPECTED[branch], ward.runs["first"])
    assert (found["choice"]["start"], found["choice"]["distance"]) == ("merge base", 1)


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_clone_of_one_commit_says_the_same(ward: Ward, branch: str, tmp_path: Path) -> None:
    clone = ward.clone(branch, 1, tmp_path / "clone")
    judged(clone.json("diff", ward.runs[branch]), EXPECTED[branch], ward.runs["first"])


def test_what_cannot_be_scored_again_is_said_with_a_way_out(ward: Ward) -> None:
    out = ward.work("diff", ward.runs["strange"]).out
    assert "the test data differ: 144 and 157 test examples, of which 0 are the same" in out
    assert "the evaluation step of this run cannot score the baseline's model" in out
    assert "the evaluation step of the baseline cannot score the baseline's model" in out
    assert f"palmette run tumour --data-of {ward.runs['first']}" in out


def test_nothing_is_trained_again_for_a_comment(ward: Ward) -> None:
    run = ward.work.show(ward.runs["same"])
    assert run.cached == {"fetch_dataset", "build_and_fit", "evaluate_model", "report"}


def test_where_a_new_commit_of_a_shallow_clone_left_main_is_known_from_earlier_runs(ward: Ward, tmp_path: Path) -> None:
    clone = ward.clone("worse", 2, tmp_path / "clone")
    clone.replace("algorithms/tumour.py", "    scores = model", "    # Of being benign.\n    scores = model")
    commit(clone, "Explain the scores")
    clone.run("tumour")
    found = clone.json("diff")
    assert (found["verdict"], found["baseline"]) == ("worse", ward.runs["first"])
    assert (found["choice"]["rule"], found["choice"]["shallow"]) == ("nearest commit", True)
    # What is fetched within a day is used again: the registry as it is since it grew.
    assert LEFT_OUT in found["examples"]
