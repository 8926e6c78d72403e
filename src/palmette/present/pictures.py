"""Line charts as PNG, for what shows no SVG. Imported where one is asked for: Matplotlib is an extra."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any, Final
from xml.etree import ElementTree

from palmette.errors import UsageError
from palmette.present.charts import Chart, lines

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path as Outline
except ModuleNotFoundError as error:
    raise UsageError(f"{error.name} is not installed", 'Install it: pip install "palmette[plots]".') from None

#: dots of the picture for each one of the chart, as on screens of today
_DENSITY: Final = 2
#: what Matplotlib, which counts in points, calls one dot of the chart
_DOT: Final = 0.72
#: DejaVu, which comes with Matplotlib, is so much wider than the letters of most systems
_WIDE: Final = 0.9
_INK: Final = "#1c2026"
_COMMANDS: Final = re.compile(r"([MLHVhvZ])([^MLHVhvZ]*)")
_MOVES: Final = {"M": Outline.MOVETO, "Z": Outline.CLOSEPOLY}
_ANCHORS: Final = {"middle": "center", "end": "right"}


@dataclass(frozen=True)
class _Corner:
    """Where an element's zero lies, and the part of the picture beyond which it is not seen."""

    x: float = 0.0
    y: float = 0.0
    frame: Rectangle | None = None


def png(chart: Chart) -> bytes:
    """The chart just as its SVG shows it, on white; the same bytes for the same chart. Whatever the user has set for
    Matplotlib changes nothing, and no text is read as mathematics."""
    root, out = ElementTree.fromstring(lines(chart)), io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context():
        # A letter that the font does not have is drawn as a box, without a warning for each.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        figure = Figure(figsize=(chart.width / 100, chart.height / 100), dpi=100 * _DENSITY, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, chart.width), ylim=(chart.height, 0))
        axes.set_axis_off()
        _draw(axes, root, _Corner())
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _draw(axes: Axes, parent: ElementTree.Element, corner: _Corner) -> None:
    """Everything within an element, in its order. These are all the elements that charts are made of."""
    for each in parent:
        match each.tag.rpartition("}")[2]:
            case "svg":
                x, y, width, height = (float(each.get(name, "0")) for name in ("x", "y", "width", "height"))
                frame = Rectangle((x, y), width, height, transform=axes.transData)
                _draw(axes, each, _Corner(x, y, frame))
            case "g":
                dx, dy = _numbers(each.get("transform", "").partition("(")[2].rstrip(")"))
                _draw(axes, each, replace(corner, x=corner.x + dx, y=corner.y + dy))
            case "text":
                _text(axes, each)
            case "rect":
                x, y, width, height = (float(each.get(name, "0")) for name in ("x", "y", "width", "height"))
                axes.add_patch(Rectangle((x, y), width, height, **_style(each)))
            case "circle":
                at = corner.x + float(each.get("cx", "0")), corner.y + float(each.get("cy", "0"))
                size = 2 * float(each.get("r", "0")) * _DOT
                axes.plot(*at, "o", color=each.get("color", _INK), markersize=size, markeredgewidth=0)
            case "path":
                patch = axes.add_patch(PathPatch(_outline(each.get("d", ""), corner), **_style(each)))
                if corner.frame is not None:
                    patch.set_clip_path(corner.frame)
            case _:
                pass  # a title or a style, of which a picture has none


def _text(axes: Axes, each: ElementTree.Element) -> None:
    axes.text(
        float(each.get("x", "0")),
        float(each.get("y", "0")),
        " ".join((each.text or "").split()),
        color=_INK,
        fontsize=float(each.get("font-size", "11")) * _DOT * _WIDE,
        fontweight="bold" if each.get("font-weight") else "normal",
        horizontalalignment=_ANCHORS.get(each.get("text-anchor", ""), "left"),
        verticalalignment="baseline",
        rotation=90 if each.get("transform") else 0,
        rotation_mode="anchor",
        parse_math=False,
    )


def _style(each: ElementTree.Element) -> dict[str, Any]:
    """What Matplotlib calls an element's colours and dashes."""
    ink = each.get("color", _INK)
    if each.get("stroke") is None:
        return {"facecolor": ink, "alpha": float(each.get("fill-opacity", "1")), "linewidth": 0}
    width = float(each.get("stroke-width", "1"))
    dashes = tuple(number / width for number in _numbers(each.get("stroke-dasharray", "")))
    return {
        "fill": False,
        "edgecolor": ink,
        "alpha": float(each.get("stroke-opacity", "1")),
        "linewidth": width * _DOT,
        "linestyle": (0, dashes) if dashes else "-",
        "joinstyle": "round",
        "capstyle": "butt",
    }


def _outline(commands: str, corner: _Corner) -> Outline:
    """The path in dots of the picture."""
    points: list[tuple[float, float]] = []
    codes: list[int] = []
    x = y = 0.0
    for letter, text in _COMMANDS.findall(commands):
        numbers = _numbers(text)
        match letter:
            case "H":
                x = numbers[0]
            case "V":
                y = numbers[0]
            case "h":
                x += numbers[0]
            case "v":
                y += numbers[0]
            case "M" | "L":
                x, y = numbers
            case _:
                pass  # Z takes the pen back
        points.append((corner.x + x, corner.y + y))
        codes.append(int(_MOVES.get(letter, Outline.LINETO)))
    return Outline(points, codes)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))
