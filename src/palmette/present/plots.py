"""A line over a band in a terminal: four dots to a character's height, two to its width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.text import Text

from palmette.present.scales import Scale, scale

_BLANK: Final = 0x2800
#: the bits of a braille character, by row and column of its dots
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_FEWEST: Final = 20


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Numbers at equal distances."""

    ys: Sequence[float]
    #: a low and a high end for each, or None
    bands: Sequence[tuple[float, float] | None] = ()
    #: index → a character that stands below a vertical line before that number
    marks: Mapping[int, str] = field(default_factory=dict)
    #: indices that stand out
    loud: frozenset[int] = frozenset()
    #: what stands below the first and the last number
    first: str = ""
    last: str = ""


def lines(plot: Plot, *, width: int = 80, height: int = 10) -> list[Text]:
    """The plot as so many lines and two below them, none longer than the width."""
    ends = [end for band in plot.bands if band for end in band]
    axis = scale([*plot.ys, *ends], None, most=max(2, height // 2), whole=False, air=0.04)
    ticks = {_row(axis, value, height): text for value, text in axis.ticks}
    left = max(map(len, ticks.values()), default=0)
    canvas = _Canvas(max(_FEWEST, width - left - 3), height, len(plot.ys))
    canvas.draw(plot, axis)
    found = []
    for row in range(height):
        line = Text(f"{ticks.get(row, ''):>{left}} {'┤' if row in ticks else '│'}", style="dim")
        for text, style in canvas.cells(row):
            line.append(text, style=style)
        found.append(line)
    return [*found, Text(f"{'':>{left}} └{'─' * canvas.width}", style="dim"), _below(plot, canvas, left + 2)]


class _Canvas:
    """A grid of characters, and of the dots in them."""

    def __init__(self, width: int, height: int, count: int) -> None:
        self.width, self.height, self.count = width, height, count
        self.dots = [[0] * width for _ in range(height)]
        self.shade = [[False] * width for _ in range(height)]
        self.points: dict[tuple[int, int], str] = {}
        self.rules: frozenset[int] = frozenset()

    def across(self, place: float) -> int:
        """The dot column of the number at a place."""
        if self.count < 2:
            return self.width
        return round(place * (2 * self.width - 1) / (self.count - 1))

    def draw(self, plot: Plot, axis: Scale) -> None:
        """The band, the line, and each number by itself where there is room."""
        tall = 4 * self.height
        at = [(self.across(place), _row(axis, value, tall)) for place, value in enumerate(plot.ys)]
        self.rules = frozenset(self.before(place) for place in plot.marks)
        for place, band in enumerate(plot.bands):
            if band:
                self._shaded(place, *(_row(axis, end, self.height) for end in reversed(band)))
        for place, (x, y) in enumerate(at):
            start = at[place - 1] if place and place not in plot.marks else (x, y)
            for across, down in _between(start, (x, y)):
                self.dots[down // 4][across // 2] |= _DOTS[down % 4][across % 2]
            if self.count <= self.width // 2 or place in plot.loud:
                self.points[y // 4, x // 2] = "bold red" if place in plot.loud else "bold cyan"

    def before(self, place: int) -> int:
        """The character column of the line before a number."""
        return max(0, self.across(place - 0.5) // 2)

    def cells(self, row: int) -> Iterator[tuple[str, str]]:
        """The characters of a row, each with its style."""
        for column in range(self.width):
            if (row, column) in self.points:
                yield "●", self.points[row, column]
            elif self.dots[row][column]:
                yield chr(_BLANK + self.dots[row][column]), "cyan"
            elif column in self.rules:
                yield "┊", "yellow"
            else:
                yield ("░", "dim") if self.shade[row][column] else (" ", "")

    def _shaded(self, place: int, top: int, bottom: int) -> None:
        first = self.across(max(0.0, place - 0.5)) // 2
        last = self.across(min(self.count - 1.0, place + 0.5)) // 2
        for row in range(top, bottom + 1):
            for column in range(min(first, self.width - 1), min(last, self.width - 1) + 1):
                self.shade[row][column] = True


def _row(axis: Scale, value: float, rows: int) -> int:
    """The row of a number, counted from above."""
    return min(rows - 1, max(0, round((1.0 - axis.share(value)) * (rows - 1))))


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        yield tuple(round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))  # type: ignore[misc]


def _below(plot: Plot, canvas: _Canvas, indent: int) -> Text:
    """The letters of the lines; the ends where no letter stands."""
    cells = [" "] * canvas.width
    for place, sign in plot.marks.items():
        cells[canvas.before(place)] = sign[:1]
    for text, start in ((plot.first, 0), (plot.last, canvas.width - len(plot.last))):
        if text and start >= 0 and all(cell == " " for cell in cells[max(0, start - 1) : start + len(text) + 1]):
            cells[start : start + len(text)] = text
    return Text(" " * indent + "".join(cells).rstrip(), style="")
