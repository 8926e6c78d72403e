"""Which runs repeat a training."""

from __future__ import annotations

from palmette.operations.repetitions import siblings, training
from palmette.store.trainings import Made, Training, data


def made(name: str, *needs: str, gave: str = "1", kind: str = "system.Dataset", code: str = "1") -> Made:
    return Made(name=name, needs=needs, maker=f"run/{name}", code=("what", "", code), outputs=(("output", kind, gave),))


def trained(
    run: str, created: float, *, bundle: str = "", dirty: bool = False, diff: str = "", seed: int = 0
) -> Training:
    config = {"seed": str(seed), "C": "1.0"}
    return Training(
        run=run, commit="a", branch="", dirty=dirty, diff=diff, bundle=bundle, created=created, config=config
    )


def test_data_are_what_came_in_from_outside_and_was_used() -> None:
    table = [made("fetch", gave="rows"), made("fit", "fetch", kind="system.Model", gave="m")]
    assert data(table) == data([*table[:1], made("fit", "fetch", kind="system.Model", gave="another")])
    assert data(table) != data([made("fetch", gave="other rows"), table[1]])
    # A step that does everything by itself gives results, and no data; so does a model that came from outside.
    assert data([made("train", gave="0.9")]) == ""
    assert data([made("load", kind="system.Model"), made("score", "load")]) == ""
    # Nor does it matter what the step is called, or what a step says that nobody asks.
    renamed = [made("load", gave="rows"), made("fit", "load", kind="system.Model", gave="m")]
    assert data(table) == data([*renamed, made("clock", gave="noon")])


def test_a_training_is_what_was_made_on_the_way_to_the_number() -> None:
    tasks = [made("fetch"), made("fit", "fetch", gave="m", kind="system.Model"), made("evaluate", "fetch", "fit")]
    again = [tasks[0], tasks[1], made("evaluate", "fetch", "fit", gave="2")]
    other = [tasks[0], made("fit", "fetch", gave="m2", kind="system.Model"), tasks[2]]
    assert training(tasks, "evaluate", "a") == training(again, "evaluate", "b") != training(other, "evaluate", "c")
    # Of a loop all items count, and a step that only reads the data is its own training.
    loop = [made("fetch"), made("each.0.fit", "fetch", gave="x"), made("evaluate", "each")]
    assert training(loop, "evaluate", "a") != training(
        [loop[0], made("each.0.fit", "fetch", gave="y"), loop[2]], "evaluate", "a"
    )
    assert training([made("fetch"), made("score", "fetch")], "score", "a") == "run/score"


def test_a_sibling_has_the_same_code_by_commit_bundle_or_definitions() -> None:
    own, code = trained("own", 5.0, bundle="x"), {"own": [made("fit", code="1")]}
    others = [
        trained("older", 1.0, seed=1),
        trained("newer", 2.0, seed=1),
        trained("dirty", 3.0, dirty=True, seed=2),
        trained("same bundle", 3.0, dirty=True, bundle="x", seed=3),
        trained("same definitions", 3.0, dirty=True, seed=4),
        trained("own seed", 9.0),
    ]
    known = code | {"dirty": [made("fit", code="2")], "same definitions": [made("fit", code="1")]}
    assert siblings("own", [own, *others], known, {"seed"}) == {
        "seed=0": "own",
        "seed=1": "newer",
        "seed=3": "same bundle",
        "seed=4": "same definitions",
    }
    assert siblings("own", [own, *others], known, {"dice"}) == {}
