"""Packages from a stranger are refused, or harmless: nothing of them is written but the one pipeline in them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.server.conftest import PIPELINE

Upload = Callable[..., httpx.Response]


def zipped(files: Mapping[str, bytes | str], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes | str], *others: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in others:
            archive.addfile(member)
    return buffer.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def named() -> dict[str, str]:
    return {"name": f"sent-{uuid.uuid4().hex[:8]}"}


@pytest.fixture
def pipeline(pipeline_file: Path) -> str:
    return pipeline_file.read_text()


def test_a_pipeline_is_taken_in_each_of_its_wrappings(upload: Upload, pipeline: str) -> None:
    as_json = json.dumps(yaml.safe_load(pipeline))
    wrapped: dict[str, bytes | str] = {
        "p.yaml": pipeline,
        "p.yml": pipeline,
        "p.json": as_json,
        "p.zip": zipped({"p.yaml": pipeline}),
        "p.tar.gz": tarred({"p.yaml": pipeline, "README.md": "beside it"}),
        "anything": zipped({"pipeline.yaml": pipeline, "other.yaml": "a: 1"}),
    }
    for filename, data in wrapped.items():
        answer = upload(data, filename, **named())
        assert answer.status_code == 200, answer.text


def test_names_that_lead_elsewhere_lead_nowhere(
    upload: Upload, pipeline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = {"../../escaped.yaml": pipeline}
    for data in (zipped(outside), tarred(outside), tarred({f"{tmp_path}/escaped.yaml": pipeline})):
        assert upload(data, "../../etc/passwd.zip", **named()).status_code == 200
    assert not list(tmp_path.rglob("*"))
    assert not (tmp_path.parent / "escaped.yaml").exists()


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (lambda p: zipped({"a.yaml": p, "b.yaml": p}), "several|2 files"),
        (lambda p: zipped({"README.md": "nothing"}), "no pipeline"),
        (lambda p: zipped({"inner.zip": zipped({"p.yaml": p})}), "no pipeline"),
        (lambda p: tarred({"inner.tar.gz": tarred({"p.yaml": p})}), "no pipeline"),
        (lambda p: tarred({}, link("pipeline.yaml", "/etc/passwd")), "no pipeline"),
        (lambda p: zipped({"p.yaml": b"#" * 40_000_000}), "MiB"),
        (lambda p: tarred({"p.yaml": b"#" * 70_000_000}), "MiB"),
        (lambda p: zipped({"p.yaml": p}, zipfile.ZIP_LZMA), "packed|compress"),
        (lambda p: zipped({f"{number}.txt": "" for number in range(3000)} | {"p.yaml": p}), "files"),
        (lambda p: zipped({"p.yaml": p})[:-30], "archive"),
        (lambda p: gzip.compress(b"no tar"), "archive"),
        (lambda p: b"PK\x03\x04" + b"\0" * 100, "archive"),
        (lambda p: b"\x1f\x8b" + b"\0" * 100, "archive"),
    ],
)
def test_an_archive_that_is_no_package_is_refused(
    upload: Upload, pipeline: str, package: Callable[[str], bytes], words: str
) -> None:
    answer = upload(package(pipeline), "p.zip", **named())
    assert answer.status_code == 400, answer.text
    assert any(word in answer.json()["error_details"] for word in words.split("|")), answer.text


DEEP = '{"Concat": [' * 3000 + '"a"' + "]}" * 3000
TWICE = ",".join(f'"{number}": 0' for number in range(60_000))

LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "values"),
        ("a: " + "[" * 5000, "nests deeper"),
        ("a: " + "{b: " * 5000, "nests deeper"),
        ('{"a": ' + "[" * 200_000, "nests deeper"),
        ("a: !!python/object/apply:os.system [id]", "not allowed"),
        ("a: &b [*b]", "stands for nothing"),
        ("\0", "not YAML"),
        ('{"a": ' + "9" * 5000 + "}", "too large a number"),
        ('{"a": 1e999}', "too large a number"),
        ("a: 0x" + "f" * 5000, "is not a number"),
        ("a: " + "1:" * 50_000 + "1", "is not a number"),
        (f"{{{TWICE}, {TWICE}}}", "stands twice"),
        (PIPELINE.replace('"echo hello"', json.dumps(DEEP)), "the structured placeholder is not JSON"),
        ("- a", "a mapping is expected"),
        ("x" * (33 * 1024 * 1024), "MiB"),
    ],
)
def test_a_document_that_is_a_bomb_is_refused(upload: Upload, text: str, words: str) -> None:
    answer = upload(text, "p.yaml", **named())
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error_details"]


def test_more_than_any_package_is_not_even_read(upload: Upload) -> None:
    answer = upload(b"x" * (36 * 1024 * 1024), "p.yaml", **named())
    assert (answer.status_code, list(answer.json())) == (413, ["error_message", "error_details"])


def test_a_refused_package_leaves_nothing_behind(upload: Upload, server: Any, api: httpx.Client, pipeline: str) -> None:
    before = {path for path in server.home.directory.rglob("*") if "store.db" not in path.name}
    name = named()
    assert upload(pipeline.replace("comp-add:", "other:"), **name).status_code == 400
    assert api.get(f"pipelines/names/{name['name']}").status_code == 404
    assert {path for path in server.home.directory.rglob("*") if "store.db" not in path.name} == before


def test_of_a_great_many_mistakes_the_first_are_told_and_how_many_more_there_are(upload: Upload) -> None:
    answer = upload("".join(f"b{number}: 1\n" for number in range(5000)), **named())
    assert answer.status_code == 400
    told = answer.json()["error_details"]
    assert "b0: " in told
    assert " more." in told + "."
    assert len(told) < 20_000
