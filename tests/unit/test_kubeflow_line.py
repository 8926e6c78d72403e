"""How a Kubeflow is reached: with what opens it, and with nothing of another cluster's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.standins.loopback import Answer, Asked, Loopback

from palmette.domain.footer import signed, split
from palmette.errors import AccessDenied, NotFound, ProjectError, ServerError, UsageError
from palmette.operations import addressed, continuing
from palmette.operations.cluster import kubeflow, official
from palmette.operations.cluster.kubeflow import KubeflowHost
from palmette.operations.cluster.official import Line
from palmette.operations.hosts import Order
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here
from palmette.operations.project import Project
from palmette.operations.targets import Target

TOKEN = "s3cret-of-a-cluster"


class Cluster(Loopback):
    """What a cluster says to whoever has its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, str] = {}
        self.faults: list[Answer] = []
        self.many_users = False

    def answer(self, asked: Asked) -> Answer:
        if any(asked.headers.get(name) != value for name, value in self.keys.items()):
            said = f"who is {asked.headers.get('authorization')}"
            return Answer(status=401, body={"code": 16, "message": said, "details": []})
        if self.faults and not asked.path.endswith("/healthz"):
            return self.faults.pop(0)
        if asked.path.endswith("/healthz"):
            return Answer(body={"multi_user": self.many_users, "tag_name": "2.5.0"})
        return Answer(body={})


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = Cluster()
    yield found
    found.stop()


def test_token_cookie_and_header_are_shown_at_every_request(cluster: Cluster) -> None:
    cluster.keys = {"authorization": f"Bearer {TOKEN}", "cookie": "session=abc", "x-goog-iap": "h"}
    environ = {"KF_TOKEN": TOKEN, "KF_COOKIE": "session=abc", "KF_HEADER": "h"}
    target = Target(
        name="cluster",
        host=cluster.url,
        token_variable="KF_TOKEN",
        cookie_variable="KF_COOKIE",
        header_variables={"X-Goog-IAP": "KF_HEADER"},
    )
    assert not list(kubeflow.reach(target, environ).runs.listed())
    with pytest.raises(ProjectError) as raised:
        kubeflow.reach(target, {"KF_TOKEN": TOKEN})
    assert [each.what for each in raised.value.problems] == [
        "it names the variable KF_COOKIE, which is not set",
        "it names the variable KF_HEADER, which is not set",
    ]


