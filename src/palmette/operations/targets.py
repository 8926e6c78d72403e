"""Kubeflows that pipelines are sent to: ``[tool.palmette.targets.cluster]`` with ``host = "https://…"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, TypeAlias

from palmette.domain.values import Json
from palmette.errors import Problem
from palmette.ir.dialects import Dialect
from palmette.operations.spelling import meant

_WHERE: Final = "[tool.palmette.targets"
_EXAMPLE: Final = 'Write: [tool.palmette.targets.cluster] with host = "https://kubeflow.example/pipeline".'


@dataclass(frozen=True, kw_only=True)
class Target:
    """A Kubeflow. What opens it stands in variables, never here."""

    name: str
    #: the address of its API; PALMETTE_KUBEFLOW_HOST precedes it
    host: str = ""
    #: the address of its pages; the host's, where it is empty
    ui: str = ""
    #: the namespace that is asked for, where the host has several
    namespace: str = ""
    #: where the cluster keeps what tasks write: "s3://ward/kubeflow"; needed to read what runs measured where the
    #: artifact route does not give it
    pipeline_root: str = ""
    #: what runs are executed as there
    service_account: str = ""
    #: the image of the steps; where it is empty, `image` of [tool.palmette]
    image: str = ""
    #: the versions that it is one of, as `palmette compile --dialect` names them
    dialect: str = Dialect.V2_0.value
    #: the name of the variable that holds a token, or the path of a file with it
    token_variable: str = ""
    #: the same of a cookie
    cookie_variable: str = ""
    #: header → the variable that holds its value, as {"X-Auth" = "KUBEFLOW_AUTH"}
    header_variables: Mapping[str, str] = field(default_factory=dict)
    #: more arguments of the official client, by their names: client_id, ssl_ca_cert, proxy …
    client: Mapping[str, str] = field(default_factory=dict)


Targets: TypeAlias = Mapping[str, Target]
_TABLES: Final = frozenset({"header_variables", "client"})
_NAMES: Final = {each.name.replace("_", "-"): each.name for each in fields(Target) if each.name != "name"}


def read(table: Json) -> tuple[Targets, tuple[Problem, ...]]:
    """Read the table; each thing that is not as it must be is a problem."""
    problems: list[Problem] = []
    if not isinstance(table, Mapping):
        return {}, (Problem(where=f"{_WHERE}]", what="must be a table of targets", hint=_EXAMPLE),)
    found = {name: _target(name, said, problems) for name, said in table.items()}
    return found, tuple(problems)


def _target(name: str, said: Json, problems: list[Problem]) -> Target:
    where = f"{_WHERE}.{name}]"
    if not isinstance(said, Mapping):
        problems.append(Problem(where=where, what="must be a table", hint=_EXAMPLE))
        return Target(name=name)
    values: dict[str, str | dict[str, str]] = {}
    for key, value in said.items():
        known = _NAMES.get(key)
        if known is None:
            hint = meant(key, _NAMES)
            problems.append(Problem(where=f"{where} {key}", what="there is no such setting", hint=hint))
        elif known in _TABLES:
            if isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()):
                values[known] = {str(inner): str(each) for inner, each in value.items()}
            else:
                problems.append(Problem(where=f"{where} {key}", what=f"{value!r} is no table of texts"))
        elif not isinstance(value, str):
            problems.append(Problem(where=f"{where} {key}", what=f"{value!r} is no text"))
        else:
            values[known] = value
    dialect = str(values.get("dialect", Dialect.V2_0.value))
    if dialect not in (each.value for each in Dialect if each is not Dialect.PALMETTE):
        names = ", ".join(each.value for each in Dialect if each is not Dialect.PALMETTE)
        problems.append(Problem(where=f"{where} dialect", what=f"{dialect!r} is not known", hint=f"One of: {names}."))
    return Target(name=name, **values)  # type: ignore[arg-type]  # each was looked at above
