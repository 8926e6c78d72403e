"""Charts as SVG: well-formed and within their frame, whatever is drawn."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.present.charts import Band, Chart, Kind, Mark, Series, lines

SVG = "{http://www.w3.org/2000/svg}"
ANY = st.floats(allow_nan=True, allow_infinity=True)
SOME = st.lists(ANY, max_size=8)
#: with every character that Unicode has a number for, lone surrogates and controls included
TEXT = st.text(st.characters(), max_size=30)

CHARTS = st.builds(
    Chart,
    title=TEXT,
    x=TEXT,
    y=TEXT,
    series=st.lists(
        st.builds(Series, name=TEXT, xs=SOME, ys=SOME, kind=st.sampled_from(Kind), notes=st.lists(TEXT, max_size=8)),
        max_size=3,
    ),
    bands=st.lists(st.builds(Band, xs=SOME, lows=SOME, highs=SOME, name=TEXT), max_size=2),
    marks=st.lists(st.builds(Mark, x=ANY, label=TEXT), max_size=4),
    x_range=st.none() | st.tuples(ANY, ANY),
    y_range=st.none() | st.tuples(ANY, ANY),
    x_names=st.none() | st.dictionaries(ANY, TEXT, max_size=4),
)


@settings(max_examples=50, deadline=None)
@given(CHARTS)
def test_a_chart_is_one_well_formed_element_that_names_itself_whatever_it_shows(chart: Chart) -> None:
    drawn = lines(chart)
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[1].tag == f"{SVG}desc"
    assert root[1].text
    assert not re.search(r"\b(nan|inf)\b", re.sub(r">[^<]*<|aria-label=\"[^\"]*\"", "", drawn))


def test_texts_cannot_leave_the_place_that_they_stand_in() -> None:
    drawn = lines(_of([1.0, 2.0], name="</text><script>alert('1')</script>", title='" onload="x'))
    root = ElementTree.fromstring(drawn)
    assert not list(root.iter(f"{SVG}script"))
    assert not list(root.iter("script"))
    assert root.get("onload") is None
    assert root.get("aria-label") == '" onload="x'


def test_a_line_is_broken_where_a_number_is_missing_and_a_lonely_point_is_a_dot() -> None:
    root = ElementTree.fromstring(lines(_of([1.0, 2.0, math.nan, 3.0, math.inf, 2.0, 1.0])))
    (line,) = [path for path in _inside(root).iter(f"{SVG}path")]
    assert [stretch.count("L") for stretch in str(line.get("d")).split("M")[1:]] == [1, 0, 1]
    assert len(list(_inside(root).iter(f"{SVG}circle"))) == 1


def test_a_constant_lies_in_the_middle_with_numbers_around_it() -> None:
    root = ElementTree.fromstring(lines(_of([0.9, 0.9, 0.9])))
    inside = _inside(root)
    ys = {float(y) for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", str(next(inside.iter(f"{SVG}path")).get("d")))}
    assert len(ys) == 1
    assert abs(ys.pop() - (float(inside.get("height") or 0) - 8) / 2) < 1
    assert "0.90" in [text.text for text in root.iter(f"{SVG}text")]


def test_labels_of_marks_never_stand_on_each_other() -> None:
    marks = [Mark(x=index, label=f"commit {index} with a subject") for index in range(10)]
    chart = Chart(title="t", series=[Series(name="a", xs=range(10), ys=range(10))], marks=marks)
    labels = [text for text in ElementTree.fromstring(lines(chart)).iter(f"{SVG}text") if "commit" in (text.text or "")]
    boxes = []
    for text in labels:
        x, wide = float(text.get("x") or 0), 6.2 * len(text.text or "")
        boxes.append((text.get("y"), x if text.get("text-anchor") == "start" else x - wide, wide))
    assert len(boxes) > 3
    for row, x, wide in boxes:
        assert all(other[0] != row or other[1] >= x + wide or other[1] <= x for other in boxes)


def test_axes_show_the_range_that_was_asked_for_in_round_numbers() -> None:
    chart = Chart(
        title="ROC",
        x_range=(0, 1),
        y_range=(0, 1),
        series=[Series(name="head", xs=[0.2, 0.4], ys=[0.5, 0.6])],
    )
    texts = [text.text for text in ElementTree.fromstring(lines(chart)).iter(f"{SVG}text")]
    assert texts.count("0.2") == 2
    assert texts.count("1.0") == 2


def _of(ys: list[float], *, name: str = "a", title: str = "t") -> Chart:
    return Chart(title=title, series=[Series(name=name, xs=range(len(ys)), ys=ys), Series(name="b", xs=[], ys=[])])


def _inside(root: ElementTree.Element) -> ElementTree.Element:
    """Where the points are drawn."""
    return next(each for each in root if each.tag == f"{SVG}svg")
