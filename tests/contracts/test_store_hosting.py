"""What a host of pipelines keeps, on both databases: its rules, and its lists."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from palmette.blobs import Blobs
from palmette.domain.hosting import DEFAULT_EXPERIMENT, SERVED, Periodic, Schedule
from palmette.domain.listing import Comparing, Operand, Page, Predicate, Slice
from palmette.domain.run import Run, Source
from palmette.domain.states import RunState, TaskState
from palmette.errors import AlreadyThere, ConfigError, Conflict, NotFound, QueryError, SpecError, UsageError
from palmette.operations import experiments, pipelines, schedules, submitting
from palmette.operations.home import Home, interrupted
from palmette.operations.submitting import Submission
from palmette.store import retention, runs, tasks
from palmette.store.database import Store

SPEC = {
    "pipelineInfo": {"name": "sums", "description": "adds"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "root": {
        "inputDefinitions": {
            "parameters": {
                "x": {"parameterType": "NUMBER_INTEGER"},
                "note": {"parameterType": "STRING", "defaultValue": "none"},
                "extra": {"parameterType": "STRUCT", "isOptional": True},
                "mode": {"parameterType": "STRING", "defaultValue": "a", "literals": ["a", "b"]},
            }
        },
        "dag": {
            "tasks": {
                "add": {
                    "taskInfo": {"name": "add"},
                    "componentRef": {"name": "comp-add"},
                    "inputs": {"parameters": {"a": {"componentInputParameter": "x"}}},
                }
            }
        },
    },
    "components": {
        "comp-add": {
            "inputDefinitions": {"parameters": {"a": {"parameterType": "NUMBER_INTEGER"}}},
            "executorLabel": "exec-add",
        }
    },
    "deploymentSpec": {
        "executors": {"exec-add": {"container": {"image": "python:3.11", "command": ["true"], "args": []}}}
    },
}
TEXT = yaml.safe_dump(SPEC).encode()


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    """A server's home, empty."""
    return Home(directory=tmp_path, project="", store=store, blobs=Blobs(tmp_path / "blobs"))


@pytest.fixture
def start(home: Home) -> Callable[..., Run]:
    """Start a run of the pipeline above."""
    names = count(1)

    def started(**values: object) -> Run:
        given = {"name": f"run {next(names)}", "document": TEXT, "parameters": {"x": 1}, **values}
        return submitting.submit(home, Submission(**given))  # type: ignore[arg-type]

    return started


def where(field: str, comparing: Comparing, *operands: Operand) -> Slice:
    return Slice(predicates=(Predicate(field=field, comparing=comparing, operands=operands),))


def names(page: Page[Any]) -> list[str]:
    return [item.name for item in page.items]


# Experiments


def test_a_name_is_an_experiments_alone(home: Home) -> None:
    made = experiments.create(home, "first", description="of all")
    assert experiments.get(home, made.id) == experiments.named(home, "first") == made
    with pytest.raises(AlreadyThere, match="first"):
        experiments.create(home, "first")


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "a\0b", "a\nb"])
def test_what_is_no_name_is_refused(home: Home, name: str) -> None:
    with pytest.raises(UsageError):
        experiments.create(home, name)
    assert experiments.page(home, Slice()).total == 0


def test_the_default_experiment_is_made_once_and_stays(home: Home) -> None:
    made = experiments.default(home)
    assert (made.name, experiments.default(home)) == (DEFAULT_EXPERIMENT, made)
    with pytest.raises(Conflict, match="cannot be deleted"):
        experiments.delete(home, made.id)


