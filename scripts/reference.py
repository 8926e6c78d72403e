"""Write docs/reference/ from the code: verbs, settings, variables, errors, vocabulary, JSON, the tables of a store.

Run by `make docs`; tests/docs checks that what is committed is what this writes.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Column, Table

import palmette
from palmette import errors, testing
from palmette.authoring.steps import Options
from palmette.cli.app import palmette as command
from palmette.cli.lazy import VERBS
from palmette.client import comparisons, homes
from palmette.client import runs as client
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.metric import MetricPoint
from palmette.domain.run import Attempt, Environment, Git, Host, Pin, Run, Setting, Source, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.domain.values import Json
from palmette.operations.continuing import Continuous
from palmette.operations.details import Detail
from palmette.operations.details import Row as Listed
from palmette.operations.settings import SETTINGS
from palmette.operations.targets import Target
from palmette.present import plain
from palmette.present.words import TASK_WORDS
from palmette.server.kfp import table as kfp
from palmette.server.palmette import table as own
from palmette.server.rows import Content, Row
from palmette.store import schema

REFERENCE: Final = Path(__file__).parent.parent / "docs" / "reference"

_MADE: Final = "<!-- Written by `make docs` from the code. Change the code, not this page. -->\n"

#: Variables that the command reads.
VARIABLES: Final = {
    "PALMETTE_CONTAINERS": "How tasks are executed: `process`, or in their images with `docker` or `podman`. It "
    "precedes the setting `containers`.",
    "PALMETTE_STORE": "The directory that remembers runs, relative to where you are, or the URL of a PostgreSQL "
    "database (`postgresql://…`). It precedes the setting `home`.",
    "PALMETTE_ON": "The server whose runs are meant, by its name or its URL; `local` for this machine. It precedes the "
    "setting `on`, and `--on` precedes it.",
    "PALMETTE_KEY": "The key that encrypts stored secrets, in place of the file `~/.config/palmette/key`.",
    "PALMETTE_TOKEN": "The token for a server that you are not logged in to with one of its own.",
    "PALMETTE_ISOLATION": "`subreaper`: steps get no pid namespace of their own, as on a system that grants none.",
    "PALMETTE_IDLE": "For tests: how many seconds the idle process of the project's Python stays. 45 without it.",
    "PALMETTE_TOOL": "The command that `palmette.run` and its kin start from Python; without it this interpreter's own "
    "or the `palmette` on the PATH.",
    "PALMETTE_PROTOCOL": "Set by a program that drives the command: how it wants its errors. `1`: as JSON on standard "
    "output.",
    "CI": "`true` or `1`: the run was started by CI. No step that reads the outside world is reused then unless its "
    "`fresh` says so.",
    "CRON_SCHEDULE_TIMEZONE": "The time zone of a server's cron expressions, by its name: `Europe/Paris`. Without it: "
    "UTC.",
    "VIRTUAL_ENV": "The active virtual environment. It is the project's Python if it lies in the project, or if the "
    "project has none.",
    "UV_PROJECT_ENVIRONMENT": "Where uv keeps the project's environment.",
    "CONDA_PREFIX": "The active conda environment: the project's Python where there is no other (and it is not `base`, "
    "as `CONDA_DEFAULT_ENV` says).",
    "PIP_CONFIG_FILE": "pip's settings, whose index an environment is built from, as pip itself would.",
    "XDG_CONFIG_DIRS": "Where pip's settings for all users are looked for.",
    "TMPDIR": "Where temporary directories are made. Without it: `/tmp`.",
    "XDG_RUNTIME_DIR": "Below it, in `palmette/`: the host's slots and the templates' sockets. Without it: "
    "a directory of the user's in `/tmp`.",
    "XDG_CACHE_HOME": "Below it, in `palmette/`: what can be worked out again. Without it: `~/.cache`.",
    "XDG_CONFIG_HOME": "Below it, in `palmette/key`: the key that makes versions of secrets. Without it: `~/.config`.",
    "PALMETTE_BRANCH": "The branch that a job is about, whatever the CI says. `-b` precedes it.",
    "PALMETTE_COMMIT": "The commit that a job is about; six characters are enough. Runs are filed under it whatever is "
    "checked out, and say so. `-c` precedes it.",
    "PALMETTE_BASE": "The commit that a merge request's changes are counted from.",
    "PALMETTE_TARGET_BRANCH": "The branch that a merge request is to be merged into.",
    "PALMETTE_DEFAULT_BRANCH": "The repository's default branch, where neither the setting nor the clone says.",
    "PALMETTE_TAG": "The tag that a job is about.",
    "PALMETTE_MERGE_REQUEST": "The number of the merge request that a job is for.",
    "PALMETTE_OVERRIDES": "Values for `palmette ci run` where it is given none, parted by spaces and quoted as in a "
    'shell: `C=0.1 "title=two words"`. No shell reads them.',
    "PALMETTE_TARGET": "The Kubeflow that verbs work on, one of `targets`; `home` for Palmette's own. It precedes "
    "`target` of [tool.palmette.ci], and `--target` both.",
    "PALMETTE_JOB": "What identifies the job, in a CI that is not known.",
    "PALMETTE_JOB_URL": "The address of the job's page.",
    "PALMETTE_PIPELINE": "What identifies the pipeline that the job is of: a job that is started again in it finds its "
    "runs.",
    "PALMETTE_PIPELINE_URL": "The address of the pipeline's page.",
    "JIRA_URL": "The address of JIRA, for the texts of tickets: `https://acme.atlassian.net`.",
    "JIRA_USER": "Who asks JIRA. With JIRA's own token of Data Center it is not set.",
    "JIRA_TOKEN": "What opens JIRA. It may be the path of a file that holds it, or stand in the file that "
    "JIRA_TOKEN_FILE names.",
    "SSL_CERT_FILE": "The authorities that a forge's or a tracker's certificate is verified by; REQUESTS_CA_BUNDLE and "
    "CURL_CA_BUNDLE after it.",
    "CI_SERVER_HOST": "GitLab's: its host, the only one that CI_SERVER_TLS_CA_FILE counts for.",
    "CI_SERVER_TLS_CA_FILE": "GitLab's: the authority of its own certificate, for the host that CI_SERVER_HOST names.",
    "HTTPS_PROXY": "The proxy through which forges and trackers are asked, with HTTP_PROXY, ALL_PROXY and NO_PROXY.",
    "PALMETTE_FORGE_TOKEN": "What opens GitLab or GitHub for `palmette ci report` and `palmette ci settle`: on GitLab "
    "a project access token with the scope `api`. It goes to the address that the job names, and nowhere else.",
    "GITLAB_TOKEN": "The same on GitLab, where PALMETTE_FORGE_TOKEN is not set.",
    "GITHUB_TOKEN": "The same on GitHub; GH_TOKEN after it.",
    "CI_JOB_TOKEN": "GitLab's: reads branches where there is no other token. It may not write notes.",
    "GITHUB_STEP_SUMMARY": "GitHub's: the file to which `palmette ci report` appends what a job's page shows.",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "GitLab's: the branch that a merge request's runs are compared with.",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": "GitLab's: the commit at which the walk to their baseline begins.",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "GitLab's, with merged results: the commit of the branch itself.",
    "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "GitLab's, with merged results: the commit of the target branch that is "
    "tested with it, at which the walk begins then.",
    "CI_COMMIT_SHA": "GitLab's: the commit that its pipeline is about. Of others the variables above say nothing.",
    "CI_DEFAULT_BRANCH": "GitLab's: the branch that others are compared with, where the clone does not say.",
    "GIT_AUTHOR_NAME": "Who promotes a run or pins a baseline here. Without it: Git's `user.name`.",
    "GITLAB_USER_NAME": "GitLab's: who started the pipeline, and so promotes or pins, where Git names nobody.",
    "GITHUB_ACTOR": "The same of GitHub's.",
    "GITHUB_BASE_REF": "GitHub's: the branch that a pull request's runs are compared with.",
    "GITHUB_SHA": "GitHub's: the commit that a workflow is about; of a pull request one that merges it.",
}

#: What the commands print with --json that no sample shows.
PRINTED: Final = {
    "init": "an object: `directory`, and the names of files that were `written` and `kept`",
    "check": "an object: `algorithms` (name, good, tasks, fields, files), `problems` (where, what, hint), `notes`. "
    "With `--determinism` a list of algorithms with the verdict on each of their `steps`",
    "capture": "an object: `bundle`, its `files`, what each of the `steps` reaches, `third_party`, `left`, `warnings`",
    "compile": "an object: `bundle`, `bytes`, `path`, `warnings`; `pipeline` where no file was named",
    "rerun": "one run, as `run` does",
    "resume": "one run, as `run` does; of a sweep what `sweep` prints",
    "cancel": "an object: `run_id`, `state`",
    "reproduce": "the certificate, as an object",
    "logs": "a list of lines: `step`, `text`",
    "artifacts": "a list of artifacts and values: `name`, `type`, and `digest`, `size` … or `value`",
    "artifacts get": "an object: `path`, `size`",
    "diff": "an object: `verdict` and `scope` (`model`, `change`) with `sentence` and `decided_by`, `gate` and "
    "`gates`, `head`, `baseline` and how that was found (`choice`), what differs in `commits`, `files`, `diff`, "
    "`config`, `code`, `environment`, `data`, `moved`, `reruns`, `tasks`, all `metrics`, each with what is concluded "
    "of it (`judged`), and `numbers`",
    "ci context": "an object: `provider`, `cause`, `branch`, `commit`, `head`, `base`, `target`, `default_branch`, "
    "`merge_request`, `job`, `pipeline`, `deadline` …, `on_default`, `remarks`, and under `sources` where each of it "
    "comes from",
    "ci update": "an object: `project`, `branch`, `tag`, `commit`, `host`, `dry_run`, `versions` (each an `algorithm`, "
    "its `name` and ids, whether it was `already_there`), the `experiment` and what was `done` about it, the branch's "
    "`head`, why it `stays` elsewhere, `recurring_runs` (whether each was `moved`, from and to which version, and "
    "`why`), `warnings`",
    "ci plan": "an object: `branch`, `commit`, `against` (the branch compared with), `algorithms` (each whether it "
    "would `run`, the `finding`, the `reason`, what `changed`, `since` which run, and the digest of its `closure`), "
    "`remarks`",
    **dict.fromkeys(
        ("ci toy", "ci run"),
        "an object: `runs` (each an `algorithm`, its `kind`, `run_id` and `state`, whether it is `unchanged` and was "
        "`attached` to, the `reason`, the `commit`, a `link`, and the `error` of one that could not be begun), "
        "`remarks`",
    ),
    "ci report": "an object: `project`, `commit`, `branch`, `merge_request`, `algorithms` (each with whether it "
    "`trains` and its `quality`, both a `stage` and a `run`, and the `comparison` as `palmette diff` prints it, null "
    "before there is one), what became of it on the `forge` (`note`, `statuses`, `remarks`), the `files` that were "
    "written",
    "ci settle": "an object of lists of trainings (`algorithm`, `commit`, `kind`, `run`, `outcome`, `trouble`): "
    "those `settled` now, those that are `running`, `troubled`, `given_up`, and those `left` to a later call",
    "ci init": "an object: `files` (each a `path`, its `standing`: written, same or differs, and the `difference`), "
    "`variables` to set (`name`, `why`, whether it is `secret`); with `--print` the `files` with their `text`",
    "ci gc": "an object: whether it was `done`, the `source` that named the `branches`, those that are `gone` (each a "
    "`branch`, `what` became of it, since when it is gone and when it is `due_at`, its `experiment_id`, `runs` and "
    "`recurring_runs`), `thinned_runs` and why others were `spared`, how many `orphaned_commits`, `remarks`",
    "branches": "an object: the `branches`, those first that need somebody (each what it `needs` and `why`, its "
    "`head`, `author`, `target`, `fork`, how far `ahead` and `behind` …), the `total`, how many of each of the "
    "`needs`, how many are `gone`; of a BRANCH one entry of that list with its `experiment`, what was `tried`, "
    "`histories` of its metrics, `latest_runs`, `versions`",
    "mirror": "an object: `host`, the `runs` that were brought (`run_id` here, `host_id` there, `algorithm`, `state`, "
    "what was `lost`), how many are `foreign`, those that are `gone`",
    "pipeline": "a list: `pipeline_id`, `name`, `algorithm`, `description`, `created_at`, the `newest` version",
    "pipeline show": "one entry of that list, with its `versions`, and under `version` the one that is shown and the "
    "`parameters` that it takes",
    "pipeline versions": "a list: `version_id`, `pipeline_id`, `name`, `description`, `created_at`, and under `facts` "
    "what Palmette knows of it (`branch`, `commit`, `closure` …)",
    "pipeline upload": "one entry of that list, and whether it was `already_there`",
    "pipeline delete": "an object: `pipeline`, the `versions` and `recurring_runs` of it, whether they were `deleted`",
    "experiment": "a list: `experiment_id`, `name`, `branch`, `description`, `facts`, whether it is `archived`, "
    "`created_at`, `last_run_at`",
    "experiment show": "one entry of that list, with its newest `runs`",
    **dict.fromkeys(
        [f"experiment {verb}" for verb in ("create", "rename", "describe", "archive", "unarchive")],
        "one entry of the list that `experiment` prints",
    ),
    "schedule": "a list: `schedule_id`, `name`, the branch that it `follows`, `cron` or `every_seconds`, whether it is "
    "`enabled`, `pipeline_id`, `version_id`, `experiment_id`, the `parameters` that it was given, "
    "`max_concurrency`, `catchup`, `next_at`, `last_at` …",
    "schedule show": "one entry of that list, with the name of its `version`, the next `ticks`, its `edits`",
    "schedule edit": "one entry of that list, and whether it was `changed`",
    "schedule delete": "one entry of that list, and whether it was `deleted`",
    **dict.fromkeys(
        [f"schedule {verb}" for verb in ("create", "pause", "resume")],
        "one entry of the list that `schedule` prints",
    ),
    "schedule run": "an object: `run_id`, `name`, `state`, `experiment_id`, `pipeline_id`, `version_id`, "
    "`parameters` …",
    "schedule history": "a list: `author`, `why`, `at`, what was changed `before` and `after`",
    "why": "a list of steps: `state`, `cached_from` or `compared_with`, and what `changed`",
    "baseline": "a list: `project`, `algorithm`, `preset`, `branch` (null: of every branch), `run`, `author`, "
    "`reason`, `pinned_at`",
    "baseline unpin": "the same list, of those that it took away",
    "baseline pin": "one entry of that list",
    "baseline show": "an object: `run`, `baseline`, the `rule` and its `sentence`, `distance` in commits, "
    "`passed_over` (`run`, `commit`, `reason`), `remarks`, `same_data`, `alias`",
    "history": "an object: the `commits` (`commit`, `run`, `time`, `value`, `band` …), the oldest first, the "
    "`change_points`, how many runs were `not_counted` and why",
    "leaderboard": "an object: `rankings`, one for each test data, with their `runs`, best first (`value`, "
    "`to_the_best`, `branch`, `overrides`, `aliases` …), and how many of the first are `not_told_apart`",
    "promote": "an object: `alias`, `run_id`, the run `before` it, `by`, `reason`, `promoted_at`, what each of the "
    "`gates` said …, and whether it was that run `already`; listed, a list of such objects, with `current`",
    "sweep": "an object: `size`, `runs` with their `point`, `standings` with the best first. `run` prints it "
    "for a sweep",
    "sweeps": "a list of such objects",
    "views": "a list: `name`, `query`, `saved_at`",
    "views remove": "an object: `removed`",
    "tag": "a list: the tags that the run has then",
    "note": "an object: `note`",
    "import": "an object: what each column was taken for, and which runs are new",
    "login": "an object: `name`, `url`, `caller`, `role`, `version`, `projects`, `file`; with `--list` a list of such "
    "objects, with `error` in place of `file`",
    "logout": "an object: `forgotten`",
    "push": "an object: `run_id`, `server`, `known` (it was there already), and how many `files` and `bytes` were sent",
    "gc": "an object: what can be deleted, or was, by `kinds`, with `bytes`",
    "serve": "an object once it answers: `url`, `home`, `database`",
    "secret": "a list: `name`, `project`, its `keys` and their age; never a value",
    "secret set": "an object: `name`, `project`, the `keys` that were set",
    "secret delete": "an object: `name`, `project`, how many keys were `deleted`",
    "secret rekey": "an object: how many `values` were encrypted anew",
    "configmap": "a list: `name`, `project`, its `keys` and their age",
    "configmap set": "an object: `name`, `project`, the `keys` that were set",
    "configmap show": "one entry of that list, with its `values`; of a KEY its value alone",
    "configmap delete": "an object: `name`, `project`, how many keys were `deleted`",
    "volume": "a list: `name`, `project`, `path`, `size` …",
    "volume create": "one entry of that list",
    "volume delete": "an object: `name`, `project`",
    "token": "a list: `name`, `role`, and when it was made, used, and expires",
    "token create": "one entry of that list, with the `token`, this once",
    "token revoke": "an object: `revoked`",
}

#: Variables that a step finds set, beside PATH, HOME, locale, proxies and certificates, and what it declared.
GIVEN: Final = {
    "PALMETTE_EVENTS": "The file to which `log_metric` and `progress` write.",
    "PALMETTE_THREADS": "How many threads the step may use: the cores it was given.",
    "PALMETTE_BUNDLES": "The directory of unpacked bundles.",
    "PALMETTE_PROJECT": "The project's directory, so that tracebacks can show its paths.",
    "PALMETTE_SOURCES": "The directories of the project's own modules, which are refused in favour of the bundle's.",
    "PALMETTE_SECRETS": "The names of the variables that hold secrets; their values are blotted out of the output.",
    "PALMETTE_BUNDLE": "The unpacked bundle that the step runs from, where it was not started by the container's "
    "program.",
    "PALMETTE_CLOSURE": "The digest of the definitions that the step reaches.",
    "PALMETTE_ENVIRONMENT": "The digest of the pinned packages.",
    "CUDA_VISIBLE_DEVICES": "The GPUs that the step was handed.",
}


#: The settings that are tables, and what they are read into.
_TABLES: Final[Mapping[str, type[Continuous] | type[Target]]] = {"ci": Continuous, "targets": Target}


def pages() -> Mapping[str, str]:
    """Every page by its file name."""
    makers: Mapping[str, Callable[[], Iterator[str]]] = {
        "cli.md": _cli,
        "settings.md": _settings,
        "errors.md": _errors,
        "authoring.md": _authoring,
        "python.md": _python,
        "testing.md": _testing,
        "json.md": _json,
        "api.md": _api,
        "store.md": _store,
    }
    return {name: _MADE + "\n".join(maker()).rstrip() + "\n" for name, maker in makers.items()}


def _cli() -> Iterator[str]:
    yield "# Commands\n"
    yield from _help(command, "palmette", None)
    for verb in VERBS:
        found = command.get_command(click.Context(command), verb)
        assert found is not None
        yield f"\n## palmette {verb}\n"
        yield from _help(found, verb, "palmette")
        if isinstance(found, click.Group):
            for name in found.list_commands(click.Context(found)):
                below = found.get_command(click.Context(found), name)
                assert below is not None
                yield f"\n### palmette {verb} {name}\n"
                yield from _help(below, name, f"palmette {verb}")


def _help(verb: click.Command, name: str, parent: str | None) -> Iterator[str]:
    above = click.Context(command, info_name=parent) if parent else None
    names = ["-h", "--help"]
    context = click.Context(
        verb, info_name=name, parent=above, terminal_width=80, max_content_width=80, help_option_names=names
    )
    yield "```text"
    yield verb.get_help(context)
    yield "```"


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield "In `pyproject.toml`, below `[tool.palmette]`. A key that is not here is an error.\n"
    for option in SETTINGS:
        default = "" if option.default is None else f", by default `{json.dumps(option.default)}`"
        yield f"## {option.name}\n"
        yield f"{option.allowed[0].upper()}{option.allowed[1:]}{default}.\n"
        yield f"{option.description}\n"
        if option.name in _TABLES:
            yield from _keys(_TABLES[option.name])
            yield ""
    yield "# Environment variables\n"
    yield "The command reads these:\n"
    yield from _table(("variable", "meaning"), [(f"`{name}`", text) for name, text in VARIABLES.items()])
    yield "\nA step finds these set:\n"
    yield from _table(("variable", "meaning"), [(f"`{name}`", text) for name, text in GIVEN.items()])


def _keys(kind: type[Continuous] | type[Target]) -> Iterator[str]:
    """The keys of a setting that is a table of its own."""
    notes, blank = _notes(kind), kind(**({"name": ""} if kind is Target else {}))
    rows = []
    for field in fields(kind):
        if field.name == "name":
            continue
        value = getattr(blank, field.name)
        meaning = notes[field.name]
        if isinstance(value, Enum):
            said = _notes(type(value))
            named = [(f'`"{one.value}"`', said.get(one.name, "")) for one in type(value)]
            each = [f"{name} ({told})" if told else name for name, told in named]
            meaning = f"{meaning}: {', '.join(each)}"
        shown = value.value if isinstance(value, Enum) else list(value) if isinstance(value, tuple) else value
        rows.append((f"`{field.name.replace('_', '-')}`", f"`{json.dumps(shown)}`", meaning))
    yield from _table(("key", "default", "meaning"), rows)


def _errors() -> Iterator[str]:
    yield "# Errors and exit codes\n"
    yield "```text"
    yield inspect.cleandoc(errors.__doc__ or "").rstrip()
    yield "```\n"
    found = [each for each in vars(errors).values() if _is_error(each)]
    yield from _table(
        ("error", "exit code", "meaning"),
        [(f"`{each.__name__}`", str(each.exit_code), inspect.getdoc(each) or "") for each in found],
    )
    yield "\nExit code 0 is success, 141 means that the reader of a pipe has gone."


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.PalmetteError)


def _authoring() -> Iterator[str]:
    yield "# Authoring\n"
    yield "Everything that `import palmette` offers to the code of a project.\n"
    for name in palmette.__all__:
        found = getattr(palmette, name)
        yield f"## {name}\n"
        yield f"```python\n{name}{_signature(found)}\n```\n"
        yield f"{_prose(inspect.getdoc(found) or '')}\n"
        if notes := _notes(found if isinstance(found, type) else None):
            yield from _table(("field", "meaning"), [(f"`{field}`", text) for field, text in notes.items()])
            yield ""
        if name == "step":
            yield "### Options of a step\n"
            types = _types(Options)
            notes = _notes(Options)
            yield from _table(
                ("option", "type", "meaning"),
                [(f"`{field}`", f"`{kind}`", notes.get(field, "")) for field, kind in types.items()],
            )
            yield ""


def _python() -> Iterator[str]:
    yield "# Python\n"
    yield "What `import palmette` offers for working with runs, in any program of the project's interpreter. "
    yield "[Runs from Python](../how-to/python.md) shows it at work.\n"
    for function in (client.run, client.get, client.runs, comparisons.compare, homes.connect):
        yield f"## palmette.{function.__name__}\n"
        yield f"```python\npalmette.{function.__name__}{_signature(function)}\n```\n"
        yield f"{_prose(inspect.getdoc(function) or '')}\n"
    told = (comparisons.Comparison, comparisons.Judged, comparisons.Gate, comparisons.Choice)
    for kind in (client.Run, client.Task, client.Outputs, client.Output, client.Point, *told, homes.Home):
        yield from _type_page(kind)


def _testing() -> Iterator[str]:
    yield "# Testing\n"
    yield "What `palmette.testing` offers to the tests of a project. [Test steps and algorithms](../how-to/testing.md)"
    yield "shows it at work.\n"
    for name in testing.__all__:
        found = getattr(testing, name)
        if isinstance(found, type):
            yield from _type_page(found)
            continue
        yield f"## {name}\n"
        yield f"```python\n{name}{_signature(found)}\n```\n"
        yield f"{_prose(inspect.getdoc(found) or '')}\n"


def _type_page(kind: type) -> Iterator[str]:
    """A class: what it is, its fields, and its members, each with its promise."""
    yield f"## {kind.__name__}\n"
    yield f"{_prose(inspect.getdoc(kind) or '')}\n"
    kinds = {name: text.partition(" = field(")[0] for name, text in _types(kind).items()}
    notes = _notes(kind)
    rows = [(f"`{name}`", f"`{kinds[name]}`", notes.get(name, "")) for name in kinds]
    # What a constructor sets, below a line that says what it is.
    given = re.findall(r"^ {8}#: (.+)\n {8}self\.(\w+) = ", inspect.getsource(kind), re.MULTILINE)
    rows += [(f"`{name}`", "`str`", _capital(note)) for note, name in given]
    for name, member in vars(kind).items():
        special = name in _SPOKEN
        if name.startswith("_") and not special:
            continue
        if isinstance(member, property):
            rows.append((f"`{name}`", f"`{_returned(member.fget)}`", _line(member)))
        elif isinstance(member, cached_property):
            rows.append((f"`{name}`", f"`{_returned(member.func)}`", _line(member)))
        elif inspect.isfunction(member) and (special or name not in kinds):
            called = _SPOKEN.get(name) or f"{name}{_short(member)}"
            rows.append((f"`{called}`", f"`{_returned(member)}`", _line(member)))
    yield from _table(("member", "type", "meaning"), rows)
    yield ""


#: methods that are not called by their names
_SPOKEN: Final = {"__getitem__": "[name]", "__iter__": "for … in", "__len__": "len(…)", "__fspath__": "os.fspath(…)"}


def _line(member: object) -> str:
    return _prose(" ".join((inspect.getdoc(member) or "").split()))


def _returned(function: object) -> str:
    return str(getattr(function, "__annotations__", {}).get("return", ""))


def _short(function: Callable[..., object]) -> str:
    names = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    return f"({', '.join('*' + each.name if each.kind is each.VAR_POSITIONAL else each.name for each in names)})"


def _signature(found: object) -> str:
    """As it is called; nothing where that says nothing."""
    if not callable(found) or (isinstance(found, type) and issubclass(found, str)):
        return ""
    signature = inspect.signature(found)
    if any("Unpack" in str(each.annotation) for each in signature.parameters.values()):
        return "(function=None, /, **options)"
    parts, kinds = [], [each.kind for each in signature.parameters.values()]
    for place, each in enumerate(signature.parameters.values()):
        if each.kind is each.KEYWORD_ONLY and each.KEYWORD_ONLY not in kinds[:place]:
            parts.append("*")
        parts.append(_parameter(each))
        if each.kind is each.POSITIONAL_ONLY and each.POSITIONAL_ONLY not in kinds[place + 1 :]:
            parts.append("/")
    line = f"({', '.join(parts)})"
    return line if len(line) < 70 else "(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default.replace('<factory>', '…')}"


def _prose(text: str) -> str:
    return text.replace("``", "`")


def _types(found: type) -> dict[str, str]:
    return {name: kind for name, kind in re.findall(r"^    (\w+): (.+)$", inspect.getsource(found), re.MULTILINE)}


def _notes(found: type | None) -> dict[str, str]:
    """What the `#:` lines above a class's fields say. Fields in a row without a line between them share it."""
    notes: dict[str, str] = {}
    if found is None:
        return notes
    text: list[str] = []
    for line in inspect.getsource(found).splitlines():
        stripped = line.strip()
        if stripped.startswith("#:"):
            text.append(stripped[2:].strip())
        elif match := re.match(r"    (\w+)(?:: | = )", line):
            if text:
                notes[match[1]] = _capital(" ".join(text))
            text = []
    return notes


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _json() -> Iterator[str]:
    detail, row = _sample()
    yield "# JSON\n"
    yield "What `--json` prints on standard output. Fields are added, never renamed; `null` means that there is none."
    yield "Times are ISO 8601 in UTC, sizes bytes. NaN and infinities, which JSON lacks, are `null`.\n"
    yield "## One run\n"
    yield "`palmette run --json` (when the run is over) and `palmette show --json`:\n"
    yield from _code("json", plain.detail(detail))
    yield ""
    yield from _table(
        ("field", "values"),
        [
            ("`state`", _choices(RunState)),
            ("`interrupted`", "true: nobody drives the run though it is not over; `palmette resume` continues it"),
            ("`provenance.*.source`", _choices(Source)),
            ("`tasks[].state`", _choices(TaskState)),
            ("`tasks[].attempts[].state`", _choices(AttemptState)),
            ("`tasks[].attempts[].how`", "`fork` of the template, or a fresh `process`; `why` says why"),
            ("`curves`", "metrics with more than one point"),
        ],
    )
    yield "\n## A list of runs\n"
    yield "`palmette runs --json` prints a list. Each entry has the fields above down to `note`, and:\n"
    listed = plain.rows([row])[0]
    assert isinstance(listed, dict)
    more = ("metrics", "task_count", "cached_count")
    yield from _code("json", {name: listed[name] for name in more})
    yield "\n`palmette runs --csv` has one row a run, with these columns and one for each config field and metric:\n"
    yield f"```text\n{','.join(plain.cells([row])[0])}\n```"
    yield "\n## The other commands\n"
    yield from _table(("command", "prints"), [(f"`palmette {verb}`", text) for verb, text in PRINTED.items()])
    yield "\n## States\n"
    yield "The same words are typed in a search (`state = failed`). Screens call the states of a step so:\n"
    yield from _table(
        ("state", "on screens"), [(f"`{state.value.lower()}`", word) for state, word in TASK_WORDS.items()]
    )


