"""A hospital's repository, its remote, its Palmette server, and the jobs that gitlab-ci-local runs as shipped.

GitLab and JIRA are stand-ins on this machine. Everything else is real: Git, the jobs' shells, the command, the server,
the trainings. A pipeline is a fresh clone, as a runner makes one.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
from tests.standins import gitlab, jira
from tests.standins.gitlab import GitLab
from tests.standins.jira import Jira

from palmette.ci.files import Forge, Wish, files, place

ROOT: Final = Path(__file__).parents[2]
PALMETTE: Final = Path(sys.executable).parent / "palmette"
PATIENCE: Final = 240.0
BRANCH: Final = "feature/IA-1742-doc-type"
#: what gitlab-ci-local calls each pipeline; a real GitLab counts
_COUNTED: Final = ("CI_PIPELINE_ID", "CI_PIPELINE_IID")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A pipeline that ended."""

    code: int
    out: str
    #: where its jobs worked
    checkout: Path


@dataclass
class World:
    """One repository, and everything around it."""

    top: Path
    command: tuple[str, ...]
    gitlab: GitLab
    jira: Jira
    environ: dict[str, str]
    #: the variables that a GitLab project gives its jobs
    variables: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None
    url: str = ""
    token: str = ""
    numbers: Iterable[int] = field(default_factory=lambda: count(1))

    # the repository

    @property
    def work(self) -> Path:
        """The developer's clone."""
        return self.top / "work"

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """What Git says."""
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.work, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}\n{done.stderr}"
        return done.stdout.strip()

    def push(self, branch: str, message: str, changes: Mapping[str, tuple[str, str]]) -> str:
        """Commit replacements in files to a branch, and push it; the commit."""
        known = self.git("branch", "--list", branch)
        self.git("checkout", "-q", *([] if known else ["-b"]), branch)
        for name, (old, new) in changes.items():
            path = self.work / name
            text = path.read_text()
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
            path.write_text(text.replace(old, new))
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "origin", branch)
        if branch not in self.gitlab.branches:
            self.gitlab.branches.append(branch)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        """Merge a branch into the default branch, and push that; the commit."""
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
        self.git("push", "-q", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def delete(self, branch: str) -> None:
        """Delete a branch of the remote."""
        self.git("push", "-q", "origin", "--delete", branch)
        self.gitlab.branches.remove(branch)

    # pipelines

    def checkout(self, branch: str, commit: str = "") -> Path:
        """A fresh clone, with what a runner's Git knows."""
        where = self.top / "builds" / str(next(iter(self.numbers)))
        self.git("clone", "-q", "--branch", branch, f"file://{self.top}/remote.git", str(where), cwd=self.top)
        self.git("remote", "set-url", "origin", f"{self.gitlab.url}/acme/ia.git", cwd=where)
        if commit:
            self.git("reset", "-q", "--hard", commit, cwd=where)
        return where

    def start(
        self,
        where: Path,
        *jobs: str,
        number: int,
        variables: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Start a pipeline, or some jobs of it, in a checkout."""
        given = {**self.variables, **dict.fromkeys(_COUNTED, str(number)), **(variables or {})}
        options = [f"--variable={name}={value}" for name, value in given.items()]
        options += [f"--unset-variable={name}" for name in without]
        options += ["--force-shell-executor", "--no-artifacts-to-source", "--no-json-schema-validation"]
        options += ["--ignore-predefined-vars", ",".join((*_COUNTED, "CI_PIPELINE_SOURCE"))]
        return subprocess.Popen(
            [*self.command, *options, *jobs],
            cwd=where,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pipeline(
        self,
        branch: str,
        *jobs: str,
        number: int,
        commit: str = "",
        variables: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        code: int = 0,
    ) -> Ended:
        """Run a pipeline, or some jobs of it, to the end, which is to have this exit code."""
        where = self.checkout(branch, commit)
        return self.finish(self.start(where, *jobs, number=number, variables=variables, without=without), where, code)

    def finish(self, process: subprocess.Popen[str], where: Path, code: int = 0) -> Ended:
        """Wait for a pipeline."""
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}"
        return Ended(code=process.returncode, out=out, checkout=where)

    def requested(self, branch: str, iid: int = 7) -> dict[str, str]:
        """The variables of a merge request's pipeline."""
        head = self.git("rev-parse", branch)
        self.gitlab.open(branch, iid=iid, sha=head, title="Say what kind of document it is")
        return {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": str(iid),
            "CI_MERGE_REQUEST_ID": "70001",
            "CI_MERGE_REQUEST_PROJECT_PATH": "acme/ia",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "acme/ia",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": branch,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.git("merge-base", "main", branch),
            "CI_MERGE_REQUEST_TITLE": "Say what kind of document it is",
            "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
            "CI_OPEN_MERGE_REQUESTS": f"acme/ia!{iid}",
        }

    def form(self, algorithm: str) -> dict[str, str]:
        """The variables of a pipeline that somebody started in GitLab's form."""
        return {"CI_PIPELINE_SOURCE": "web", "PALMETTE_ALGORITHM": algorithm}

    # the server

    def palmette(self, *arguments: str, cwd: Path | None = None, typed: str = "") -> str:
        """What the command prints, on the machine of the server."""
        done = subprocess.run(
            [PALMETTE, *arguments],
            cwd=cwd or self.top,
            env=self.environ,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self, python: Path) -> None:
        """Start the team's server, with a token for the jobs. From then on it answers nobody who has none."""
        self.token = self.palmette("token", "create", "ci", "--role", "run", "--home", "home").split()[-1]
        options = ["--port", "0", "--home", str(self.top / "home"), "--python", str(python), "--json"]
        with (self.top / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [PALMETTE, "serve", *options],
                cwd=self.top,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        assert line, (self.top / "log").read_text()
        self.url = json.loads(line)["url"]
        self.variables |= {"PALMETTE_ON": self.url, "PALMETTE_TOKEN": self.token}

    def get(self, path: str, **query: str) -> Any:
        """What Kubeflow's API says."""
        assert self.server is not None
        assert self.server.poll() is None, (self.top / "log").read_text()[-5000:]
        return self._asked("GET", path, params={"page_size": "200", **query})

    def post(self, path: str, body: Any) -> Any:
        """What Kubeflow's API answers."""
        return self._asked("POST", path, json=body)

    def _asked(self, method: str, path: str, **said: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, f"{self.url}/apis/v2beta1/{path}", headers=headers, timeout=60, **said)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, query: str, *values: Any, change: bool = False) -> list[tuple[Any, ...]]:
        """Rows of the server's store."""
        mode = "rw" if change else "ro"
        path = self.top / "home" / "store.db"
        with closing(sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=60)) as connection, connection:
            return connection.execute(query, values).fetchall()

    def experiments(self) -> dict[str, dict[str, Any]]:
        """The server's experiments, by name."""
        return {each["display_name"]: each for each in self.get("experiments").get("experiments", [])}

    def versions(self, algorithm: str) -> list[str]:
        """The names of a pipeline's versions, the newest first."""
        found = [each for each in self.get("pipelines").get("pipelines", []) if each["display_name"] == algorithm]
        (one,) = found
        return [
            each["display_name"]
            for each in self.get(f"pipelines/{one['pipeline_id']}/versions", sort_by="created_at desc")[
                "pipeline_versions"
            ]
        ]

    def ended(self, run: str) -> str:
        """The state of a run."""
        ((state,),) = self.rows("SELECT state FROM runs WHERE id = ?", run)
        return str(state)

    def branch(self, name: str) -> tuple[str, str, str]:
        """What the server knows of a branch: its newest commit, its experiment, its merge request."""
        ((head, experiment, request),) = self.rows(
            "SELECT head, experiment, merge_request FROM branches WHERE name = ?", name
        )
        return head, experiment, request

    def repeat(self, name: str, algorithm: str, parameters: Mapping[str, Any]) -> None:
        """Make a recurring run of the newest version, as somebody would in Kubeflow's pages."""
        (pipeline,) = [each for each in self.get("pipelines")["pipelines"] if each["display_name"] == algorithm]
        ident = {"pipeline_id": pipeline["pipeline_id"]}
        newest = self.get(f"pipelines/{pipeline['pipeline_id']}/versions", sort_by="created_at desc")
        self.post("recurringruns", {
            "display_name": name,
            "experiment_id": self.experiments()["main"]["experiment_id"],
            "pipeline_version_reference": {
                **ident, "pipeline_version_id": newest["pipeline_versions"][0]["pipeline_version_id"]
            },
            "runtime_config": {"parameters": parameters},
            "trigger": {"cron_schedule": {"cron": "0 0 3 1 1 *"}},
            "max_concurrency": "1",
            "mode": "ENABLE",
        })  # fmt: skip

    def recurring(self, name: str) -> dict[str, Any]:
        """The recurring run of that name, of which there is one."""
        found = self.get("recurringruns")["recurringRuns"]
        (one,) = [each for each in found if each["display_name"] == name]
        return dict(one)

    def follows(self, name: str) -> str:
        """The name of the version that a recurring run starts."""
        reference = self.recurring(name)["pipeline_version_reference"]
        path = f"pipelines/{reference['pipeline_id']}/versions/{reference['pipeline_version_id']}"
        return str(self.get(path)["display_name"])

    def eventually(self, condition: Callable[[], object]) -> None:
        """Wait until it is true; it is an error if it never becomes so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not become true"
            threading.Event().wait(0.1)

    def checks(self, commit: str, kind: str = "toy") -> dict[str, tuple[str, bool]]:
        """Algorithm → the run that tells, and whether it is an earlier one's."""
        asked = 'SELECT algorithm, run, unchanged FROM checks WHERE "commit" = ? AND kind = ?'
        return {name: (run, bool(unchanged)) for name, run, unchanged in self.rows(asked, commit, kind)}

    def end(self) -> None:
        """End what was started."""
        if self.server is not None:
            self.server.terminate()
            self.server.communicate(timeout=60)
        self.gitlab.stop()
        self.jira.stop()


def build(top: Path, command: tuple[str, ...], python: Path) -> World:
    """A repository with examples/clinic in it, as `palmette ci init gitlab` left it, and what is around it."""
    (top / "run").mkdir(mode=0o700)
    environ = {
        "PATH": f"{PALMETTE.parent}:{os.environ['PATH']}",
        "HOME": str(top),
        "XDG_RUNTIME_DIR": str(top / "run"),
        "XDG_CACHE_HOME": str(top / "cache"),
        "XDG_CONFIG_HOME": str(top / "config"),
        "LANG": "C.UTF-8",
        "PALMETTE_IDLE": "20",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
    }  # fmt: skip
    world = World(top, command, gitlab.start(), jira.start(), environ)
    _repository(world, python)
    # The remote's address is the stand-in's, which knows no Git: the jobs' Git asks the bare repository instead.
    settings = top / "gitconfig"
    settings.write_text(f'[url "file://{top}/remote.git"]\n\tinsteadOf = {world.gitlab.url}/acme/ia.git\n')
    world.variables = {"GIT_CONFIG_GLOBAL": str(settings)}
    return world


def _repository(world: World, python: Path) -> None:
    world.git("init", "-q", "--bare", "--initial-branch=main", str(world.top / "remote.git"), cwd=world.top)
    ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache", "requirements*.txt")
    shutil.copytree(ROOT / "examples" / "clinic", world.work, ignore=ignored)
    settings = world.work / "pyproject.toml"
    before, _, after = settings.read_text().partition("[tool.palmette]")
    kept = after.partition("[tool.pytest")[2]
    # Two of the four: the other two take longer, and tell nothing else.
    settings.write_text(
        f'{before}[tool.palmette]\nalgorithms = ["algorithms.tumour", "algorithms.progression"]\n'
        f'python = "{python}"\n\n[tool.pytest{kept}'
    )
    (world.work / ".gitignore").write_text("__pycache__/\n.palmette/\n.gitlab-ci-local/\npalmette-report/\n")
    world.git("init", "-q", "--initial-branch=main")
    place(files(Wish(forge=Forge.GITLAB, install="true", prepare="true"), world.work), world.work)
    world.git("remote", "add", "origin", f"file://{world.top}/remote.git")
    world.git("add", "--all")
    world.git("commit", "-q", "-m", "Train two algorithms")
    world.git("push", "-q", "origin", "main")
