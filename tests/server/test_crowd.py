"""Many who ask for the same things at once: each gets an answer that is described, and what is left fits together."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import PIPELINE, Served, Serving, open_home

from palmette.store import identity

CLIENTS, REQUESTS = 16, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def crowded(serving: Serving, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server of its own."""
    location = None
    if request.param == "postgresql":
        location = request.getfixturevalue("cluster").create(f"crowd_{identity.new_run_id()}")
    served = serving.start(open_home(tmp_path / "home", location))
    yield served
    served.home.store.close()


class Person:
    """Someone who makes, changes and removes the same few things as everybody else, in an order of their own."""

    def __init__(self, served: Served, seed: int, shared: dict[str, list[str]]) -> None:
        self._served, self._random, self._shared = served, random.Random(seed), shared
        self.seen: Counter[int] = Counter()

    def live(self) -> Counter[int]:
        """Ask what one asks; how often which status was the answer."""
        with self._served.client() as client:
            for _ in range(REQUESTS):
                answer = self._ask(client)
                self.seen[answer.status_code] += 1
        return self.seen

    def _any(self, kind: str) -> str:
        return self._random.choice(self._shared[kind][-4:] or ["none"])

    def _ask(self, client: httpx.Client) -> httpx.Response:
        match self._random.randrange(10):
            case 0 | 1:
                body = {"display_name": f"e{self._random.randrange(3)}"}
                return self._made("experiments", "experiment_id", client.post("experiments", json=body))
            case 2:
                file = {"uploadfile": ("a.yaml", PIPELINE)}
                name = {"name": f"p{self._random.randrange(3)}"}
                return self._made("pipelines", "pipeline_id", client.post("pipelines/upload", params=name, files=file))
            case 3 | 4 | 5:
                run = {
                    "display_name": "r",
                    "experiment_id": self._any("experiments"),
                    "pipeline_version_reference": {"pipeline_id": self._any("pipelines")},
                    "runtime_config": {"parameters": {"who": "x"}},
                }
                return self._made("runs", "run_id", client.post("runs", json=run))
            case 6:
                verb = self._random.choice(["terminate", "archive", "unarchive", "retry"])
                return client.post(f"runs/{self._any('runs')}:{verb}")
            case 7:
                verb = self._random.choice(["archive", "unarchive"])
                return client.post(f"experiments/{self._any('experiments')}:{verb}")
            case 8:
                kind = self._random.choice(["runs", "experiments", "pipelines"])
                return client.delete(f"{kind}/{self._any(kind)}", params={"cascade": "true"})
            case _:
                return client.get(self._random.choice(["runs", "experiments", "pipelines"]))

    def _made(self, kind: str, id: str, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self._shared[kind].append(answer.json()[id])
        return answer


def test_whoever_else_is_at_it_every_answer_is_described_and_names_stay_unique(crowded: Served) -> None:
    shared: dict[str, list[str]] = {"experiments": [], "pipelines": [], "runs": []}
    with ThreadPoolExecutor(CLIENTS) as crowd:
        seen = sum(crowd.map(lambda seed: Person(crowded, seed, shared).live(), range(CLIENTS)), Counter[int]())
    assert set(seen) <= {200, 400, 404, 409}, seen
    assert seen[200] > CLIENTS
    with crowded.client() as client:
        for kind in ("experiments", "pipelines"):
            names = [each["display_name"] for each in client.get(kind).json().get(kind, [])]
            assert len(names) == len(set(names))
        runs = client.get("runs", params={"page_size": "200"}).json().get("runs", [])
        assert {run["run_id"] for run in runs} <= set(shared["runs"])
        for run in runs:
            assert client.get(f"runs/{run['run_id']}").status_code == 200
