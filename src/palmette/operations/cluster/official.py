"""Kubeflow's official client, opened as a target says and as nothing else does: no variable and no file of another
cluster leaks in. What it raises becomes Palmette's errors here."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from palmette.domain.footer import signed, split
from palmette.errors import (
    AccessDenied,
    AlreadyThere,
    Conflict,
    NotFound,
    PalmetteError,
    Problem,
    ProjectError,
    ServerError,
    UsageError,
)
from palmette.operations.targets import Target

#: the variable whose address precedes a target's
HOST_VARIABLE: Final = "PALMETTE_KUBEFLOW_HOST"
#: seconds to be let in, and to be answered
_TIMES: Final = (5.0, 60.0)
#: seconds before a question is asked again that a cluster was not ready for
_PAUSES: Final = (0.3, 1.0, 3.0)
#: gRPC's code for what the state of things forbids
_PRECONDITION: Final = 9
_BUSY: Final = (500, 502, 503, 504)
#: what MySQL says where a text does not fit; characters of descriptions that fit everywhere; facts that go first
_TOO_LONG: Final = re.compile(r"[Dd]ata too long|Error 1406|value too long")
_COLUMN: Final = 255
_LEAST: Final = ("edits", "wrote", "made", "tickets", "closure", "document", "schedule")
_LESS: Final = ("commit", "algorithm", "preset")
_EXTRA: Final = "Install it: pip install 'palmette[kubeflow]' (or uv tool install 'palmette[kubeflow]')."
#: arguments of the client that a target may give; those that open a door only through a variable
_ARGUMENTS: Final = ("client_id", "other_client_id", "other_client_secret", "ssl_ca_cert", "proxy", "verify_ssl")
_SECRET: Final = ("other_client_secret",)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What opens a cluster, as it is now."""

    token: str = ""
    cookie: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, target: Target, environ: Mapping[str, str]) -> Keys:
        """From the variables that the target names, and from the files that those name: a token may be another one by
        the next question. ProjectError with every variable that is not set."""
        wanted = {"token": target.token_variable, "cookie": target.cookie_variable, **target.header_variables}
        missing = [name for name in wanted.values() if name and not environ.get(name, "").strip()]
        if missing:
            where = f"[tool.palmette.targets.{target.name}]"
            raise ProjectError(
                f"the target {target.name!r} cannot be opened",
                "In a CI, set it as a masked variable. It may hold a value, or the path of a file with it.",
                problems=[
                    Problem(where=where, what=f"it names the variable {name}, which is not set") for name in missing
                ],
            )
        found = {key: _value(environ[name]) for key, name in wanted.items() if name}
        headers = {name: found[name] for name in target.header_variables}
        return cls(token=found.get("token", ""), cookie=found.get("cookie", ""), headers=headers)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no message."""
        return tuple(filter(None, (self.token, self.cookie, *self.headers.values())))


def _value(text: str) -> str:
    """A variable's value, or what the file holds that it is the path of."""
    text = text.strip()
    with suppress(OSError, ValueError):
        if text.startswith(("/", "./")) and Path(text).is_file():
            return Path(text).read_text(encoding="utf-8").strip()
    return text


def address(target: Target, environ: Mapping[str, str]) -> str:
    """Where its API is; ProjectError where nobody says, or what is said is no address."""
    said = environ.get(HOST_VARIABLE, "").strip() or target.host.strip()
    hint = f'Write host = "https://kubeflow.example/pipeline", or set {HOST_VARIABLE}.'
    if not said:
        raise ProjectError(f"the target {target.name!r} has no host", hint)
    try:
        found = urlsplit(said)
        _ = found.port
    except ValueError:
        raise ProjectError(f"the host of the target {target.name!r} is no URL", hint) from None
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ProjectError(f"the host of the target {target.name!r} is no URL", hint)
    if found.username or found.password or found.query or found.fragment:
        raise ProjectError(f"the host of the target {target.name!r} has a user, a password or a query in it", hint)
    return said.rstrip("/")


