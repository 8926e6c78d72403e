"""What a comparison looks like in each format is what was last looked at, and is safe whatever its names are."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt  # rich needs it, too
from rich.console import Console
from tests.golden.comparisons import HOSTILE, KINDS, NOW, better, hostile, worse

from palmette.operations.comparing import Compared
from palmette.present import compared as comparisons
from palmette.present import differences, junit, markdown, webpage

HERE = Path(__file__).parent / "comparisons"
#: a mention, a reference, a link, an emoji
HEARD = re.compile(r"(?:^|[^\w`])[@#!%~&$^]\w|https?://|www\.\w|\bGH-\d|:\w+:")


def terminal(compared: Compared, *, width: int = 80, everything: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, color_system=None)
    console.print(differences.diff(compared, NOW, everything=everything, code=everything))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


FORMATS: dict[str, Callable[[Compared], str]] = {
    "txt": terminal,
    "md": lambda compared: markdown.whole([compared]),
    "xml": lambda compared: junit.junit([compared]),
    "json": lambda compared: json.dumps(comparisons.plain(compared), indent=1, ensure_ascii=False) + "\n",
}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_looks_as_it_did(kind: str, ending: str, update_golden: bool) -> None:
    golden = HERE / f"{kind}.{ending}"
    text = FORMATS[ending](KINDS[kind]())
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), "read the difference; if it is meant: pytest tests/golden --update-golden"


@pytest.mark.parametrize("everything", [False, True])
def test_a_terminal_of_80_columns_holds_every_comparison(everything: bool) -> None:
    for make in [*KINDS.values(), hostile]:
        assert max(map(len, terminal(make(), everything=everything).splitlines())) <= 80


def test_the_note_is_one_screen() -> None:
    for make in KINDS.values():
        folded = re.sub(r"<details>.*?</details>", "…", markdown.whole([make()]), flags=re.DOTALL)
        assert len(folded.splitlines()) <= 40


def test_of_a_thousand_metrics_those_that_moved_most_are_shown_and_the_rest_is_counted() -> None:
    made = better()
    many = tuple(replace(made.comparison.metrics[2], name=f"m{i}", before=1.0, after=1.0 + i) for i in range(1000))
    made = replace(made, comparison=replace(made.comparison, metrics=(*many, *made.comparison.metrics)))
    shown = terminal(made)
    assert len(shown.splitlines()) <= 90
    assert re.search(r"  auc ↑ .*\n  log_loss ↓ .*\n(  m9\d\d .*\n)+  … and 971 more that differ", shown)
    assert "2 more are the same" in shown
    assert "993 metrics more that differ; 2 metrics are the same" in markdown.whole([made])


def test_code_stands_in_a_note_only_when_asked_for_and_what_is_cut_is_said() -> None:
    made = better()
    made = replace(made, comparison=replace(made.comparison, diff="+```\n" * 1000))
    assert "```" not in markdown.whole([made])
    asked = markdown.whole([made], diff=True)
    assert "````diff\n+```\n" in asked
    assert asked.count("+```\n") == 300
    assert "Cut short: 700 lines more." in asked


def tokens(text: str) -> list[tuple[str, str]]:
    """What a renderer of GitLab's and GitHub's Markdown makes of it: (kind, content), piece by piece."""
    found = []
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        found.append((f"{token.type} {token.tag}", token.content))
        found += [(f"inline {child.type}", child.content) for child in token.children or ()]
    return found


@pytest.mark.parametrize("everything", [False, True])
def test_no_name_becomes_markup_in_a_note(everything: bool) -> None:
    """A comparison whose names mean harm has the very structure of one whose names are letters."""
    text = markdown.whole([hostile()], diff=True, everything=everything)
    found = tokens(text)
    kinds = {kind for kind, _ in found}
    assert not kinds & {
        "inline link_open",
        "inline image",
        "inline em_open",
        "inline s_open",
        "blockquote_open blockquote",
    }
    assert [kind for kind, _ in found if kind.startswith("heading_open")] == ["heading_open h3"]
    html = {content.strip() for kind, content in found if kind in ("inline html_inline", "html_block ")}
    allowed = re.compile(r"(</?(sub|code)>|</?details>|<details><summary>[\w, ]+</summary>)")
    assert [each for each in html if not allowed.fullmatch(each)] == []
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4, 7}
    quoted = False
    for kind, content in found:
        if kind == "inline html_inline":
            quoted = content == "<code>" or (quoted and content != "</code>")
        elif kind == "inline text":
            # Mentions and references are looked for in what was rendered, outside of code; addresses within it, too.
            assert not re.search(r"\w@\w", content), content
            assert quoted or not HEARD.search(content), content


@pytest.mark.parametrize("everything", [False, True])
def test_a_name_is_one_line_of_plain_characters_on_a_terminal(everything: bool) -> None:
    lines = terminal(hostile(), everything=everything).splitlines()
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.startswith("/")] == []


def test_no_line_of_a_note_is_a_quick_action() -> None:
    for line in markdown.whole([hostile()], everything=True).splitlines():
        assert not re.match(r"\s*/\w", line)


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_no_name_becomes_markup_in_a_page() -> None:
    page = Page()
    page.feed(webpage.page(hostile()))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "a", "link", "iframe", "object", "form", "base"}
    assert [tag for tag, _ in page.tags].count("h1") == 1
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("href", "src", "srcset", "action")}


def test_a_page_of_several_comparisons_has_one_title_and_leaves_out_no_level_below_it() -> None:
    page = Page()
    page.feed(webpage.several("[IA-1742] DOC TYPE", "ia <b>", ["tumour: better"], [better(), worse()]))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert (levels[0], levels.count(1), levels.count(2)) == (1, 1, 2)
    assert [(upper, lower) for upper, lower in pairwise(levels) if lower > upper + 1] == []
    assert max(levels) == 4
    assert "b" not in {tag for tag, _ in page.tags}


def test_a_page_lets_nothing_be_fetched_or_run() -> None:
    page = Page()
    page.feed(webpage.page(better()))
    [policy] = [each["content"] for _, each in page.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-hashes' 'sha256-")
    assert "unsafe-inline" not in policy
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")


def test_a_page_shows_the_verdict_the_cause_and_the_curves() -> None:
    text = webpage.page(better())
    for word in (
        "better",
        "0.9900",
        "clinic/scaling.py",
        "Smooth the outliers",
        "ROC",
        "0f3a9c41d2be",
        "nearest run on main",
    ):
        assert word in text, word


def test_a_test_report_is_xml_whatever_the_names_are() -> None:
    top = ElementTree.fromstring(junit.junit([hostile(), better()]))
    assert [suite.tag for suite in top] == ["testsuite", "testsuite"]
    for suite in top:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        # GitLab tells tests apart by suite, class and name, and needs the last two.
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
        assert all(case.get("classname") and case.get("name") for case in cases)


@pytest.mark.parametrize(
    ("kind", "code", "counts"),
    [
        ("better", 0, (4, 0, 1)),
        ("worse", 4, (3, 2, 1)),
        ("equivalent", 0, (2, 0, 0)),
        ("inconclusive", 5, (4, 0, 3)),
        ("alone", 4, (1, 1, 0)),
        ("toy", 0, (2, 0, 1)),
    ],
)
def test_gates_decide_the_exit_code_and_fail_the_report(kind: str, code: int, counts: tuple[int, int, int]) -> None:
    compared = KINDS[kind]()
    assert comparisons.exit_code(compared) == code
    [suite] = ElementTree.fromstring(junit.junit([compared]))
    assert tuple(int(suite.get(name, "")) for name in ("tests", "failures", "skipped")) == counts


def test_json_has_no_number_that_json_has_not() -> None:
    found = better()
    odd = {name: float(name) for name in ("nan", "inf")}
    [auc, *rest] = found.comparison.metrics
    values = [type(auc)(name=name, before=value, after=1.0) for name, value in odd.items()]
    broken = type(found)(
        comparison=type(found.comparison)(
            head=found.comparison.head, baseline=found.comparison.baseline, metrics=(*values, *rest)
        ),
        names={},
    )
    text = json.dumps(comparisons.plain(broken), allow_nan=False)
    assert [each["before"] for each in json.loads(text)["metrics"][:2]] == [None, None]


def test_what_is_sensitive_is_not_summarised() -> None:
    shown = terminal(KINDS["rescored"](), everything=True)
    assert "fetch_letters.output  differs; sensitive, not summarised" in shown


def test_every_hostile_text_is_still_there_to_be_read() -> None:
    """Made harmless, not swallowed: what can be printed of it stands in the terminal's own screen."""
    shown = re.sub(r"\s+", "", terminal(hostile(), width=400, everything=True))
    for text in HOSTILE[:15]:
        assert re.sub(r"\s+", "", text) in shown, text