def _choices(states: type[RunState] | type[TaskState] | type[AttemptState] | type[Source]) -> str:
    return ", ".join(f"`{state.value.lower()}`" for state in states)


def _code(language: str, value: Json) -> Iterator[str]:
    yield f"```{language}\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


def _sample() -> tuple[Detail, Listed]:
    """A run that has something in every field."""
    model = Artifact(
        type="system.Model",
        digest="sha256:" + "f0" * 32,
        size=3712,
        filename="output.joblib",
        metadata={"format": "joblib", "filename": "output.joblib", "type": "sklearn.pipeline.Pipeline"},
    )
    attempt = Attempt(
        serial=1,
        number=1,
        state=AttemptState.SUCCEEDED,
        how="fork",
        queued=1767225600.0,
        started=1767225600.01,
        ended=1767225600.25,
        cpu_seconds=0.22,
        peak_memory=168_034_304,
        exit_code=0,
    )
    task = TaskRecord(
        name="build-and-fit",
        component="build_and_fit",
        state=TaskState.SUCCEEDED,
        needs=("fetch-dataset",),
        fingerprint="0a" * 32,
        outputs=Outputs(parameters={}, artifacts={"output": model}),
        started=1767225600.01,
        ended=1767225600.25,
        attempts=(attempt,),
    )
    run = Run(
        id="x44t6tzj3yzn",
        project="clinic",
        algorithm="tumour",
        state=RunState.SUCCEEDED,
        name="tumour C=0.1",
        settings=(
            Setting(name="C", value=0.1, source=Source.OVERRIDE),
            Setting(name="seed", value=0),
        ),
        git=Git(branch="main", commit="9f" * 20, author="Ada <ada@example.org>", message="Train two algorithms"),
        bundle="ce" * 32,
        environment=Environment(
            digest="5d" * 32,
            python="3.11.7",
            platform="linux-x86_64-glibc",
            lock="requirements.txt",
            pins=(Pin(name="scikit-learn", version="1.9.1"),),
        ),
        host=Host(name="ward-7", boot="", cpus=2, memory=8_589_934_592),
        created=1767225600.0,
        started=1767225600.0,
        ended=1767225600.6,
        tags=("thesis",),
        note="as in the paper",
    )
    points = tuple(
        MetricPoint(name="loss", value=value, step=step, time=1767225600.1) for step, value in enumerate((0.9, 0.5))
    )
    metrics = {"auc": 0.9929, "loss": 0.5}
    return Detail(run=run, tasks=(task,), metrics=metrics, curves={"loss": points}), Listed(
        run=run, metrics=metrics, tasks=4, cached=1
    )