def arguments(target: Target, environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of the client that the target gives: "$NAME" is the variable NAME. ProjectError with all that is
    wrong with them."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in target.client.items():
        where = f"[tool.palmette.targets.{target.name}] client.{name}"
        if name not in _ARGUMENTS:
            hint = f"There are: {', '.join(_ARGUMENTS)}. A token, a cookie and headers have settings of their own."
            problems.append(Problem(where=where, what="no such argument is handed on", hint=hint))
        elif name in _SECRET and not text.startswith("$"):
            hint = "Set a variable, and write its name with a $ before it."
            problems.append(Problem(where=where, what="a secret does not belong in this file", hint=hint))
        elif text.startswith("$") and not environ.get(text[1:], "").strip():
            problems.append(Problem(where=where, what=f"it names the variable {text[1:]}, which is not set"))
        else:
            given = _value(environ[text[1:]]) if text.startswith("$") else text
            found[name] = given.lower() not in ("false", "no", "0") if name == "verify_ssl" else given
    if problems:
        raise ProjectError(f"the target {target.name!r} cannot be used", problems=problems)
    return found


class Line:
    """The way to a cluster."""

    def __init__(self, target: Target, environ: Mapping[str, str], *, pauses: Sequence[float] = _PAUSES) -> None:
        try:
            kfp, self.models = import_module("kfp"), import_module("kfp_server_api")
            self._lost = import_module("urllib3.exceptions").HTTPError
            retry = import_module("urllib3").Retry
        except ImportError as error:
            what = f"the target {target.name!r} is a Kubeflow, and its client is not installed ({error.name})"
            raise UsageError(what, _EXTRA) from error
        self.target, self._environ, self._pauses = target, environ, pauses
        self.url = address(target, environ)
        self.keys = Keys.read(target, environ)
        # Nothing is asked of another host than this one: what is sent along opens it.
        patience = retry(total=None, connect=2, read=0, redirect=False, status=0, other=0, backoff_factor=0.2)
        self._client = self._opened(kfp, patience, arguments(target, environ))
        health = self.ask("healthzs", "healthz_service_get_healthz")
        #: empty where there is one namespace for all
        self.namespace = self._namespace(bool(getattr(health, "multi_user", False)))

    def _opened(self, kfp: Any, patience: Any, given: Mapping[str, Any]) -> Any:
        own = _isolated(kfp.Client, self.target.namespace, given.get("client_id"), patience)
        said: dict[str, Any] = {"host": self.url, "ui_host": self.target.ui or self.url, **given}
        if self.keys.token:
            said["existing_token"] = self.keys.token
        if self.keys.cookie:
            said["cookies"] = self.keys.cookie
        with warnings.catch_warnings():
            # It says at each start which versions it works with.
            warnings.simplefilter("ignore")
            client = own(**said)
        pool = _line(client).rest_client.pool_manager
        # In older versions of urllib3 what a pool was told of redirects does not count.
        pool.request = partial(pool.request, redirect=False)
        self._dress(client)
        return client

    def _dress(self, client: Any) -> None:
        """Give it the keys that it is to show from now on."""
        line = _line(client)
        if self.keys.token:
            line.configuration.api_key["authorization"] = self.keys.token
        line.cookie = self.keys.cookie or None
        for name, value in self.keys.headers.items():
            line.set_default_header(name, value)

    def _namespace(self, several: bool) -> str:
        if not several:
            return ""
        if not self.target.namespace:
            raise ProjectError(
                f"{self.called} has a namespace for each team, and the target {self.target.name!r} names none",
                f"Write namespace in [tool.palmette.targets.{self.target.name}].",
            )
        return self.target.namespace

    @property
    def called(self) -> str:
        """The cluster in messages."""
        return f"{self.target.name} ({self.url})"

    def ask(self, group: str, call: str, /, *values: Any, again: bool = True, **named: Any) -> Any:
        """What a function of the published API gives; `again`: it may be said twice, where the cluster was not ready.
        A token that is not taken any more is read anew from where it came."""
        question = partial(self._asked, group, call, *values, **named)
        for pause in (*self._pauses, None):
            try:
                return self._once(question)
            except _Busy as error:
                if pause is None or not again:
                    raise error.meant from None
                time.sleep(pause)
        raise AssertionError  # the last turn returns or raises

    def read(self, path: str, parts: Mapping[str, str]) -> Any:
        """What is found at a path that clusters answer and the client has no function for; asked once."""
        try:
            return self._once(partial(self._got, path, dict(parts)))
        except _Busy as error:
            raise error.meant from None

    def _got(self, path: str, parts: dict[str, str]) -> Any:
        line = self._client.runs.api_client
        said: dict[str, Any] = {"header_params": {"Accept": "application/json"}, "auth_settings": ["Bearer"]}
        return line.call_api(
            path, "GET", parts, **said, response_type="object", _return_http_data_only=True, _request_timeout=_TIMES
        )

    def make(self, find: Callable[[], Any], group: str, call: str, /, *values: Any, **named: Any) -> Any:
        """As `ask`, of a function that makes something, which must not be made twice: where no answer came, it is
        looked for before it is asked for again."""
        try:
            return self.ask(group, call, *values, again=False, **named)
        except AccessDenied:
            raise
        except ServerError:
            there = find()
            return there if there is not None else self.ask(group, call, *values, again=False, **named)

    def describe(self, description: str, make: Callable[[str], Any]) -> Any:
        """What `make` gives that is told a description; told a shorter one where a column takes no more."""
        try:
            return make(description)
        except _TooLong:
            return make(shortened(description))

    def _asked(self, group: str, call: str, /, *values: Any, **named: Any) -> Any:
        function = _function(getattr(self._client, group), call)
        found = function(*values, _request_timeout=_TIMES, **named)
        kind = function.__self__.api_client.last_response.getheader("content-type") or ""
        if "html" in kind.lower():
            # The client takes it for an answer without any fields.
            raise ValueError("a page came back (text/html), as of a proxy that wants somebody to log in")
        return found

    def _once(self, question: Callable[[], Any]) -> Any:
        try:
            return self._answered(question)
        except _Unknown as error:
            before = self.keys
            self.keys = Keys.read(self.target, self._environ)
            if self.keys == before:
                raise error.meant from None
            self._dress(self._client)
            try:
                return self._answered(question)
            except _Unknown as still:
                raise still.meant from None

    def _answered(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except self.models.ApiException as error:
            said, code = _said(error.body)
            if _TOO_LONG.search(str(error.body)):
                what = f"the database of {self.called} takes less: {self._clean(said) or 'a text is too long'}"
                raise _TooLong(what, "Older clusters take short names and descriptions. Ask its owner.") from None
            raise self._meant(int(error.status or 0), said, code) from None
        except self._lost as error:
            reason = getattr(error, "reason", None) or error
            what = f"{self.called} cannot be reached: {self._clean(_short(reason))}"
            raise _Busy(ServerError(what, f"Check the network, and host in {self._where}.")) from None
        except (ValueError, AttributeError, TypeError) as error:
            # What answers is no pipelines API: a page to log in, a proxy's.
            what = f"{self.called} does not answer as Kubeflow Pipelines do: {self._clean(_short(error))}"
            raise ServerError(what, f"Check host in {self._where}: it ends where /apis/v2beta1 begins.") from None

    @property
    def _where(self) -> str:
        return f"[tool.palmette.targets.{self.target.name}]"

    def _meant(self, status: int, said: str, code: int) -> Exception:
        said = self._clean(said)
        where = f"{self.called}: {said}" if said else f"{self.called} answered {status}"
        match status:
            case 401:
                named = self.target.token_variable or self.target.cookie_variable
                hint = f"Renew what {named} holds." if named else f"Name a token-variable in {self._where}."
                return _Unknown(AccessDenied(f"{self.called} does not know who asks: {said or 'answer 401'}", hint))
            case 403:
                return AccessDenied(f"{self.called} does not allow it: {said or 'answer 403'}", "Ask its owner.")
            case 404:
                return NotFound(where)
            case 409:
                return AlreadyThere(where)
            case 429:
                return _Busy(ServerError(where, "Try again later."))
            case 400 | 412 | 422:
                return Conflict(where) if code == _PRECONDITION else UsageError(where)
            case _ if status in _BUSY:
                return _Busy(ServerError(where, "Try again later."))
            case _:
                return ServerError(where, f"Check host in {self._where}." if 300 <= status < 400 else "")

    def _clean(self, text: str) -> str:
        for secret in self.keys.secrets:
            text = text.replace(secret, "…")
        return text


class _TooLong(UsageError):
    """A column of its database does not take what it is told: mostly the description."""


class _Busy(Exception):
    """It may be ready a moment later."""

    def __init__(self, meant: PalmetteError) -> None:
        super().__init__(str(meant))
        self.meant = meant


class _Unknown(Exception):
    """It wants another token."""

    def __init__(self, meant: PalmetteError) -> None:
        super().__init__(str(meant))
        self.meant = meant


def _line(client: Any) -> Any:
    """What all functions of the client ask with."""
    return _function(client.runs, "run_service_list_runs").__self__.api_client


def _function(group: Any, call: str) -> Any:
    """A function of the client; the first versions did not name its service in it."""
    return getattr(group, call, None) or getattr(group, call.partition("_service_")[2])


def shortened(description: str) -> str:
    """A description within the 255 characters that columns of older clusters have: the facts that matter least go
    first, then the end of the text."""
    text, facts = split(description)
    for name in _LEAST:
        if len(signed(text, facts)) <= _COLUMN:
            break
        facts.pop(name, None)
    for name in _LESS:
        if len(signed("", facts)) > _COLUMN:
            facts.pop(name, None)
    room = _COLUMN - len(signed("", facts)) - 3
    return signed(text if len(text) <= room else f"{text[: max(0, room)]}…", facts)


def _said(body: Any) -> tuple[str, int]:
    """The sentence in an error's body, in either of the forms that there are, and gRPC's code."""
    try:
        found = json.loads(body)
        short = [each.get("message") for each in found.get("details") or () if isinstance(each, dict)]
        said = next(filter(None, [*short, found.get("message"), found.get("error_message")]), "")
        return _short(said), int(found.get("code") or 0)
    except (ValueError, TypeError, AttributeError):
        return "", 0


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def _isolated(official: Any, namespace: str, client_id: str | None, patience: Any) -> Any:
    """The official client without what it takes from the environment and from a file of the user's."""

    class Own(official):  # type: ignore[misc]  # it is imported when a target is asked for
        """A client of one target."""

        def _load_config(self, host: str, _: str | None, *rest: Any) -> Any:
            # KF_PIPELINES_IAP_OAUTH2_CLIENT_ID is of another cluster, maybe.
            config = super()._load_config(host, client_id, *rest)
            config.retries = patience
            return config

        def _load_context_setting_or_default(self) -> None:
            # Whatever stands in ~/.config/kfp/context.json; a namespace of no meaning keeps it from asking for one.
            self._context_setting = {"namespace": namespace or "-"}

    return Own