def test_a_token_that_is_not_taken_any_more_is_read_anew_from_its_file(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    cluster.keys = {"authorization": "Bearer first"}
    host = kubeflow.reach(Target(name="c", host=cluster.url, token_variable="T"), {"T": str(file)})
    file.write_text("second\n")
    cluster.keys = {"authorization": "Bearer second"}
    assert not list(host.runs.listed())
    cluster.keys = {"authorization": "Bearer third"}
    with pytest.raises(AccessDenied, match="does not know who asks") as raised:
        list(host.runs.listed())
    assert (raised.value.exit_code, raised.value.hint) == (77, "Renew what T holds.")
    # The cluster said the token; the message does not.
    assert "second" not in str(raised.value)


def test_what_the_user_set_for_another_cluster_does_not_leak_in(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tmp_path / ".config/kfp/context.json"
    context.parent.mkdir(parents=True)
    context.write_text(json.dumps({"namespace": "other", "client_authentication_cookie": "other=1"}))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(context))
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/other")
    host = kubeflow.reach(Target(name="c", host=cluster.url), {})
    assert not list(host.experiments.listed())
    assert host.pages == cluster.url
    assert all("cookie" not in each.headers and "namespace" not in each.query for each in cluster.requests)


def test_a_host_of_many_users_is_told_the_namespace_and_wants_one(cluster: Cluster) -> None:
    cluster.many_users = True
    with pytest.raises(ProjectError, match="has a namespace for each team"):
        kubeflow.reach(Target(name="c", host=cluster.url), {})
    host = kubeflow.reach(Target(name="c", host=cluster.url, namespace="imaging"), {})
    assert not [*host.experiments.listed(), *host.runs.listed(), *host.schedules.listed(), *host.pipelines.listed()]
    assert {each.query.get("namespace") for each in cluster.requests if "healthz" not in each.path} == {"imaging"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_be_said_twice_is_said_again_where_a_cluster_is_not_ready(cluster: Cluster, status: int) -> None:
    host = KubeflowHost(Line(Target(name="c", host=cluster.url), {}, pauses=(0.0, 0.0)))
    cluster.faults = [Answer(status=status, body={"message": "busy"})] * 2
    assert not list(host.runs.listed())
    cluster.faults = [Answer(status=status, body={"message": "busy"})] * 3
    with pytest.raises(ServerError, match="busy") as raised:
        list(host.runs.listed())
    assert raised.value.exit_code == 69


def test_an_answer_that_is_none_of_the_api_s_is_said_to_be(cluster: Cluster) -> None:
    target = Target(name="c", host=cluster.url)
    for mode, said in {"html": "a page came back", "502": "502", "down": "cannot be reached"}.items():
        cluster.mode = mode
        with pytest.raises(ServerError, match=said):
            Line(target, {}, pauses=())
    cluster.mode = ""
    other = Cluster()
    cluster.faults = [Answer(status=302, headers={"Location": f"{other.url}/login"})]
    with pytest.raises(ServerError, match="answered 302"):
        list(KubeflowHost(Line(target, {}, pauses=())).runs.listed())
    assert not other.requests
    other.stop()
    with pytest.raises(ServerError, match="cannot be reached"):
        Line(Target(name="c", host=other.url), {}, pauses=())


def test_a_description_that_a_column_does_not_take_is_shortened_to_what_matters(cluster: Cluster) -> None:
    host = kubeflow.reach(Target(name="c", host=cluster.url), {})
    said = "Error 1406 (22001): Data too long for column 'Description' at row 1"
    cluster.faults = [Answer(status=500, body={"code": 13, "message": f"InternalServerError: {said}"})]
    facts = {"project": "ia", "key": "k" * 64, "closure": "c" * 64, "commit": "a" * 40, "preset": "toy"}
    host.runs.begin(Order(name="n", description=signed("A text that is long " * 4, facts), pipeline="p"))
    whole, short = (each.body["description"] for each in cluster.asked("POST", "/runs"))
    assert len(whole) > 255 >= len(short)
    assert split(short)[1] == {"project": "ia", "key": "k" * 64, "commit": "a" * 40, "preset": "toy"}
    for text in ("", "word " * 100):
        for facts in ({}, {"project": "ia", "branch": "b" * 120, "wrote": "w" * 64, "edits": [{"why": "x" * 500}]}):
            found = official.shortened(signed(text, facts))
            assert len(found) <= 255
            assert split(found)[1].get("branch") == facts.get("branch")
            assert split(found)[0][:5] == text[:5]
    cluster.faults = [Answer(status=500, body={"code": 13, "message": f"InternalServerError: {said}"})]
    with pytest.raises(UsageError, match=r"the database of c .* takes less: .*Data too long"):
        host.pipelines.create("p", description="A text that is long")


def test_what_a_target_says_is_looked_at_at_once() -> None:
    for host in ("", "kubeflow.example", "https://user:word@kubeflow.example", "ftp://kubeflow.example"):
        with pytest.raises(ProjectError, match=r"host of the target|has no host"):
            kubeflow.reach(Target(name="c", host=host), {})
    wrong = {"colour": "red", "other_client_secret": "plain", "client_id": "$MISSING"}
    with pytest.raises(ProjectError) as raised:
        kubeflow.reach(Target(name="c", host="http://127.0.0.1:1", client=wrong), {})
    assert len(raised.value.problems) == 3
    assert "plain" not in str(raised.value).replace("other_client_secret", "")


def test_without_the_official_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kfp", None)
    with pytest.raises(UsageError, match="its client is not installed") as raised:
        kubeflow.reach(Target(name="c", host="http://127.0.0.1:1"), {})
    assert "palmette[kubeflow]" in raised.value.hint


def test_which_host_is_meant_is_said_or_set(cluster: Cluster, tmp_path: Path) -> None:
    targets = {"cluster": Target(name="cluster", host=cluster.url)}
    ci = continuing.Continuous(target="cluster")
    project = Project(root=tmp_path, name="ia", roots=(), home=tmp_path / "h", targets=targets, ci=ci)
    place = Here(project)
    assert isinstance(addressed.host(place, project, {}), KubeflowHost)
    for said in ({"PALMETTE_TARGET": "home"}, {"PALMETTE_TARGET": ""}):
        found = addressed.host(place, project, said, target="" if said["PALMETTE_TARGET"] else "home")
        assert isinstance(found, PlacedHost)
    assert isinstance(addressed.host(place, None, {}), PlacedHost)
    with pytest.raises(NotFound, match="no target 'clustr'") as raised:
        addressed.host(place, project, {"PALMETTE_TARGET": "clustr"})
    assert raised.value.hint == "PALMETTE_TARGET names it. Did you mean 'cluster'?"