def test_the_archive_takes_runs_and_recurring_runs_along_and_gives_only_itself_back(
    home: Home, start: Callable[..., Run]
) -> None:
    experiment = experiments.create(home, "old")
    run = start(experiment=experiment.id)
    document = Schedule(
        id="", name="hourly", experiment=experiment.id, parameters={"x": 1}, trigger=Periodic(interval=3600)
    )
    recurring = schedules.create(home, document, TEXT)

    experiments.archive(home, experiment.id)
    assert submitting.get(home, run.id).archived is not None
    assert not schedules.get(home, recurring.id).enabled
    for attempt in (
        lambda: start(experiment=experiment.id),
        lambda: submitting.unarchive(home, run.id),
        lambda: schedules.enable(home, recurring.id),
    ):
        with pytest.raises(Conflict, match="archived"):
            attempt()

    experiments.unarchive(home, experiment.id)
    assert experiments.get(home, experiment.id).archived is None
    assert submitting.get(home, run.id).archived is not None
    assert not schedules.get(home, recurring.id).enabled
    submitting.unarchive(home, run.id)
    assert submitting.get(home, run.id).archived is None


def test_the_runs_of_a_deleted_experiment_stay(home: Home, start: Callable[..., Run]) -> None:
    experiment = experiments.create(home, "gone")
    run = start(experiment=experiment.id)
    recurring = schedules.create(
        home, Schedule(id="", name="daily", experiment=experiment.id, parameters={"x": 1}), TEXT
    )
    experiments.delete(home, experiment.id)
    with pytest.raises(NotFound):
        experiments.get(home, experiment.id)
    assert submitting.get(home, run.id).experiment == experiment.id
    assert not schedules.get(home, recurring.id).enabled
    with pytest.raises(Conflict, match="deleted"):
        schedules.enable(home, recurring.id)


# Pipelines


def test_an_upload_makes_a_pipeline_and_its_first_version(home: Home) -> None:
    pipeline, version = pipelines.upload(home, TEXT, filename="p.yaml", description="adds", tags={"team": "a"})
    assert (pipeline.name, pipeline.display_name, version.name) == ("sums", "sums", "sums")
    assert (version.description, version.pipeline) == ("adds", pipeline.id)
    assert pipelines.get(home, pipeline.id) == pipelines.named(home, "sums") == pipeline
    assert pipelines.newest(home, pipeline.id) == pipelines.version(home, pipeline.id, version.id) == version
    assert pipelines.document(home, version.spec).pipeline.name == "sums"
    with pytest.raises(AlreadyThere, match="sums"):
        pipelines.upload(home, TEXT, filename="p.yaml")


def test_the_newest_version_is_the_one_that_was_added_last(home: Home) -> None:
    pipeline, first = pipelines.upload(home, TEXT, filename="p.yaml")
    second = pipelines.add_version(home, pipeline.id, TEXT, filename="p.yaml", name="two")
    assert pipelines.newest(home, pipeline.id) == second
    with pytest.raises(AlreadyThere, match="two"):
        pipelines.add_version(home, pipeline.id, TEXT, filename="p.yaml", name="two")
    pipelines.delete_version(home, pipeline.id, second.id)
    assert pipelines.newest(home, pipeline.id) == first


