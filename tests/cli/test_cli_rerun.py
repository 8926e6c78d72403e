"""`palmette rerun`: the same code with other settings, from a step on, with the code as it is now."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project, Run

CHAIN = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metrics, algorithm, step

    HERE = "{here}"

    def noted(name: str) -> None:
        with open(f"{HERE}/done.txt", "a") as file:
            print(name, file=file)

    @dataclass(frozen=True)
    class Config:
        rows: int = 3
        factor: float = 2.0

    @step
    def load(rows: int) -> list[int]:
        noted("load")
        return list(range(rows))

    @step
    def fit(data: list[int], factor: float) -> float:
        noted("fit")
        if (Path(HERE) / "broken").exists():
            raise ValueError("no convergence")
        return factor * sum(data)

    @step
    def score(model: float) -> Metrics:
        noted("score")
        return Metrics(loss=model)

    @algorithm(config=Config, presets={"toy": Config(rows=2)})
    def chain(config: Config) -> None:
        score(fit(load(config.rows), config.factor))
"""


@pytest.fixture
def chain(bare: Project) -> Project:
    """A project whose steps note in a file that they were executed."""
    bare.write("algorithms/chain.py", CHAIN)
    return bare


def rerun(project: Project, *arguments: str, code: int = 0) -> Run:
    return type(project.show())(project("rerun", *arguments, "--json", code=code).json)


def test_a_rerun_has_the_settings_of_its_origin_and_overrides_over_them(chain: Project) -> None:
    first = chain.run("chain", "--preset", "toy", "factor=5")
    second = rerun(chain, first["run_id"][:5], "rows=4")
    assert second["config"] == {"rows": 4, "factor": 5.0}
    assert (second["preset"], second["trigger"]) == ("toy", "rerun")
    assert second["metrics"] == {"loss": 30.0}
    assert second["provenance"]["factor"]["source"] == "override"
    assert second["provenance"]["rows"]["source"] == "override"


def test_a_rerun_takes_the_presets_that_its_code_had(chain: Project) -> None:
    chain.run("chain", "factor=5")
    chain.replace("algorithms/chain.py", "Config(rows=2)", "Config(rows=20)")
    second = rerun(chain, "last", "--preset", "toy")
    assert (second["config"], second["preset"]) == ({"rows": 2, "factor": 2.0}, "toy")


def test_nothing_is_executed_again_that_was_done_and_what_was_overridden_is(chain: Project) -> None:
    chain.run("chain")
    assert rerun(chain, "last").cached == {"load", "fit", "score"}
    assert rerun(chain, "last", "factor=3").cached == {"load"}


def test_a_rerun_has_the_code_of_its_origin_though_the_working_tree_has_moved_on(chain: Project) -> None:
    first = chain.run("chain")
    chain.replace("algorithms/chain.py", "factor * sum(data)", "factor + sum(data)")
    again = rerun(chain, first["run_id"], "factor=10")
    assert again["metrics"] == {"loss": 30.0}
    assert again["bundle"] == first["bundle"]
    chain.write("algorithms/chain.py", "")
    assert rerun(chain, first["run_id"], "factor=11")["metrics"] == {"loss": 33.0}


def test_with_current_it_has_the_code_as_it_is_now(chain: Project) -> None:
    first = chain.run("chain", "--preset", "toy", "factor=4")
    chain.replace("algorithms/chain.py", "factor * sum(data)", "factor + sum(data)")
    chain.replace("algorithms/chain.py", "factor: float = 2.0", "factor: float = 2.0\n    more: int = 1")
    done = chain("rerun", first["run_id"], "--current", "--json")
    assert done.json["metrics"] == {"loss": 5.0}
    assert done.json["preset"] == "toy"
    assert f"run {first['run_id']} did not have these config fields: more=1" in done.err


def test_from_a_step_on_everything_is_executed_and_the_rest_is_taken_over(chain: Project) -> None:
    first = chain.run("chain")
    chain.replace("algorithms/chain.py", "list(range(rows))", "list(range(rows + 1))")
    chain.replace("algorithms/chain.py", "Metrics(loss=model)", "Metrics(loss=-model)")
    again = rerun(chain, "last", "--from", "score", "--current")
    assert again.cached == {"load", "fit"}
    assert again["metrics"] == {"loss": -6.0}
    assert again.task("load")["cached_from"].startswith(first["run_id"])
    assert "whatever its code is now" in chain("why", "last", "load").out
    # What was taken over was made by other code, so the next run must not find it under its own.
    assert chain.run("chain").cached == set()


def test_from_the_failed_steps_on(chain: Project) -> None:
    chain.touch("broken")
    chain.run("chain", code=3)
    (chain.directory / "broken").unlink()
    again = rerun(chain, "last", "--failed")
    assert again.states == {"load": "cached", "fit": "succeeded", "score": "succeeded"}
    assert chain.lines("done.txt") == ["load", "fit", "fit", "score"]


