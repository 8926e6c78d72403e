"""Line charts as small inline SVG: readable in light and dark, without colour, and by a screen reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final

from palmette.present.scales import Scale, finite, scale

#: what a character takes, roughly, at the size of all labels
_GLYPH: Final = 6.2
_LINE: Final = 15.0
#: rows of labels above the plot, beyond which a mark says its label only when it is pointed at
_MARK_ROWS: Final = 3
#: how far lines and points may reach over the edge of the plot
_BLEED: Final = 4.0


class Kind(StrEnum):
    """Whose numbers a series shows: it decides colour and dashes."""

    HEAD = "head"
    BASELINE = "baseline"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points that belong together; where one is not finite, the line is broken."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    kind: Kind = Kind.OTHER
    #: each point gets a dot; a point without neighbours gets one anyway
    points: bool = False
    #: what is said when a dot is pointed at, one text a point
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Band:
    """A range around the line, such as an interval."""

    xs: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    #: empty: not in the legend
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A vertical line with a label."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What is drawn. Ranges that are not given are those of what is drawn."""

    title: str
    #: what the axes are
    x: str = ""
    y: str = ""
    series: Sequence[Series] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    width: int = 640
    height: int = 300
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    #: position → what stands there instead of a number, such as a commit
    x_names: Mapping[float, str] | None = None


# Colours stand in attributes, for readers that know no CSS; all have a contrast of 3 to white and to black. The page
# that holds the chart may set the variables. `:root` is only the chart that is a file of its own.
_COLOURS: Final = {Kind.HEAD: "#2f7fd1", Kind.BASELINE: "#868c95", Kind.OTHER: "#c46f14"}
_DASHES: Final = {Kind.HEAD: "", Kind.BASELINE: ' stroke-dasharray="6 4"', Kind.OTHER: ' stroke-dasharray="2 3"'}
_STYLE: Final = (
    "".join(f".palmette-chart .{kind}{{color:var(--palmette-{kind},{colour})}}" for kind, colour in _COLOURS.items())
    + ".palmette-chart:root{background:#fff;color:#1c2026}"
    + "@media (prefers-color-scheme:dark){.palmette-chart:root{background:#16181c;color:#e4e6ea}}"
)
_SHADE: Final = f'class="{Kind.BASELINE}" color="{_COLOURS[Kind.BASELINE]}" fill="currentColor" fill-opacity=".25"'


def lines(chart: Chart) -> str:
    """The chart as one SVG element: well-formed whatever the texts and numbers are, the same for the same chart."""
    plot = _plot(chart)
    size = f'width="{chart.width}" height="{chart.height}" viewBox="0 0 {chart.width} {chart.height}"'
    font = 'font-family="system-ui,sans-serif" font-size="11" fill="currentColor"'
    inner = (
        f'<svg x="{plot.left - _BLEED:g}" y="{plot.top - _BLEED:g}" width="{plot.width + 2 * _BLEED:g}" '
        f'height="{plot.height + 2 * _BLEED:g}">'
        f'<g transform="translate({_BLEED:g} {_BLEED:g})">'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="palmette-chart" role="img" aria-label="{_text(chart.title)}" '
        f'{size} {font} style="max-width:100%;height:auto">',
        f"<title>{_text(chart.title)}</title><desc>{_text(described(chart))}</desc><style>{_STYLE}</style>",
        *_headings(chart, plot),
        *_grid(chart, plot),
        inner,
        *(_band(each, plot) for each in chart.bands),
        *(part for each in chart.series for part in _series(each, plot)),
        "</g></svg>",
        *_marks(chart, plot),
        "</svg>",
    ]
    return "".join(parts)


def described(chart: Chart) -> str:
    """What the chart shows, in words."""
    said = []
    for each in chart.series:
        ys = [y for stretch in _series_of(each) for _, y in stretch]
        if ys:
            number = f"{len(ys)} point{'' if len(ys) == 1 else 's'}"
            said.append(f"{each.name}: {number} from {min(ys):.4g} to {max(ys):.4g}, the last {ys[-1]:.4g}.")
    said += [f"Mark: {mark.label}." for mark in chart.marks if finite(mark.x)]
    return " ".join(said) or "No points."


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """Where the points lie."""

    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale
    #: rows of labels above the plot
    rows: int
    #: row, anchor and text of each mark's label; None where there is no room
    labels: tuple[tuple[int, str, str] | None, ...]
    legend: tuple[tuple[float, float, Series | Band], ...]

    def across(self, x: float) -> float:
        """Pixels from the left edge of the plot."""
        return self.x.share(x) * self.width

    def down(self, y: float) -> float:
        """Pixels from the top edge of the plot."""
        return (1.0 - self.y.share(y)) * self.height


