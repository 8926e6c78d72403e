"""Which tickets the name of a branch mentions."""

from __future__ import annotations

import pytest

from palmette.domain.ticket import ticket, tickets


@pytest.mark.parametrize(
    ("branch", "found"),
    [
        ("feature/IA-1742-doc-type", ("IA-1742",)),
        ("IA-1742-IA-1743-both", ("IA-1742", "IA-1743")),
        ("IA-1-again-IA-1", ("IA-1",)),
        ("DS2-44-x", ("DS2-44",)),
        ("revert-12-IA-5", ("IA-5",)),
        ("IA-1742_doc", ("IA-1742",)),
        ("IA-0", ()),
        ("IA1742", ()),
        ("A-1", ()),
        ("ia-1742", ()),
        ("covid-19", ()),
        ("release-2021", ()),
        ("torch-2.1", ()),
        ("IA-12345678", ()),
        ("", ()),
    ],
)
def test_a_ticket_is_an_upper_case_key_and_a_number(branch: str, found: tuple[str, ...]) -> None:
    assert tickets(branch) == found


@pytest.mark.parametrize(
    ("branch", "found"), [("ia-1742_doc", ("IA-1742",)), ("feature_ia-3", ("IA-3",)), ("covid-19-GPT-4", ())]
)
def test_known_projects_count_in_any_case_and_no_others(branch: str, found: tuple[str, ...]) -> None:
    assert tickets(branch, ["IA"]) == found


def test_the_first_one_is_the_branchs_own() -> None:
    assert ticket("IA-2-and-IA-1") == "IA-2"
    assert ticket("main") == ""
