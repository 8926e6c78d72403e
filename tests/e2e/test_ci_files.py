"""The CI files that Palmette ships: what GitLab's and GitHub's schemas say of them, and what their scripts do."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from check_jsonschema.cli.main_command import main
from click.testing import CliRunner

from palmette.ci.files import Forge, Standing, Wish, files, place, preparation
from palmette.cli.ci import ci
from palmette.errors import UsageError

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "templates" / "palmette" / "template.yml"
WIDEST = {"image": "registry/py:3.12", "install": 'pip install "palmette[postgres]"', "prepare": "uv sync --frozen"}
SHELLS = ["dash", "bash"]


def valid(text: str, schema: str, directory: Path) -> str:
    """What the schema has against a file; empty for nothing."""
    path = directory / "file.yml"
    path.write_text(text)
    extra = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    done = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", *extra, str(path)])
    return "" if done.exit_code == 0 else done.output


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a directory of a repository."""
    (tmp_path / ".git").mkdir()
    root = tmp_path / "training"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "ia"\n')
    return root


def jobs(**inputs: str) -> dict[str, Any]:
    """The component's document with these inputs, as GitLab fills them in."""
    head, body = COMPONENT.read_text().split("\n---\n")
    given = {name: str(each["default"]) for name, each in yaml.safe_load(head)["spec"]["inputs"].items()} | inputs

    def filled(node: Any) -> Any:
        match node:
            case str():
                return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: given[found[1]], node)
            case list():
                return [filled(each) for each in node]
            case dict():
                return {filled(name): filled(each) for name, each in node.items()}
        return node

    document: dict[str, Any] = filled(yaml.safe_load(body))
    return document


def test_the_component_and_the_file_that_is_written_are_the_same_byte_for_byte(project: Path) -> None:
    written = {each.path: each.text for each in files(Wish(forge=Forge.GITLAB), project)}
    assert written[".gitlab/palmette.yml"] == COMPONENT.read_text()


def test_the_component_installs_this_version_and_its_page_names_every_input() -> None:
    inputs = yaml.safe_load(COMPONENT.read_text().split("\n---\n")[0])["spec"]["inputs"]
    page = (COMPONENT.parent / "README.md").read_text()
    assert inputs["install"]["default"].endswith(f"palmette=={metadata.version('palmette')}")
    assert re.findall(r"^\| `([\w-]+)` \| `?", page.split("## Inputs")[1], re.MULTILINE) == list(inputs)
    # Runners of older GitLabs do not know the first, and refuse the second.
    assert all("rules" not in each for each in inputs.values())
    assert all("tags" not in job for job in jobs().values())


@pytest.mark.parametrize("component", ["", "acme/tools/palmette@2.0.0"])
@pytest.mark.parametrize("wish", [{}, WIDEST])
def test_gitlab_s_file_has_at_most_twenty_lines_and_is_as_the_schema_wants_it(
    project: Path, tmp_path: Path, component: str, wish: dict[str, str]
) -> None:
    main_file, *rest = files(Wish(forge=Forge.GITLAB, component=component, **wish), project)
    assert len(main_file.text.splitlines()) <= 20
    assert valid(main_file.text, "gitlab-ci", tmp_path) == ""
    (include,) = yaml.safe_load(main_file.text)["include"]
    assert include["inputs"] == {**wish, "directory": "training"}
    assert [each.path for each in rest] == ([] if component else [".gitlab/palmette.yml"])
    if component:
        assert include["component"] == "$CI_SERVER_FQDN/acme/tools/palmette/palmette@2.0.0"


def test_the_component_s_jobs_are_as_the_schema_wants_them(tmp_path: Path) -> None:
    assert valid(yaml.safe_dump(jobs(**{"job-prefix": "ia-"})), "gitlab-ci", tmp_path) == ""
    assert "rulez" in valid(yaml.safe_dump(jobs() | {"x": {"script": "true", "rulez": []}}), "gitlab-ci", tmp_path)