#: The groups of routes in the order of the page; a group is a tag of the description.
_SERVICES: Final = {
    "HealthzService": "Whether it is there",
    "AuthService": "Authorisation",
    "ExperimentService": "Experiments",
    "PipelineService": "Pipelines and versions",
    "PipelineUploadService": "Uploads",
    "RunService": "Runs",
    "RecurringRunService": "Recurring runs",
}


def _api() -> Iterator[str]:
    yield "# HTTP API\n"
    yield (
        "What [`palmette serve`](../how-to/serve.md) answers. `/openapi.json` describes every route for programs, with "
        "the schemas of messages and errors. *Role* is the least that a [token](../how-to/tokens.md) must have where "
        "one is demanded.\n"
    )
    yield "## Kubeflow Pipelines, v2beta1\n"
    yield (
        "As KFP's own server: field names with underscores, values that are zero or empty left out, 64-bit integers as "
        "text, times in RFC 3339. Lists take `page_token`, `page_size` (20 unless said, 200 at most), `sort_by` "
        '(`created_at desc`) and `filter` (`{"predicates": [{"operation": "EQUALS", "key": "name", '
        '"string_value": "adds"}]}`). A run that was canceled is FAILED here, since KFP\'s client would wait for it '
        "for ever. [Constructs](constructs.md) says what becomes of a pipeline.\n"
    )
    rows = sorted(kfp.ROWS, key=lambda row: list(_SERVICES).index(row.tag) if row.tag in _SERVICES else len(_SERVICES))
    for tag in dict.fromkeys(row.tag for row in rows):
        yield f"### {_SERVICES.get(tag, tag)}\n"
        yield from _routes([row for row in rows if row.tag == tag])
    yield "## Palmette\n"
    yield (
        "What KFP's API has no words for. Answers are what the verbs print with `--json` ([JSON](json.md)); an error "
        "is "
        '`{"error": {"type", "message", "hint", "problems": [{"where", "what", "hint"}]}}`. `project` in '
        "the query names the project that is meant. From Python: "
        "[`palmette.connect`](../how-to/team-server.md).\n"
    )
    yield from _routes(own.ROWS)


