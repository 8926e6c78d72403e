"""What is no request is refused with 400, with every problem in it, and never with 500."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

DEEP = "[" * 100_000
JSON = {"content-type": "application/json"}


def message(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    return str(body["message"])


def predicate(**values: Any) -> str:
    return json.dumps({"predicates": [values]})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON, line 1, column 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"display_name": "\\ud800"}', "half a character"),
        (b'{"display_name": "a\\u0000b"}', "NUL"),
        (b'{"display_name": NaN}', "NaN is no number"),
        (b'{"display_name": 1e999}', "too large"),
        (b'{"display_name": ' + b"9" * 5000 + b"}", "number"),
        (b'{"display_name": ' + DEEP.encode() + b"}", "nests deeper"),
        (b'{"display_name": ' + b"[" * 200 + b"]" * 200 + b"}", "nests deeper"),
        (b"[]", "an object is expected, not a list"),
        (b'{"display_name": 1, "name": 2, "created_at": "soon"}', "display_name: a text is expected, not a number"),
        (b'{"display_name": 1, "name": 2, "created_at": "soon"}', "name: there is no such field"),
        (b'{"display_name": 1, "name": 2, "created_at": "soon"}', "created_at: a time as in"),
        (b'{"display_name": "a", "displayName": "b"}', "given twice"),
        (b'{"display_name": ""}', "name"),
        (b'{"display_name": "' + b"x" * 129 + b'"}', "128"),
    ],
)
def test_a_body_that_is_none_is_refused(api: httpx.Client, body: bytes, words: str) -> None:
    assert words in message(api.post("experiments", content=body, headers=JSON))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"page_size": "-1"}, "page_size"),
        ({"page_size": "many"}, "page_size"),
        ({"sort_by": "shoe_size"}, "cannot be sorted by 'shoe_size'"),
        ({"sort_by": "created_at sideways"}, "sort_by is not"),
        ({"sort_by": "namespace"}, "cannot be sorted"),
        ({"page_token": "AAAA"}, "page_token"),
        ({"page_token": "né\ud7ff"}, "page_token"),
        ({"filter": "name = 'a'"}, "the filter is not JSON"),
        ({"filter": "{" + DEEP[:5000]}, "filter"),
        ({"filter": "[]"}, "not of the form"),
        ({"filter": predicate(operation="EQUALS", key="shoe", string_value="a")}, "unrecognized field 'shoe'"),
        ({"filter": predicate(operation=4, key="name", string_value="a")}, "operation is none of"),
        ({"filter": predicate(operation="EQUALS", key="name")}, "exactly one value"),
        ({"filter": predicate(operation="EQUALS", key="name", int_value=1, string_value="")}, "exactly one value"),
        ({"filter": predicate(operation="EQUALS", key="name", int_value=1)}, "compared with a text"),
        ({"filter": predicate(operation="EQUALS", key="name", int_value=2**70)}, "a whole number is expected"),
        ({"filter": predicate(operation="IN", key="name", string_value="a")}, "IN compares with several"),
        ({"filter": predicate(operation="EQUALS", key="name", string_values={"values": ["a"]})}, "with one"),
        ({"filter": predicate(operation="IN", key="name", string_values={"values": []})}, "1 to 500"),
        ({"filter": predicate(operation="IS_SUBSTRING", key="name", int_value=1)}, "compares with a text"),
        ({"filter": predicate(operation="IN", key="created_at", int_values={"values": [1]})}, "cannot be compared"),
        ({"filter": predicate(operation="EQUALS", key="created_at", timestamp_value="soon")}, "a time as in"),
        ({"filter": predicate(operation="LESS_THAN", key="storage_state", string_value="A")}, "cannot be compared"),
        ({"filter": predicate(operation="EQUALS", key="tags.a", string_value="b")}, "unrecognized field"),
        ({"filter": predicate(operation="EQUALS", key="name", string_value="a\0b")}, "NUL"),
        ({"filter": json.dumps({"predicates": [{}] * 51})}, "50 at the most"),
    ],
)
def test_a_list_that_cannot_be_made_is_refused(api: httpx.Client, query: dict[str, str], words: str) -> None:
    assert words in message(api.get("experiments", params=query))


def test_every_wrong_predicate_is_named(api: httpx.Client) -> None:
    wrong = {"operation": "EQUALS", "key": "shoe", "string_value": "a"}
    said = message(api.get("runs", params={"filter": json.dumps({"predicates": [wrong, {"key": "name"}]})}))
    assert "predicates[0]: " in said
    assert "predicates[1]: " in said


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        forged("runs", "", "", 1.0, "id"),  # of another list
        forged("experiments", "", "", "soon", "id"),
        forged("experiments", "name", "", 1, "id"),
        forged("experiments", "", "", True, "id"),
        forged("experiments", "", "", 1, 2),
        forged("experiments", "; drop table", "", 1, "id"),
        forged("experiments", "", "[]", 1, "id"),
        forged("experiments"),
        base64.urlsafe_b64encode(DEEP[:5000].encode()).decode(),
    ],
)
def test_a_token_that_the_list_did_not_give_is_refused(api: httpx.Client, token: str) -> None:
    message(api.get("experiments", params={"page_token": token}))


def test_a_token_belongs_to_its_order_and_filter(api: httpx.Client) -> None:
    word = uuid.uuid4().hex
    for number in range(3):
        api.post("experiments", json={"display_name": f"{word}{number}"})
    wanted = {"sort_by": "name desc", "filter": predicate(operation=9, key="name", stringValue=word), "page_size": "2"}
    token = api.get("experiments", params=wanted).json()["next_page_token"]
    for other in ({"sort_by": "name"}, {"filter": predicate(operation=9, key="name", stringValue="a")}):
        assert "another" in message(api.get("experiments", params={**wanted, **other, "page_token": token}))
    # Later pages need not say it again.
    (last,) = api.get("experiments", params={"page_token": token}).json()["experiments"]
    assert last["display_name"] == f"{word}0"


def test_what_is_not_there_is_said_in_kfps_words(api: httpx.Client) -> None:
    for path in ("experiments/none", "pipelines/none/versions", "runs/last", "recurringruns/%00", "nothing/here"):
        answer = api.get(path)
        assert answer.status_code in (400, 404)
        assert answer.json()["code"] in (3, 5)
    assert api.put("experiments", json={}).json()["code"] == 12
    assert message(api.get("runs/"), 404)


def test_a_run_says_what_it_is_made_from_once(api: httpx.Client) -> None:
    assert "exactly one of pipeline_spec" in message(api.post("runs", json={"display_name": "job"}))
    both = {"pipeline_spec": {"root": {}}, "pipeline_version_reference": {"pipeline_id": "a"}}
    assert "exactly one of pipeline_spec" in message(api.post("runs", json=both))
    said = message(api.post("recurringruns", json={"trigger": {"periodic_schedule": {"interval_second": "0"}}}))
    assert all(word in said for word in ("interval_second", "exactly one of pipeline_spec", "display_name"))


def test_uploads_say_what_is_wrong_in_their_own_way(api: httpx.Client, upload: Callable[..., httpx.Response]) -> None:
    form = {"content-type": "multipart/form-data; boundary=x"}
    answers = [
        upload("a: [", name="broken"),
        upload("pipelineInfo: {}", tags="[1]"),
        api.post("pipelines/upload", content=b"--y", headers=form),
        api.post("pipelines/upload", json={}),
        api.post("pipelines/upload", files={"other": ("a.yaml", b"")}),
        api.post("pipelines/upload", data={"uploadfile": "text"}, files={"b": b""}),
        api.post("pipelines/upload_version", files={"uploadfile": ("a.yaml", b"")}),
    ]
    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) == {"error_message", "error_details"}


texts = st.text(st.characters(blacklist_categories=[]), max_size=20)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = """display_name experiment_id pipeline_spec pipeline_version_reference runtime_config trigger mode tags
max_concurrency package_url parameters pipeline_id cron_schedule cron created_at pipeline pipeline_version"""
names = st.sampled_from(FIELDS.split())
messages = st.recursive(
    st.dictionaries(names, values, max_size=4), lambda inner: st.dictionaries(names, inner | values, max_size=4)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("recurringruns", {"trigger": {"cron_schedule": {"cron": "* * * * *", "start_time": "9999-12-31T23:59:59Z"}}})
@given(st.sampled_from(["experiments", "pipelines", "runs", "recurringruns", "pipelines/create"]), messages)
def test_no_message_makes_the_server_fail(api: httpx.Client, path: str, body: Any) -> None:
    answer = api.post(path, content=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code < 500, answer.text
