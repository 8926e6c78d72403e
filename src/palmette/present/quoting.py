"""Users' texts in Markdown, so that neither GitLab nor GitHub makes anything of them: no link, no mention, no
reference, no quick action, no markup; and in tables, so that no spreadsheet does."""

from __future__ import annotations

import re
from typing import Final

#: stands between a character and what it would make a mention or a reference of; it is not seen
_JOINER: Final = "\u2060"
_MOST: Final = 120
#: what begins a mention or a reference on either platform, in front of what it refers to
_SIGILS: Final = re.compile(
    r"([@#!$%&~^*\[](?=[\w\"]))|(\b(?:GH|gh)-(?=\d))|(:(?=[\w+-]+:))|(:(?=//))|(\bwww\.)", re.ASCII
)
#: a ticket of another system, and a commit's digits, which either platform may link
_TICKET: Final = re.compile(r"\b([A-Z][A-Z0-9_]+-)(?=\d)")
#: what begins a heading, a list, a rule or a quick action where it begins a line
_FIRST: Final = re.compile(r"[#+\-=/:>]|\d+[.)]")
_MARKUP: Final = re.compile(r"[\\`*_\[\]{}|~<>&$^]")
_ENTITIES: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "$": "&#36;", "^": "&#94;", "\\": "&#92;"}
#: characters that turn the direction of writing, or are not seen
_INVISIBLE: Final = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
#: what a backtick span shows as it is, in a table as well
_PLAIN: Final = re.compile(r"[^`|\\]*")


def line(text: str, most: int = _MOST) -> str:
    """The text on one line, without control characters, and cut where it is long."""
    flat = " ".join(_INVISIBLE.sub("", text).split())
    flat = "".join(char if char.isprintable() else "\ufffd" for char in flat)
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def prose(text: str, most: int = 600) -> str:
    """A sentence that may hold users' texts. It may stand anywhere but where a line or an item begins."""
    flat = line(text, most)
    apart = _TICKET.sub(rf"\1{_JOINER}", _SIGILS.sub(lambda found: f"{found[0]}{_JOINER}", flat))
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), apart)


def opening(text: str, most: int = 600) -> str:
    """The same where a line or an item begins: it is no heading, list, rule or quick action."""
    shown = prose(text, most)
    return f"{_JOINER}{shown}" if _FIRST.match(shown) else shown


def code(text: str, most: int = _MOST) -> str:
    """A user's text as code: in neither platform's code is anything a mention or a reference. Empty stays empty."""
    flat = line(text, most)
    if not flat:
        return ""
    if _PLAIN.fullmatch(flat):
        return f"`{flat}`"
    # A span of backticks cannot show these in a table; the entities are no markup, whatever they stand for.
    shown = re.sub(r"[^A-Za-z0-9 ]", lambda found: f"&#{ord(found[0])};", flat.replace("@", f"@{_JOINER}"))
    return f"<code>{shown}</code>"


def cell(text: str) -> str:
    """A text in a table of comma-separated values, which no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def fenced(text: str, language: str = "") -> str:
    """Lines as a block of code that nothing in them ends."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(unbroken(each) for each in re.split(r"\r\n|\r|\n", text.rstrip("\n")))
    return f"{fence}{language}\n{body}\n{fence}"


def unbroken(text: str) -> str:
    """A line as it is, but for what is not printed."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in _INVISIBLE.sub("", text))