def _routes(rows: Sequence[Row]) -> Iterator[str]:
    table = []
    for row in rows:
        role = "–" if row.role is None else row.role.value
        query = ", ".join(f"`{name}`" for name in row.query)
        body = "" if row.body is None else _carried(row.body)
        table.append((f"`{row.method} {row.path}`", role, row.summary.replace("|", "\\|"), query, body))
    yield from _table(("route", "role", "what it does", "query", "body"), table)
    yield ""


def _carried(body: Content) -> str:
    named = str(body.schema.get("$ref", "")).rpartition("/")[2]
    fields = ", ".join(f"`{name}`" for name in body.schema.get("properties", {}))
    return f"`{named}`" if named else fields or body.media


def _store() -> Iterator[str]:
    yield "# The tables of a store\n"
    yield f"Revision `{schema.REVISION}`. The same on SQLite (`.palmette/store.db`) and PostgreSQL.\n"
    yield f"{(inspect.getdoc(schema) or '').partition(chr(10))[2].strip()}\n"
    yield "Reading them is safe while runs go on; writing to them is not supported.\n"
    notes = _schema_notes()
    schema.for_postgresql()
    for table in schema.metadata.tables.values():
        yield f"## {table.name}\n"
        if note := notes.get((table.name, "")):
            yield f"{note}\n"
        rows = [
            (f"`{column.name}`", _type(column), _key(column), notes.get((table.name, column.name), ""))
            for column in table.columns
        ]
        yield from _table(("column", "type", "", "meaning"), rows)
        for line in _indexes(table):
            yield f"\n{line}"
        yield ""


