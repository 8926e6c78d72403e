"""What a run leaves is cleared away when its driver has nothing better to do, and at its end at the latest."""

from __future__ import annotations

from pathlib import Path

from palmette.engine.attempt import remove
from palmette.engine.broom import Broom


def littered(path: Path) -> Path:
    (path / "values").mkdir(parents=True)
    (path / "values" / "output").write_text("1")
    return path


def test_nothing_is_cleared_before_a_sweep_and_everything_at_the_end(tmp_path: Path) -> None:
    first, second = littered(tmp_path / "first"), littered(tmp_path / "second")
    broom = Broom()
    broom.later(remove, first)
    assert first.exists()
    broom.sweep()
    broom.later(remove, second)
    assert second.exists()
    broom.close()
    assert list(tmp_path.iterdir()) == []


def test_what_resists_keeps_nothing_else_from_being_cleared(tmp_path: Path) -> None:
    def resist(path: Path) -> None:
        raise OSError(f"{path} is busy")

    last = littered(tmp_path / "last")
    broom = Broom()
    broom.later(resist, tmp_path)
    broom.later(remove, last)
    broom.close()
    assert not last.exists()
