"""The pages themselves: links lead somewhere, lines fit, nothing is said that must not be."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "changelog.d").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
SCREEN = 80


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line with the fence that it stands in: "" outside of all."""
    fence = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = "" if fence else line[3:].strip() or "plain"
        else:
            yield fence, line


def prose(path: Path) -> str:
    return "\n".join(re.sub(r"`[^`]*`", "", line) for fence, line in lines(path) if not fence)


def anchors(path: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    found: dict[str, int] = {}
    result = set()
    for fence, line in lines(path):
        if not fence and (heading := re.match(r"#+ (.+)", line)):
            text = unicodedata.normalize("NFC", re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower())
            slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
            number = found.get(slug, 0)
            found[slug] = number + 1
            result.add(f"{slug}-{number}" if number else slug)
    return result


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


@pytest.mark.parametrize("path", [path for path in PAGES if "reference" not in path.parts], ids=named)
def test_lines_fit_a_screen(path: Path) -> None:
    width = SCREEN if path == ROOT / "README.md" else 240
    assert [line for fence, line in lines(path) if fence == "console" and len(line) > width] == []
    # What is to be done unseen stands on one line.
    prose = [line for fence, line in lines(path) if not fence and not line.startswith("<!-- run: ")]
    assert [line for line in prose if len(line) > 125 and "|" not in line] == []


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_no_page_names_this_machine_or_a_registry(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert re.findall(r"(?:/root/|/tmp/[\w-]|/home/(?!ada\b))\S*", text) == []
    assert re.findall(r"\b(?:pypi|pythonhosted|docker|ghcr|gcr|quay|npmjs)\.(?:org|io|com)\b", text) == []
    assert re.findall(r"\b(?:TODO|FIXME|lorem)\b", text) == []


def test_every_decision_is_one_page_with_its_number() -> None:
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in found] == list(range(1, len(found) + 1))
    for number, path in enumerate(found, 1):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert len(text.splitlines()) <= 60, f"{path.name} is longer than a page"


def test_every_fragment_of_the_changelog_has_a_number_and_a_kind() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(r"\d{4}(-\d+)?\.(feature|change|fix|removal|doc)\.md", path.name), path.name
            assert path.read_text(encoding="utf-8").strip()


def test_the_version_that_is_needed_is_the_one_that_is_said() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "tutorial" / "first-run.md"):
        assert f"Python {needed}" in path.read_text(encoding="utf-8"), named(path)


def test_every_target_of_the_makefile_that_pages_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for path in PAGES:
        named_here = set(re.findall(r"(?:`|^)make ([a-z]+)\b", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert named_here <= targets, f"{named(path)}: {named_here - targets}"


def test_every_directory_of_tests_is_described() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    directories = [path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))]
    assert [name for name in directories if f"`{name}/`" not in text] == []