def _type(column: Column[object]) -> str:
    return f"{column.type}{'' if not column.nullable else ' or NULL'}"


def _key(column: Column[object]) -> str:
    targets = [f"→ `{key.target_fullname}`" for key in column.foreign_keys]
    return " ".join([*(["key"] if column.primary_key else []), *targets])


def _indexes(table: Table) -> Iterator[str]:
    names = [", ".join(f"`{column.name}`" for column in index.columns) for index in table.indexes]
    if names:
        yield f"Indexes: {'; '.join(sorted(names))}."


def _schema_notes() -> dict[tuple[str, str], str]:
    """What the `#:` lines in the schema say, by table and column; a table's own has the column ''."""
    notes: dict[tuple[str, str], str] = {}
    table, text = "", []
    for line in inspect.getsource(schema).splitlines():
        stripped = line.strip()
        if stripped.startswith("#:"):
            text.append(stripped[2:].strip())
            continue
        if made := re.match(r"(\w+) = Table\(", line):
            table = made[1]
        column = re.match(r'(?:Column|_text)\("(\w+)"', stripped)
        if text and (made or column):
            notes[table, column[1] if column else ""] = _capital(" ".join(text))
        text = []
    return notes


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"


def main() -> None:
    """Write every page; say which changed."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}\n")


if __name__ == "__main__":
    main()