def test_a_pipeline_with_versions_goes_only_with_them(home: Home) -> None:
    pipeline, version = pipelines.upload(home, TEXT, filename="p.yaml")
    with pytest.raises(Conflict, match="a version"):
        pipelines.delete(home, pipeline.id)
    pipelines.delete(home, pipeline.id, cascade=True)
    for attempt in (
        lambda: pipelines.get(home, pipeline.id),
        lambda: pipelines.version(home, pipeline.id, version.id),
        lambda: pipelines.newest(home, pipeline.id),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_tags_are_replaced_whole_and_found_by_key(home: Home) -> None:
    key = 'a"b.c'
    tagged, _ = pipelines.upload(home, TEXT, filename="p.yaml", tags={key: "ä", "team": "a"})
    pipelines.create(home, "untagged")
    assert names(pipelines.page(home, where(f"tags.{key}", Comparing.EQUALS, "ä"))) == ["sums"]
    assert pipelines.page(home, where(f"tags.{key}", Comparing.EQUALS, "b")).total == 0
    assert pipelines.update(home, tagged.id, display_name="Sums", tags={}).tags == {}
    assert pipelines.update(home, tagged.id).display_name == "Sums"
    assert pipelines.page(home, where("tags.team", Comparing.EQUALS, "a")).total == 0
    with pytest.raises(UsageError) as refused:
        pipelines.update(home, tagged.id, tags={"k" * 64: "v" * 64, "": "v"})
    assert len(refused.value.problems) == 3


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return target.getvalue()


def tarred(**files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_are_opened_and_bounded(home: Home, pack: Callable[..., bytes]) -> None:
    pipeline, _ = pipelines.upload(home, pack(readme_md=b"#", pipeline_yaml=TEXT, other_yaml=b"a: 1"), filename="p")
    assert pipeline.name == "sums"
    for broken, said in (
        (pack(a_yaml=TEXT, b_yaml=TEXT), "2 files"),
        (pack(readme_md=b"#"), "no pipeline"),
        (pack(pipeline_yaml=b"#" * (33 * 1024 * 1024)), "MiB"),
        (pack(pipeline_yaml=TEXT)[:-30], "cannot be read"),
    ):
        with pytest.raises(SpecError, match=said):
            pipelines.upload(home, broken, filename="p.zip", name="other")


def test_a_document_is_refused_with_all_that_is_wrong_with_it(home: Home) -> None:
    broken = yaml.safe_dump({**SPEC, "schemaVersion": "2.0.0", "pipelineInfo": {"name": ""}}).encode()
    with pytest.raises(SpecError) as refused:
        pipelines.upload(home, broken, filename="p.yaml", name="broken")
    assert {problem.where for problem in refused.value.problems} == {"schemaVersion", "pipelineInfo.name"}
    with pytest.raises(SpecError, match="a problem"):
        pipelines.upload(home, TEXT.replace(b"python:3.11", rb'"a\0b"'), filename="p.yaml")
    assert pipelines.page(home, Slice()).total == 0


# Runs


def test_a_run_is_accepted_for_the_servers_with_its_tasks(home: Home, start: Callable[..., Run]) -> None:
    run = submitting.get(home, start(parameters={"x": 3.0, "extra": {"a": [1, 2.5]}}, owner="ci").id)
    assert (run.state, run.queue, run.project, run.algorithm) == (RunState.PENDING, SERVED, "kfp", "sums")
    assert run.config == {"x": 3, "note": "none", "extra": {"a": [1, 2.5]}, "mode": "a"}
    assert isinstance(run.config["x"], int)
    sources = {setting.name: setting.source for setting in run.settings}
    assert (sources["x"], sources["note"]) == (Source.OVERRIDE, Source.DEFAULT)
    assert [record.name for record in tasks.of_run(home.store, run.id)] == ["add"]
    assert run.experiment == experiments.default(home).id
    assert experiments.default(home).last_run == run.created
    assert any("python:3.11" in notice for notice in run.notices)
    # It waits for a server; nobody has to continue it.
    assert not interrupted(run)


def test_a_run_that_is_executed_at_once_is_its_experiments_newest(home: Home) -> None:
    filed = experiments.create(home, "feature/doc-type")
    run = Run(id="x44t6tzj3yzn", project="kfp", algorithm="sums", experiment=filed.id, created=filed.created + 60)
    runs.create(home.store, run)
    assert experiments.get(home, filed.id).last_run == run.created


def test_all_that_is_wrong_with_parameters_is_said_at_once(home: Home, start: Callable[..., Run]) -> None:
    with pytest.raises(ConfigError) as refused:
        start(parameters={"note": 1, "mode": "c", "extra": "\0", "unknown": 1})
    assert {problem.where for problem in refused.value.problems} == {"note", "mode", "extra", "unknown", "x"}
    assert submitting.runs(home, Slice()).total == 0


def test_macros_in_parameters_are_expanded(start: Callable[..., Run]) -> None:
    run = start(
        parameters={
            "x": 1,
            "note": "[[RunUUID]] [[CurrentTime.2006]] [[Index]] [[Other]]",
            "extra": {"a": ["[[RunUUID]]"]},
        }
    )
    note = str(run.config["note"]).split()
    assert (note[0], note[2:]) == (run.id, ["[[Index]]", "[[Other]]"])
    assert len(note[1]) == 4
    assert run.config["extra"] == {"a": [run.id]}


def test_a_run_of_a_pipeline_is_of_its_newest_version_or_of_the_one_named(
    home: Home, start: Callable[..., Run]
) -> None:
    pipeline, first = pipelines.upload(home, TEXT, filename="p.yaml")
    second = pipelines.add_version(home, pipeline.id, TEXT, filename="p.yaml", name="two")
    newest = start(document=None, pipeline=pipeline.id)
    assert (newest.pipeline_version, newest.version) == (second.id, "two")
    assert start(document=None, pipeline=pipeline.id, version=first.id).pipeline_version == first.id
    for wrong in ({"pipeline": pipeline.id}, {"document": None}, {"version": first.id}):
        with pytest.raises(UsageError):
            start(**wrong)


def test_a_run_that_is_submitted_again_under_its_id_is_the_same(home: Home, start: Callable[..., Run]) -> None:
    run = start()
    assert start(id=run.id, name="other").name == run.name
    assert submitting.runs(home, Slice()).total == 1


def test_a_run_that_nobody_drives_ends_at_once(home: Home, start: Callable[..., Run]) -> None:
    run = start()
    assert submitting.terminate(home, run.id).state is RunState.CANCELED
    assert [record.state for record in tasks.of_run(home.store, run.id)] == [TaskState.CANCELED]
    with pytest.raises(UsageError, match="over"):
        submitting.terminate(home, run.id)


def test_a_deleted_run_leaves_nothing_but_what_others_need(home: Home, start: Callable[..., Run]) -> None:
    run, other = start(), start()
    directory = home.runs / run.id / "add" / "1"
    directory.mkdir(parents=True)
    submitting.delete(home, run.id)
    assert not directory.parent.parent.exists()
    with pytest.raises(NotFound):
        submitting.get(home, run.id)
    assert other.spec in retention.needed(home.store)


def test_the_documents_of_versions_and_recurring_runs_are_kept(home: Home) -> None:
    _, version = pipelines.upload(home, TEXT, filename="p.yaml")
    own = TEXT.replace(b"adds", b"adds up")
    recurring = schedules.create(home, Schedule(id="", name="daily", parameters={"x": 1}), own)
    assert {version.spec, recurring.spec} <= retention.needed(home.store)


# Lists


def test_a_list_is_read_page_by_page_and_nothing_is_told_twice(home: Home) -> None:
    for name in ("b", "a", "B", "ä", "a" * 100, "é"):
        experiments.create(home, name)
    for descending in (False, True):
        wanted = Slice(order="name", descending=descending, size=2)
        found: list[str] = []
        while True:
            page = experiments.page(home, wanted)
            assert page.total == 6
            found += names(page)
            if page.following is None:
                break
            wanted = Slice(order="name", descending=descending, size=2, start=page.following)
        # By their bytes, on either database.
        assert found == sorted(["b", "a", "B", "ä", "a" * 100, "é"], reverse=descending)


def test_ties_are_broken_by_the_id(home: Home, start: Callable[..., Run]) -> None:
    ids = sorted(start(name="same").id for _ in range(5))
    wanted = Slice(order="name", size=3)
    first = submitting.runs(home, wanted)
    rest = submitting.runs(home, Slice(order="name", size=3, start=first.following))
    assert [run.id for run in (*first.items, *rest.items)] == ids
    backwards = submitting.runs(home, Slice(order="name", descending=True))
    assert [run.id for run in backwards.items] == ids[::-1]


@pytest.mark.parametrize(
    ("field", "comparing", "operands", "expected"),
    [
        ("name", Comparing.EQUALS, ("50% of it",), ["50% of it"]),
        ("name", Comparing.NOT_EQUALS, ("50% of it",), ["Big_One", "plain"]),
        ("name", Comparing.IS_SUBSTRING, ("% o",), ["50% of it"]),
        ("name", Comparing.IS_SUBSTRING, ("BIG_",), ["Big_One"]),
        ("name", Comparing.IS_SUBSTRING, ("_",), ["Big_One"]),
        ("name", Comparing.IN, ("plain", "other", "Big_One"), ["Big_One", "plain"]),
        ("name", Comparing.GREATER_THAN_EQUALS, ("Big_One",), ["Big_One", "plain"]),
        ("name", Comparing.LESS_THAN, ("Big_One",), ["50% of it"]),
        ("ended", Comparing.EQUALS, (None,), ["50% of it", "Big_One", "plain"]),
        ("ended", Comparing.GREATER_THAN, (10**30,), []),
        ("created", Comparing.LESS_THAN, (1,), []),
        ("archived", Comparing.NOT_EQUALS, (None,), []),
        ("state", Comparing.IN, ("PENDING", "a\0b"), ["50% of it", "Big_One", "plain"]),
        ("name", Comparing.IN, (), []),
    ],
)
def test_a_list_holds_what_meets_the_comparison(
    *,
    home: Home,
    start: Callable[..., Run],
    field: str,
    comparing: Comparing,
    operands: tuple[Operand, ...],
    expected: list[str],
) -> None:
    for name in ("plain", "50% of it", "Big_One"):
        start(name=name)
    found = submitting.runs(home, where(field, comparing, *operands))
    assert (sorted(names(found)), found.total) == (expected, len(expected))


def test_what_cannot_be_compared_is_said_all_at_once(home: Home) -> None:
    wrong = (
        Predicate(field="nothing", comparing=Comparing.EQUALS, operands=("a",)),
        Predicate(field="name", comparing=Comparing.EQUALS, operands=(1,)),
        Predicate(field="created", comparing=Comparing.IS_SUBSTRING, operands=("a",)),
        Predicate(field="created", comparing=Comparing.EQUALS, operands=("a",)),
        Predicate(field="name", comparing=Comparing.EQUALS, operands=("a", "b")),
    )
    with pytest.raises(QueryError) as refused:
        submitting.runs(home, Slice(predicates=wrong, order="weight"))
    assert [problem.where for problem in refused.value.problems] == [
        *("nothing", "name", "created", "created", "name", "weight")
    ]


# What Palmette compiled


def test_a_pipeline_that_palmette_compiled_brings_its_presets_metrics_and_ranges(home: Home) -> None:
    text = (Path(__file__).parent.parent / "golden" / "tumour.yaml").read_bytes()
    pipeline, _ = pipelines.upload(home, text, filename="tumour.yaml")

    def started(**parameters: object) -> Run:
        return submitting.submit(home, Submission(pipeline=pipeline.id, parameters=parameters))  # type: ignore[arg-type]

    full = started()
    assert (full.preset, [metric.name for metric in full.metrics if metric.primary]) == ("full", ["auc"])
    facts = pipelines.document(home, full.spec).platform.algorithm
    toy: Any = facts["presets"]
    assert started(**toy["toy"]).preset == "toy"
    assert [setting.name for setting in full.settings] == [entry["name"] for entry in facts["config"]]  # type: ignore[index,union-attr,call-overload]
    with pytest.raises(ConfigError) as refused:
        started(test_share=0.9, penalty="l3", C="much")
    assert {problem.where for problem in refused.value.problems} == {"test_share", "penalty", "C"}
