"""What tests share: the interpreters and projects that they run for real."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def clinic_python() -> Path:
    """The interpreter of examples/clinic, with scikit-learn, pandas and pyarrow; `make install` makes it."""
    named = os.environ.get("PALMETTE_TEST_PYTHON")
    python = Path(named) if named else ROOT / "examples" / "clinic" / ".venv" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing: run `make install`")
    return python


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; the diff is the review")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
