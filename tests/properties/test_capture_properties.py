"""Properties of the slice: what has nothing to do with a step never changes its digest."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.capture.closure import close
from palmette.capture.reach import reach
from palmette.capture.sources import SourceTree

BASE = [
    "import math",
    "from palmette import step",
    "SCALE = 2",
    "ROWS = [1, 2]",
    "ROWS.append(SCALE)",
    "def helper(x):\n    return math.sqrt(x) * SCALE",
    "@step\ndef one(a: int) -> int:\n    return helper(a)",
    "@step\ndef two(a: int) -> int:\n    return a + len(ROWS)",
]

NAMES = st.from_regex(r"unrelated_[a-z]{1,8}", fullmatch=True)
UNRELATED = st.one_of(
    st.builds(lambda name, value: f"{name} = {value!r}", NAMES, st.integers() | st.text() | st.floats() | st.none()),
    st.builds(lambda name, value: f"def {name}(x={value!r}):\n    '''{name}'''\n    return x", NAMES, st.integers()),
    st.builds(lambda name: f"class {name}:\n    def m(self):\n        return helper(1)", NAMES),
    st.builds(lambda name: f"@step\ndef {name}() -> int:\n    return SCALE", NAMES),
    st.builds(
        lambda text: "# " + " ".join(text.split()),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    ),
    st.just("\n\n"),
)


def digests(statements: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "m.py"
        path.write_text("\n".join(statements) + "\n", "utf-8")
        closure = close(SourceTree(path.parent, (path.parent,)), ["m"])
        return [reach(closure, f"m:{name}").digest for name in ("one", "two")]


EXPECTED = digests(BASE)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(UNRELATED, st.integers(0, len(BASE))), max_size=5))
def test_unrelated_definitions_and_comments_never_change_a_digest(added: list[tuple[str, int]]) -> None:
    statements = list(BASE)
    for text, place in sorted(added, key=lambda each: each[1], reverse=True):
        statements.insert(place, text)
    assert digests(statements) == EXPECTED


@settings(max_examples=30, deadline=None)
@given(st.integers().filter(lambda number: number != 2))
def test_every_other_value_of_a_reached_constant_changes_the_digests(number: int) -> None:
    statements = [text.replace("SCALE = 2", f"SCALE = {number}") for text in BASE]
    assert all(new != old for new, old in zip(digests(statements), EXPECTED, strict=True))
