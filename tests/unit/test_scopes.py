"""How a project's objects are called on a host."""

from __future__ import annotations

import pytest

from palmette.domain.footer import signed
from palmette.domain.hosting import Experiment, Pipeline
from palmette.errors import AlreadyThere
from palmette.operations.scopes import EXPERIMENT, VERSION, Names, owner, require_own

PLAIN, FURTHER = Names(prefix="", project="ia"), Names(prefix="ib: ", project="ib")
LONG = "feature/" + "a-branch-" * 30
COMMIT = "6f1c0a2b" + "0" * 32


def test_names_stay_within_what_every_host_takes_and_apart() -> None:
    assert PLAIN.experiment("main") == "main"
    assert FURTHER.experiment("main") == "ib: main"
    assert FURTHER.pipeline("tumour") == "ib: tumour"
    assert PLAIN.version("main", COMMIT) == "main@6f1c0a2b"
    assert PLAIN.version("main", COMMIT, "sha256:abcdef0123456789") == "main@6f1c0a2b-abcdef01"
    cut = {FURTHER.experiment(LONG), FURTHER.experiment(LONG + "x"), PLAIN.experiment(LONG)}
    assert len(cut) == 3
    assert all(len(name) <= EXPERIMENT and "~" in name for name in cut)
    version = PLAIN.version(LONG, COMMIT, "abcdef0123456789")
    assert len(version) <= VERSION
    assert version.endswith("@6f1c0a2b-abcdef01")


@pytest.mark.parametrize("names", [PLAIN, FURTHER])
@pytest.mark.parametrize("branch", ["main", "feature/IA-1742-doc-type", LONG, "ü~".rstrip("~")])
def test_a_branch_is_found_in_its_experiment_and_in_no_other_project_s(names: Names, branch: str) -> None:
    told = signed("A text", {"project": names.project, "branch": branch})
    other = FURTHER if names is PLAIN else PLAIN
    experiment = Experiment(id="1", name=names.experiment(branch), description=told)
    assert names.branch(experiment) == branch
    assert other.branch(experiment) is None
    assert names.branch(Experiment(id="2", name=names.experiment(branch))) is None


def test_what_was_made_without_a_footer_is_the_project_s_by_its_name() -> None:
    assert FURTHER.branch(Experiment(id="1", name="ib: main", project="ib")) == "main"
    assert FURTHER.branch(Experiment(id="1", name="main", project="ib")) is None
    assert FURTHER.algorithm(Pipeline(id="1", name="ib: tumour", project="ib")) == "tumour"
    assert PLAIN.algorithm(Pipeline(id="1", name="by hand")) is None


def test_whose_something_is_its_footer_says_before_the_home() -> None:
    told = Experiment(id="1", name="main", description=signed("", {"project": "ia"}), project="ib")
    kept, nobodys = Pipeline(id="2", name="tumour", project="ib"), Pipeline(id="3", name="by hand")
    assert [owner(each) for each in (told, kept, nobodys)] == ["ia", "ib", ""]
    require_own("an experiment", told, signed("", {"project": "ia"}))
    require_own("a pipeline", nobodys, "whoever asks is of no project")
    with pytest.raises(AlreadyThere, match="belongs to the project 'ia'"):
        require_own("an experiment", told, signed("", {"project": "ib"}))
    with pytest.raises(AlreadyThere, match="made by hand"):
        require_own("a pipeline", nobodys, signed("", {"project": "ib"}))
