"""Whatever the description allows to be asked, and whatever it does not: the server answers, and never with 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from tests.server.conftest import PIPELINE, Served, Serving, open_home

from palmette.server import openapi
from palmette.server.kfp import table
from palmette.server.palmette.table import ROWS as OWN

# What schemathesis warns of is its own.
pytestmark = pytest.mark.filterwarnings("ignore")
#: What is followed may have no end; it is tested by itself.
DESCRIBED = schemathesis.openapi.from_dict(openapi.document((*table.ROWS, *OWN))).exclude(path_regex="/logs?$")
OPERATIONS = [found.ok() for found in DESCRIBED.get_all_operations()]


@pytest.fixture(scope="module")
def hosting(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on which there is something to ask for."""
    served = serving.start(open_home(tmp_path_factory.mktemp("fuzz") / "home"), others=OWN)
    with served.client() as client:
        client.post("pipelines/upload", params={"name": "0"}, files={"uploadfile": ("a.yaml", PIPELINE)})
        client.post("experiments", json={"display_name": "0"})
    yield served
    served.home.store.close()


def mode_of(operation: Any) -> GenerationMode:
    """Where there is a form to break, what breaks it; elsewhere any path and query."""
    formed = any(body.media_type != "application/octet-stream" for body in operation.body)
    return GenerationMode.NEGATIVE if formed else GenerationMode.POSITIVE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_nothing_that_can_be_asked_makes_the_server_fail(operation: Any, hosting: Served) -> None:
    @given(operation.as_strategy(generation_mode=mode_of(operation)))
    @settings(
        max_examples=3, deadline=None, phases=[Phase.generate], derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any) -> None:
        answer = case.call(base_url=hosting.url, timeout=60)
        assert answer.status_code < 500, answer.text
        # An id that is empty, or holds a slash, makes another address of it.
        assert str(answer.status_code) in {*operation.responses.status_codes, "404", "405"}, answer.text

    ask()