def test_diff_shows_a_rerun_beside_its_origin_where_that_is_named(chain: Project) -> None:
    first = chain.run("chain")
    chain.run("chain", "factor=7")
    rerun(chain, first["run_id"], "factor=3")
    found = chain.json("diff", "last", first["run_id"])
    assert (found["baseline"], found["choice"]["rule"]) == (first["run_id"], "named")
    assert [each["after"] for each in found["config"]] == [3]


def test_what_cannot_be_rerun_says_why_and_leaves_nothing(chain: Project) -> None:
    run = chain.run("chain")["run_id"]
    assert "There are: load, fit, score." in chain("rerun", "last", "--from", "nothing", code=2).err
    assert "there is no field 'Q'" in chain("rerun", "last", "Q=1", code=2).err
    assert "no step of run" in chain("rerun", "last", "--failed", code=2).err
    assert "exclude each other" in chain("rerun", "last", "--failed", "--from", "fit", code=2).err
    assert "no run" in chain("rerun", "zzzzzz", code=2).err
    shutil.rmtree(chain.directory / ".palmette" / "bundles")
    done = chain("rerun", "last", code=69)
    assert f"the code of run {run} is gone" in done.err
    assert "--current" in done.err
    assert len(chain.json("runs")) == 1


def test_what_was_taken_over_stays_so_when_a_killed_rerun_is_resumed(chain: Project) -> None:
    chain.run("chain")
    chain.replace("algorithms/chain.py", "list(range(rows))", "list(range(rows + 1))")
    chain.replace(
        "algorithms/chain.py", 'noted("score")', 'noted("score")\n    while not Path(f"{HERE}/go").exists(): pass'
    )
    process = chain.start("rerun", "last", "--from", "score", "--current")
    chain.eventually(lambda: chain.lines("done.txt").count("score") == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    chain.touch("go")
    chain("resume", "last")
    assert chain.show().states == {"load": "cached", "fit": "cached", "score": "succeeded"}
    assert chain.lines("done.txt").count("load") == 1


def test_a_run_that_goes_on_is_not_rerun(chain: Project) -> None:
    chain.replace(
        "algorithms/chain.py", 'noted("fit")', 'noted("fit")\n    while not Path(f"{HERE}/go").exists(): pass'
    )
    process = chain.start("run", "chain")
    chain.eventually(lambda: "fit" in chain.lines("done.txt"))
    assert "is still going" in chain("rerun", "last", code=2).err
    chain.touch("go")
    chain.finished(process, 0)


def test_from_a_step_in_a_loop_every_item_is_executed_anew(bare: Project) -> None:
    bare.write(
        "algorithms/folds.py",
        """
        from palmette import algorithm, collect, each, step

        @step
        def load() -> list[int]:
            return [1, 2]

        @step
        def fit(fold: int) -> int:
            return 10 * fold

        @step
        def best(scores: list[int]) -> int:
            return max(scores)

        @algorithm
        def folds() -> None:
            for fold in each(load()):
                score = fit(fold)
            best(collect(score))
        """,
    )
    bare.run("folds")
    states = rerun(bare, "last", "--from", "fit").states
    assert {name: states[name] for name in ("load", "fit[0]", "fit[1]", "best")} == {
        "load": "cached",
        "fit[0]": "succeeded",
        "fit[1]": "succeeded",
        "best": "succeeded",
    }


def test_from_the_failed_steps_on_within_loops_and_guarded_blocks(bare: Project) -> None:
    bare.write(
        "algorithms/guarded.py",
        """
        from pathlib import Path
        from palmette import FinalStatus, algorithm, collect, each, on_exit, step

        @step
        def load() -> list[int]:
            return [1, 2, 3]

        @step
        def fit(fold: int) -> int:
            if fold == 2 and Path("{here}/broken").exists():
                raise ValueError("no convergence")
            return 10 * fold

        @step
        def best(scores: list[int]) -> int:
            return max(scores)

        @step
        def tell(status: FinalStatus) -> None:
            print(status.state)

        @algorithm
        def guarded() -> None:
            with on_exit(tell()):
                for fold in each(load()):
                    score = fit(fold)
                best(collect(score))
        """,
    )
    bare.touch("broken")
    bare.run("guarded", code=3)
    (bare.directory / "broken").unlink()
    assert rerun(bare, "last", "--failed").states == {
        "load": "cached",
        "fit[0]": "cached",
        "fit[1]": "succeeded",
        "fit[2]": "cached",
        "best": "succeeded",
        "tell": "succeeded",
    }
    assert bare("logs", "last", "tell").out == "SUCCEEDED\n"