def _plot(chart: Chart) -> _Plot:
    """Lay out the chart: what stands around the plot takes the room that it needs, and the plot has the rest."""
    points = [row for each in chart.series for stretch in _series_of(each) for row in stretch]
    edges = [row for each in chart.bands for stretch in _band_of(each) for row in stretch]
    xs = [x for x, *_ in [*points, *edges]] + [mark.x for mark in chart.marks if finite(mark.x)]
    ys = [y for _, *both in [*points, *edges] for y in both]
    whole = all(x == int(x) for x in xs) if chart.x_range is None else False
    across = scale(xs, chart.x_range, most=max(2, chart.width // 90), whole=whole, air=0.0)
    up = scale(ys, chart.y_range, most=max(2, chart.height // 50), whole=False, air=0.06)
    left = 10.0 + _GLYPH * max((len(text) for _, text in up.ticks), default=1) + (_LINE if chart.y else 0.0)
    width = max(10.0, chart.width - left - 16.0)
    legend = tuple(_legend(chart))
    labels = tuple(_placed(chart.marks, left, width, across))
    rows = max((entry[0] + 1 for entry in labels if entry), default=0)
    top = 14.0 + _LINE * (1 + (1 + legend[-1][1] if legend else 0) + rows)
    height = max(10.0, chart.height - top - 8.0 - _LINE * (2 if chart.x else 1))
    return _Plot(
        left=left, top=top, width=width, height=height, x=across, y=up, rows=rows, labels=labels, legend=legend
    )


def _headings(chart: Chart, plot: _Plot) -> Iterator[str]:
    """The title and the legend."""
    title = _cut(chart.title, (chart.width - 16) / (_GLYPH * 1.2))
    yield f'<text x="8" y="17" font-size="13" font-weight="600">{_text(title)}</text>'
    for x, row, each in plot.legend:
        y = 17 + _LINE * (row + 1)
        if isinstance(each, Band):
            yield f'<rect x="{x:g}" y="{y - 8:g}" width="18" height="8" {_SHADE}/>'
        else:
            yield f'<path d="M{x:g} {y - 4:g}h18" {_stroke(each.kind)}/>'
        yield f'<text x="{x + 23:g}" y="{y:g}">{_text(_cut(each.name, 40))}</text>'


def _legend(chart: Chart) -> Iterator[tuple[float, float, Series | Band]]:
    """Where the name of each stands, row by row; a single series needs none."""
    named: list[Series | Band] = [*chart.series, *(band for band in chart.bands if band.name)]
    if len(named) < 2:
        return
    x, row = 8.0, 0
    for each in named:
        wide = 37.0 + _GLYPH * min(len(each.name), 40)
        if x > 8.0 and x + wide > chart.width:
            x, row = 8.0, row + 1
        yield x, row, each
        x += wide


def _grid(chart: Chart, plot: _Plot) -> Iterator[str]:
    """Lines across, numbers beside them, and what the axes are."""
    right, bottom = plot.left + plot.width, plot.top + plot.height
    for value, text in plot.y.ticks:
        y = plot.top + plot.down(value)
        yield f'<path d="M{plot.left:.1f} {y:.1f}H{right:.1f}" stroke="currentColor" stroke-opacity=".15"/>'
        yield f'<text x="{plot.left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{_text(text)}</text>'
    yield f'<path d="M{plot.left:.1f} {bottom:.1f}H{right:.1f}" stroke="currentColor" stroke-opacity=".5"/>'
    named = [(x, text) for x, text in (chart.x_names or {}).items() if finite(x)]
    taken = -1e9
    for value, text in sorted(named) if chart.x_names is not None else plot.x.ticks:
        x, half = plot.left + plot.across(value), _GLYPH * len(text) / 2
        end = min(x + half, chart.width - 4.0)
        if not plot.left - 1 <= x <= right + 1 or end - 2 * half < taken:
            continue
        taken = end + 8
        anchor, at = ("end", end) if end < x + half else ("middle", x)
        yield f'<path d="M{x:.1f} {bottom:.1f}v4" stroke="currentColor" stroke-opacity=".5"/>'
        yield f'<text x="{at:.1f}" y="{bottom + _LINE:.1f}" text-anchor="{anchor}">{_text(text)}</text>'
    if chart.x:
        label = _text(_cut(chart.x, plot.width / _GLYPH))
        middle = plot.left + plot.width / 2
        yield f'<text x="{middle:.1f}" y="{bottom + 2 * _LINE:.1f}" text-anchor="middle">{label}</text>'
    if chart.y:
        middle = plot.top + plot.height / 2
        turn = f'transform="rotate(-90 13 {middle:.1f})"'
        label = _text(_cut(chart.y, plot.height / _GLYPH))
        yield f'<text x="13" y="{middle:.1f}" text-anchor="middle" {turn}>{label}</text>'


def _band(band: Band, plot: _Plot) -> str:
    """A filled shape for each unbroken stretch."""
    shapes = []
    for stretch in _band_of(band):
        there = [f"{plot.across(x):.1f} {plot.down(high):.1f}" for x, _, high in stretch]
        back = [f"{plot.across(x):.1f} {plot.down(low):.1f}" for x, low, _ in reversed(stretch)]
        shapes.append(f"M{'L'.join([*there, *back])}Z")
    return f'<path d="{"".join(shapes)}" {_SHADE}/>' if shapes else ""


def _series(each: Series, plot: _Plot) -> Iterator[str]:
    """The line, and its dots."""
    stretches = _series_of(each)
    paths = [f"M{'L'.join(f'{plot.across(x):.1f} {plot.down(y):.1f}' for x, y in stretch)}" for stretch in stretches]
    if paths:
        yield f'<path d="{"".join(paths)}" {_stroke(each.kind)}/>'
    notes = dict(zip(zip(each.xs, each.ys, strict=False), each.notes, strict=False))
    for x, y in (point for stretch in stretches if each.points or len(stretch) == 1 for point in stretch):
        note = f"<title>{_text(notes[x, y])}</title>" if (x, y) in notes else ""
        at = f'cx="{plot.across(x):.1f}" cy="{plot.down(y):.1f}" r="3"'
        colour = f'class="{each.kind}" color="{_COLOURS[each.kind]}" fill="currentColor"'
        yield f"<circle {at} {colour}>{note}</circle>"


def _marks(chart: Chart, plot: _Plot) -> Iterator[str]:
    for mark, label in zip(chart.marks, plot.labels, strict=True):
        if not finite(mark.x):
            continue
        x = plot.left + plot.across(mark.x)
        if not plot.left - 1 <= x <= plot.left + plot.width + 1:
            continue
        above = 0.0 if label is None else 4 + _LINE * (plot.rows - 1 - label[0])
        yield (
            f'<path d="M{x:.1f} {plot.top - above:.1f}V{plot.top + plot.height:.1f}" stroke="currentColor" '
            f'stroke-opacity=".7" stroke-dasharray="3 3"><title>{_text(mark.label)}</title></path>'
        )
        if label is not None:
            at = x + (3 if label[1] == "start" else -3)
            yield f'<text x="{at:.1f}" y="{plot.top - above:.1f}" text-anchor="{label[1]}">{_text(label[2])}</text>'


def _placed(marks: Sequence[Mark], left: float, width: float, across: Scale) -> Iterator[tuple[int, str, str] | None]:
    """Row, anchor and text of each mark's label, so that none stands on another."""
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_MARK_ROWS)]
    for mark in marks:
        if not finite(mark.x):
            yield None
            continue
        text = _cut(mark.label, min(32.0, width / _GLYPH))
        x, wide = left + across.share(mark.x) * width, _GLYPH * len(text) + 6
        start, anchor = (x, "start") if x + wide <= left + width + 12 else (x - wide, "end")
        free = [
            row
            for row, spans in enumerate(taken)
            if start >= 0 and all(start >= end or start + wide <= begin for begin, end in spans)
        ]
        if free:
            taken[free[0]].append((start, start + wide))
        yield (free[0], anchor, text) if free else None


def _series_of(each: Series) -> list[list[tuple[float, ...]]]:
    return _stretches(zip(each.xs, each.ys, strict=False))


def _band_of(band: Band) -> list[list[tuple[float, ...]]]:
    return _stretches(zip(band.xs, band.lows, band.highs, strict=False))


def _stretches(rows: Iterable[tuple[float, ...]]) -> list[list[tuple[float, ...]]]:
    """The rows, broken wherever one of their numbers cannot be drawn."""
    found: list[list[tuple[float, ...]]] = [[]]
    for row in rows:
        if all(map(finite, row)):
            found[-1].append(row)
        elif found[-1]:
            found.append([])
    return found if found[-1] else found[:-1]


def _stroke(kind: Kind) -> str:
    colour = f'class="{kind}" color="{_COLOURS[kind]}" stroke="currentColor"'
    return f'{colour} fill="none" stroke-width="2" stroke-linejoin="round"{_DASHES[kind]}'


def _cut(text: str, most: float) -> str:
    most = max(1, int(most))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    """Safe between tags and in attributes; what XML has no character for becomes the replacement character."""
    return escape("".join(char if _allowed(ord(char)) else "\ufffd" for char in text))


def _allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
