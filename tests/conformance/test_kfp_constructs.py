"""Every construct of the stock SDK, alone, comes to what docs/reference/constructs.md says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.conformance.engine_bench import Bench

from palmette.blobs.references import NoDigests, References
from palmette.domain.states import RunState, TaskState
from palmette.engine.executors.choice import Executors
from palmette.errors import ConfigError
from palmette.ir import codec
from palmette.ir.check import check
from palmette.operations.outside import Outside

GOOD, SKIPPED, FAILED = TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.FAILED
HOSTILE = "a 'b' \"c\"\n$(touch /tmp/never) {{$.pipeline_job_name}}"


@pytest.fixture(scope="module")
def compiled(sdk: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("constructs")
    sdk("2.17").run("kfp_constructs.py", directory)  # type: ignore[attr-defined]
    return directory


@pytest.fixture(scope="module")
def executors() -> Iterator[Executors]:
    made = Executors()
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path: Path, compiled: Path, executors: Executors, sdk: Callable[[str], object]) -> Bench:
    python: Path = sdk("2.17").python  # type: ignore[attr-defined]
    return Bench(tmp_path, compiled, executors, f"{python.parent}{os.pathsep}{os.environ['PATH']}")


def test_texts_are_put_together_from_values_that_are_never_read_again(bench: Bench) -> None:
    ran = bench.run("texts", {"name": HOSTILE})
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("f-string") == f"<{HOSTILE}|3|2|3>"
    assert ran.value("containers") == f'{HOSTILE}|3|true|[3,1,"x"]|{{"k":3,"l":"<3>"}}|'
    assert ran.value("python", "Output") == "[3, 2] {'k': 3} 3 2"
    assert (ran.value("job name"), ran.value("within")) == ("texts", "text-3 of r")
    assert ran.value("created") == "1970-01-01T00:00:00Z"
    assert ran.value("root") == str(bench.directory)


def test_structures_in_arguments_are_expanded_to_one_word_each(bench: Bench) -> None:
    ran = bench.run("structures")
    assert ran.value("whole") == "--b=b/a|more|c=c|"
    assert ran.value("empty") == "no b|c=none|"


def test_what_is_known_of_artifacts_may_stand_in_arguments(bench: Bench) -> None:
    ran = bench.run("metadata")
    assert ran.state is RunState.SUCCEEDED, ran.why
    said = ran.value("described")
    assert isinstance(said, str)
    uri, rows, everything, made, _ = said.split("|")
    assert (Path(uri).name, rows, everything, Path(made).name) == ("made", "3", '{"rows":3}', "made")
    assert ran.value("framework", "Output") == "none", "what was only described has no file, and is there"
    assert ran.artifact("labelled", "bare").size == 0


def test_artifacts_are_made_by_return_and_at_paths_of_their_own(bench: Bench) -> None:
    place = bench.directory / "aside" / "x.txt"
    place.parent.mkdir()
    ran = bench.run("pythonic-artifacts", {"place": str(place)})
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("both", "Output") == f"by return, at {place}"
    assert ran.value("one", "Output") == "by return, nothing"
    assert ran.artifact("pythonic", "Output").metadata == {"x": "by return"}
    assert place.read_text() == f"at {place}", "what lies outside of the task's directory stays there"
    assert ran.artifact("scored", "metrics").metadata["auc"] == 0.5


def test_lists_of_artifacts_are_collected_handed_on_and_given_out(bench: Bench) -> None:
    ran = bench.run("artifact-lists")
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("nested", "Output") == "a1,a2,b1,b2"
    assert ran.value("listed", "Output") == "a,b,c"


def test_an_importer_fills_its_metadata_and_its_consumer_sees_the_address(bench: Bench) -> None:
    source = bench.directory / "model.bin"
    source.write_text("model")
    ran = bench.run("importers", {"uri": str(source)})
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("described-import") == f"{source}|2 of {source}|model"
    metadata = ran.artifact("importer", "artifact").metadata
    assert metadata == {"n": 2, "text": f"2 of {source}", "deep": {"list": [2]}}


class Web(BaseHTTPRequestHandler):
    """A web server with one model."""

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"7"')
        self.send_header("Content-Length", "5")
        self.end_headers()

    do_HEAD = _answer

    def do_GET(self) -> None:
        self._answer()
        self.wfile.write(b"model")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_is_imported_from_the_web_is_copied_for_a_container_that_wants_a_path(bench: Bench) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_address[1]}/model.bin"
    try:
        ran = replace(bench, importer=Outside(References(Path("/"), NoDigests()))).run("importers", {"uri": uri})
    finally:
        server.shutdown()
        server.server_close()
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("described-import") == f"{uri}|2 of {uri}|model"
    assert ran.artifact("importer", "artifact").digest == 'etag:"7"'


def test_tasks_and_whole_pipelines_are_tried_again(bench: Bench) -> None:
    ran = bench.run("retries", {"place": str(bench.directory)})
    assert ran.state is RunState.FAILED
    assert ran.shown() == {"task": GOOD, "kept": GOOD, "shaky": GOOD, "after": GOOD, "never": FAILED}
    tries = {record.component: len(record.attempts) for record in ran.ledger.tasks.values()}
    assert (tries["task"], tries["kept"], tries["shaky"], tries["never"]) == (2, 1, 3, 2)


def test_a_pipeline_as_exit_task_is_told_as_a_cluster_tells_it(bench: Bench) -> None:
    bad = bench.run("exit-pipeline", id="bad")
    assert (bad.state, bad.value("cleaned", "Output")) == (RunState.FAILED, "FAILED exit-handler-1")
    good = bench.run("exit-pipeline", {"x": 5}, id="good")
    assert (good.state, good.value("cleaned", "Output")) == (RunState.SUCCEEDED, "COMPLETE exit-handler-1")


def test_what_ignores_a_failure_within_an_exit_handler_has_its_default(bench: Bench) -> None:
    ran = bench.run("ignoring")
    assert ran.value("default", "Output") == "got 7"
    assert ran.state is RunState.FAILED
    said = ran.value("told-end", "Output")
    assert isinstance(said, str)
    assert said.startswith("FAILED 9 failed failed: exit code 1")


def test_branches_within_loops_within_an_exit_handler_and_loops_over_nothing(bench: Bench) -> None:
    ran = bench.run("combined")
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert [ran.value(f"which[{index}]") for index in range(2)] == ["no", "yes"]
    assert ran.value("all") == "[]"
    assert ran.value("told-end", "Output") == "COMPLETE None None"


def test_every_operator_compares_as_it_says(bench: Bench) -> None:
    ran = bench.run("operators")
    assert ran.state is RunState.SUCCEEDED, ran.why
    skipped = {name for name, state in ran.shown().items() if state is SKIPPED}
    assert skipped == {"ne", "le"}


def test_a_loop_over_too_many_items_is_refused_with_the_numbers(bench: Bench) -> None:
    ran = bench.run("wide", {"count": 10_001})
    assert ran.state is RunState.FAILED
    assert ran.task("for-loop-1").message == "it runs over 10,001 items, and 10,000 are the most"
    assert len(ran.ledger.tasks) == 2


def test_what_a_task_asks_for_may_come_from_inputs_and_is_handed_on_or_noted(bench: Bench) -> None:
    ran = bench.run("requests")
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("told-image") == "an/image:1 value"
    assert ran.value("configured", "Output") == {
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"}},
        "env": [{"name": "VARIABLE", "value": "seen"}],
        "selector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "seen": "seen",
    }
    noted = [f"{note.where}: {note.what}" for note in bench.plan("requests").notes]
    assert any("accelerators of type cloud-tpus.google.com/v3" in note for note in noted)
    assert (
        bench.run("requests", {"cpu": "lots"}, id="lots").message("told-image").startswith("'lots' is not a quantity")
    )


def test_the_tasks_of_a_run_share_a_workspace_that_goes_with_it(bench: Bench) -> None:
    source = bench.directory / "rows.csv"
    source.write_text("rows")
    ran = bench.run("workspace", {"uri": str(source)})
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("second", "Output") == "one two"
    assert ran.value("content", "Output") == "rows and more, nothing"
    assert source.read_text() == "rows"
    assert not (bench.directory / "runs" / "r" / ".workspace").exists()
    again = bench.run("workspace", {"uri": str(source)}, id="again")
    assert again.task("noted").state is GOOD, "what lies there is no input that a key knows, so nothing is reused"


def test_a_run_that_takes_too_long_is_stopped_and_failed(bench: Bench) -> None:
    ran = bench.run("deadline")
    assert (ran.state, ran.task("slow").state) == (RunState.FAILED, TaskState.CANCELED)
    assert ran.why == "it ran out of time (1 s for the whole run)"


def test_outputs_are_used_again_as_the_caching_options_say(bench: Bench) -> None:
    first = bench.run("caching", id="first")
    assert set(first.shown().values()) == {GOOD}
    planned = bench.plan("caching")
    assert [(planned[name].cache, planned[name].cache_key) for name in ("number", "number-2", "number-3")] == [
        (True, ""),
        (False, ""),
        (True, "mine"),
    ]


def test_code_that_the_sdk_pastes_or_embeds_runs(bench: Bench) -> None:
    ran = bench.run("code")
    assert (ran.value("with-helper", "Output"), ran.value("with-asset", "Output")) == (8, "what is embedded")


def test_what_the_schema_knows_and_no_sdk_writes_runs_too(bench: Bench) -> None:
    by_hand = replace(bench, compiled=Path(__file__).parent)
    ran = by_hand.run("by_hand")
    assert ran.state is RunState.SUCCEEDED, ran.why
    assert ran.value("join") == r'{"escaped": "[\"a\",\"b\",\"c\"]"}'
    assert ran.value("doubled") == '{"escaped": "[2,4,6]"}'
    assert [ran.artifact("split", f"parts[{index}]").filename for index in range(3)] == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="Allowed: fast, slow"):
        by_hand.plan("by_hand", {"mode": "medium"})


def test_every_document_that_the_engine_runs_passes_the_check(bench: Bench) -> None:
    paths = [*bench.compiled.glob("*.yaml"), Path(__file__).parent / "by_hand.yaml"]
    assert len(paths) > 15
    assert {path.stem: check(codec.loads(path.read_bytes())) for path in paths} == {path.stem: [] for path in paths}
