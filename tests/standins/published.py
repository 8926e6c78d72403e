"""Kubeflow Pipelines' published API, as its own Python package has it: paths, methods, queries, messages."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_SERVICES: Final = ("experiment", "healthz", "pipeline", "pipeline_upload", "recurring_run", "run")
_PREFIX: Final = "/apis/v2beta1"
_LISTS: Final = re.compile(r"list\[(.+)\]")
_MAPS: Final = re.compile(r"dict\(str, (.+)\)")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One thing that can be asked."""

    name: str
    method: str
    path: str
    queries: frozenset[str]
    #: names of messages; empty for none
    body: str = ""
    reply: str = ""

    def matches(self, method: str, path: str) -> bool:
        """Whether this is what is asked."""
        pattern = re.sub(r"\\\{[\w.]+\\\}", "[^/:]+", re.escape(self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None


@cache
def calls() -> tuple[Call, ...]:
    """Everything that can be asked, but for what only a cluster's own parts say to each other."""
    return tuple(each for service in _SERVICES for each in _of(service) if each.path.startswith(_PREFIX))


def call(method: str, path: str) -> Call | None:
    """What is asked so; None for what the API has not."""
    return next((each for each in calls() if each.matches(method, path)), None)


def _of(service: str) -> Iterator[Call]:
    module = importlib.import_module(f"kfp_server_api.api.{service}_service_api")
    for holder in vars(module).values():
        if inspect.isclass(holder) and holder.__name__.endswith("Api"):
            for name, function in vars(holder).items():
                if name.endswith("_with_http_info"):
                    yield _read(name.removesuffix("_with_http_info"), inspect.getsource(function))


def _read(name: str, source: str) -> Call:
    path, method = re.findall(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source)[0]
    sent = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
    declared = re.search(rf":type {sent[1]}: (\w+)", source) if sent else None
    replied = re.search(r"response_type='([^']+)'", source)
    return Call(
        name=name,
        method=method,
        path=path,
        queries=frozenset(re.findall(r"query_params\.append\(\('([\w.]+)'", source)),
        body=declared[1] if declared else "",
        reply=replied[1] if replied else "",
    )


def unknown(kind: str, value: Any, where: str = "") -> Iterator[str]:
    """The fields in a value that its message does not have."""
    if found := _LISTS.fullmatch(kind):
        for entry in value if isinstance(value, list) else []:
            yield from unknown(found[1], entry, where)
    elif found := _MAPS.fullmatch(kind):
        for key, entry in value.items() if isinstance(value, dict) else []:
            yield from unknown(found[1], entry, f"{where}.{key}")
    elif (fields := _fields(kind)) is not None and isinstance(value, dict):
        for key, entry in value.items():
            if key not in fields:
                yield f"{where}.{key}".removeprefix(".")
            else:
                yield from unknown(fields[key], entry, f"{where}.{key}")


def pruned(kind: str, value: Any) -> Any:
    """The value with nothing in it but what its message has."""
    if found := _LISTS.fullmatch(kind):
        return [pruned(found[1], entry) for entry in value] if isinstance(value, list) else value
    if found := _MAPS.fullmatch(kind):
        return {key: pruned(found[1], entry) for key, entry in value.items()} if isinstance(value, dict) else value
    fields = _fields(kind)
    if fields is None or not isinstance(value, dict):
        return value
    return {key: pruned(fields[key], entry) for key, entry in value.items() if key in fields}


@cache
def _fields(kind: str) -> Mapping[str, str] | None:
    """The fields of a message and their kinds, as they are spelled on the wire; None for what is no message."""
    model = getattr(importlib.import_module("kfp_server_api.models"), kind, None)
    if model is None or not hasattr(model, "attribute_map") or "allowable_enum_values" in vars(model):
        return None
    return {spelled: model.openapi_types[name] for name, spelled in model.attribute_map.items()}