@pytest.mark.parametrize("wish", [{}, {"install": 'pip install "palmette"', "prepare": "uv sync"}])
def test_github_s_file_is_as_the_schema_wants_it(project: Path, tmp_path: Path, wish: dict[str, str]) -> None:
    (file,) = files(Wish(forge=Forge.GITHUB, **wish), project)
    assert valid(file.text, "github-workflows", tmp_path) == ""
    assert not re.search(r"@[A-Z]+@", file.text)
    document = yaml.safe_load(file.text)
    assert document["permissions"] == {"contents": "read"}
    steps = [(name, step) for name, job in document["jobs"].items() for step in job["steps"]]
    # A value of GitHub's that stood in a script would be evaluated as part of it.
    assert [step for _, step in steps if "${{" in step.get("run", "")] == []
    # What is secret is given to Palmette alone, not to what installs it.
    assert {step["name"] for _, step in steps if "secrets." in str(step)} == {
        "palmette ci update", "palmette ci toy", "palmette ci run", "palmette ci settle", "palmette ci gc"
    }  # fmt: skip


def test_every_verb_and_option_that_the_files_call_is_there(project: Path) -> None:
    for forge in Forge:
        text = "".join(each.text for each in files(Wish(forge=forge), project)).replace("\\\n", "")
        called = re.findall(r"^[^#\n]*\bpalmette ci ([a-z]+)\b(.*)", text, re.MULTILINE)
        assert {name for name, _ in called} - {"init"} == {"update", "toy", "report", "run", "settle", "gc"}
        for name, rest in called:
            command = ci.get_command(click.Context(ci), name)
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)) <= known


FAKE = """#!/bin/sh
for each in "$@"; do printf '<%s>' "$each" >> called; done
echo >> called
case "$2" in run|toy) exit "$CODE" ;; report) exit "$REPORTED" ;; esac
"""


def executed(
    script: str, shell: list[str], *, directory: Path, environ: dict[str, str], code: int, reported: int
) -> tuple[int, list[str]]:
    """Run a script with a `palmette` that notes how it is called; its exit code and the calls."""
    (directory / "bin").mkdir(exist_ok=True)
    command = directory / "bin" / "palmette"
    command.write_text(FAKE)
    command.chmod(0o700)
    given = environ | {"PATH": f"{command.parent}:/usr/bin:/bin", "CODE": str(code), "REPORTED": str(reported)}
    done = subprocess.run([*shell, "-c", script], cwd=directory, env=given, capture_output=True, check=False)
    noted = directory / "called"
    return done.returncode, noted.read_text().replace(str(directory), "").splitlines() if noted.exists() else []


def calls(
    job: str, shell: str, directory: Path, code: int = 0, reported: int = 0, **environ: str
) -> tuple[int, list[str]]:
    """Run the script of one of GitLab's jobs, as a runner does."""
    document = jobs(install="true")
    script = [*document[".palmette:job"]["before_script"], *document[f"palmette:{job}"]["script"]]
    variables = document[".palmette:job"]["variables"] | environ
    return executed(
        "set -e\n" + "\n".join(script), [shell], directory=directory, environ=variables, code=code, reported=reported
    )


def steps(name: str, directory: Path, project: Path, code: int = 0, reported: int = 0, **environ: str) -> Any:
    """Run a step of GitHub's, as its runner does."""
    (file,) = files(Wish(forge=Forge.GITHUB), project)
    found = [step for job in yaml.safe_load(file.text)["jobs"].values() for step in job["steps"]]
    (script,) = [step["run"] for step in found if step.get("name") == name]
    return executed(script, ["bash", "-e"], directory=directory, environ=environ, code=code, reported=reported)


HOSTILE = "C=$(touch pwned) `touch pwned` * --on=http://elsewhere \"a b' ; touch pwned"


