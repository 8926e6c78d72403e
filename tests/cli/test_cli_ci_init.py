"""`palmette ci init`: what it writes where, what it leaves alone, and what it says is to be set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


def test_the_files_are_written_once_and_are_the_same_the_second_time(tiny: Project) -> None:
    first = tiny("ci", "init", "gitlab")
    assert "wrote  .gitlab-ci.yml\n  wrote  .gitlab/palmette.yml" in first.out
    assert all(name in first.out for name in ("PALMETTE_ON", "PALMETTE_TOKEN", "PALMETTE_FORGE_TOKEN", "JIRA_TOKEN"))
    assert max(map(len, first.out.splitlines())) <= 80
    assert "--install true" in first.out
    assert "there already, the same" in tiny("ci", "init", "gitlab").out


def test_a_file_of_somebody_s_own_is_compared_and_left_alone(tiny: Project) -> None:
    tiny.write(".gitlab-ci.yml", "test:\n  script: pytest\n")
    ended = tiny("ci", "init", "gitlab", "--install", "true", code=1)
    assert "-test:\n" in ended.out
    assert '+      install: "true"' in ended.out
    assert ended.err.startswith("error: .gitlab-ci.yml: there already, and not changed")
    assert "Its stages must have `test`." in ended.err
    assert "--install true" not in ended.out
    assert (tiny.directory / ".gitlab-ci.yml").read_text() == "test:\n  script: pytest\n"
    assert tiny.exists(".gitlab/palmette.yml")


def test_a_project_in_a_directory_of_its_repository_says_which_one(tiny: Project) -> None:
    training = tiny.directory / "training"
    training.mkdir()
    (tiny.directory / "pyproject.toml").rename(training / "pyproject.toml")
    (tiny.directory / "algorithms").rename(training / "algorithms")
    tiny.git("init")
    printed = tiny("ci", "init", "github", "--print", cwd=training)
    assert 'working-directory: "training"' in printed.out
    assert 'path: "training/palmette-report"' in printed.out
    document = tiny("ci", "init", "gitlab", "--component", "acme/palmette", "--json", cwd=training).json
    assert [(each["path"], each["standing"]) for each in document["files"]] == [(".gitlab-ci.yml", "written")]
    assert 'directory: "training"' in (tiny.directory / ".gitlab-ci.yml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jenkins"], "'jenkins' is not one of 'gitlab', 'github'"),
        ([], "error: missing argument: gitlab, github\n"),
        (["gitlab", "--component", "a b"], "'a b' is no project of a GitLab"),
        (["github", "--image", "python:3.12"], "--component and --image are GitLab's"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tiny: Project, arguments: list[str], said: str) -> None:
    assert said in tiny("ci", "init", *arguments, code=2).err
    assert not tiny.exists(".gitlab-ci.yml")
    assert not tiny.exists(".github")
