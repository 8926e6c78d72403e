"""Charts as PNG: what their SVG shows, whatever is written in them."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
from matplotlib import image, rcParams

from palmette.present import pictures
from palmette.present.charts import Band, Chart, Kind, Mark, Series

NAN = float("nan")
CHART = Chart(
    title="a metric named $\\frac$ \x00\n \U0001f600",
    x="commit",
    y="$unended",
    series=[
        Series(name="main", xs=range(4), ys=[0.9, NAN, 0.92, 1e305], kind=Kind.BASELINE, points=True),
        Series(name="topic", xs=[3, 4], ys=[0.93, 0.95], kind=Kind.HEAD),
    ],
    bands=[Band(xs=range(5), lows=[0.9] * 5, highs=[0.94] * 5, name="noise band")],
    marks=[Mark(x=2.5, label="$x_{")],
    width=400,
    height=200,
)


def test_a_picture_shows_what_the_drawing_does() -> None:
    drawn = image.imread(io.BytesIO(pictures.png(CHART)))
    assert drawn.shape[:2] == (400, 800)
    dots = np.unique((drawn[:, :, :3] * 255).round().astype(int).reshape(-1, 3), axis=0)
    shades = set(map(tuple, dots.tolist()))
    assert {(0x2F, 0x7F, 0xD1), (0x86, 0x8C, 0x95), (0x1C, 0x20, 0x26), (255, 255, 255)} <= shades


def test_what_somebody_set_for_matplotlib_changes_nothing() -> None:
    before = pictures.png(CHART)
    rcParams["text.usetex"] = rcParams["axes.grid"] = True
    try:
        assert pictures.png(CHART) == before
        assert rcParams["text.usetex"]
    finally:
        rcParams["text.usetex"] = rcParams["axes.grid"] = False


def test_who_has_no_matplotlib_is_told_what_to_install() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; from palmette.cli import main; main()"
    asked = [sys.executable, "-c", code, "history", "tumour", "--png", "auc.png"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "matplotlib is not installed" in told.stderr
    assert 'pip install "palmette[plots]"' in told.stderr