@pytest.mark.parametrize("shell", SHELLS)
def test_what_somebody_types_into_a_form_is_never_evaluated_nor_an_option(shell: str, tmp_path: Path) -> None:
    code, called = calls(
        "train", shell, tmp_path,
        PALMETTE_ALGORITHM="tumour; touch pwned", PALMETTE_ON="http://127.0.0.1:1",
        PALMETTE_OVERRIDES=HOSTILE,
    )  # fmt: skip
    assert (code, sorted(each.name for each in tmp_path.iterdir())) == (0, ["bin", "called"])
    assert called == [
        "<ci><run><--no-wait><--><tumour; touch pwned>",
        "<ci><report><--output-dir></palmette-report>",
    ]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("code", "reported", "ends"),
    [(0, 0, 0), (3, 0, 3), (0, 4, 4), (0, 5, 5), (6, 0, 6), (6, 4, 4), (3, 4, 3), (75, 0, 75)],
)
def test_a_job_reports_whatever_became_of_the_run_and_ends_with_what_weighs_most(
    shell: str, tmp_path: Path, code: int, reported: int, ends: int
) -> None:
    assert calls("toy", shell, tmp_path, code, reported, PALMETTE_JOB_WAIT="20m", PALMETTE_JOB_FAIL_ON="gate") == (
        ends,
        ["<ci><toy><--wait><20m>", "<ci><report><--output-dir></palmette-report><--fail-on><gate>"],
    )


def test_what_somebody_types_into_github_s_form_is_not_evaluated_either(project: Path, tmp_path: Path) -> None:
    typed = {"PALMETTE_ALGORITHM": "tumour; touch pwned", "PALMETTE_OVERRIDES": HOSTILE, "PALMETTE_ON": ""}
    code, called = steps("palmette ci run", tmp_path / "training", project, **typed)
    assert (code, sorted(each.name for each in (tmp_path / "training").iterdir())) == (
        0,
        ["bin", "called", "pyproject.toml"],
    )
    assert called[0] == "<ci><run><--wait><340m><--><tumour; touch pwned>"


@pytest.mark.parametrize(
    ("code", "reported", "ends"), [(0, 0, 0), (3, 0, 3), (0, 4, 4), (0, 5, 0), (6, 0, 0), (6, 4, 4), (75, 0, 75)]
)
def test_github_s_jobs_pass_while_a_gate_is_inconclusive_or_the_run_goes_on(
    project: Path, tmp_path: Path, code: int, reported: int, ends: int
) -> None:
    found, called = steps("palmette ci toy", tmp_path, project, code, reported)
    tries = ["<ci><toy><--wait><50m>", *(["<ci><toy><--wait><20m>"] if code == 75 else [])]
    assert (found, called) == (ends, [*tries, "<ci><report><--output-dir><palmette-report>"])


def test_a_full_training_without_an_algorithm_says_what_to_set(tmp_path: Path) -> None:
    assert calls("train", "dash", tmp_path) == (2, [])


def test_a_full_training_is_waited_for_where_no_server_goes_on_with_it(tmp_path: Path) -> None:
    _, called = calls("train", "dash", tmp_path, PALMETTE_ALGORITHM="tumour", PALMETTE_OVERRIDES="")
    assert called[0] == "<ci><run><--><tumour>"


def test_a_file_that_is_there_stays_and_the_others_are_written(project: Path) -> None:
    top = project.parent
    (top / ".gitlab-ci.yml").write_text("test:\n  script: pytest\n")
    placed = place(files(Wish(forge=Forge.GITLAB), project), top)
    assert [each.standing for each in placed] == [Standing.DIFFERS, Standing.WRITTEN]
    assert "-test:\n" in placed[0].difference
    assert "+include:\n" in placed[0].difference
    assert (top / ".gitlab-ci.yml").read_text() == "test:\n  script: pytest\n"
    again = place(files(Wish(forge=Forge.GITLAB), project), top)
    assert [each.standing for each in again] == [Standing.DIFFERS, Standing.SAME]


def test_a_component_is_named_by_the_path_of_its_project(project: Path) -> None:
    with pytest.raises(UsageError, match="no project of a GitLab"):
        files(Wish(forge=Forge.GITLAB, component="palmette; rm"), project)


@pytest.mark.parametrize(
    ("file", "text", "command"),
    [
        ("uv.lock", "", "uv sync --frozen"),
        ("requirements.txt", "", "uv venv --quiet && uv pip install --quiet -r requirements.txt"),
        (
            "pyproject.toml",
            '[project]\ndependencies = [\n  "numpy",\n]\n',
            "uv venv --quiet && uv pip install --quiet -r pyproject.toml",
        ),
        ("pyproject.toml", "[project]\ndependencies = []\n", ""),
    ],
)
def test_a_project_s_environment_is_made_from_what_it_has(project: Path, file: str, text: str, command: str) -> None:
    (project / file).write_text(text)
    assert preparation(project) == command
