"""One step, carried out: its inputs read and bound, its function called, its outputs written.

Called in a fresh interpreter by the bootstrap, and in a fork by the template. Either ends the process the way Python
does (threads joined, exit handlers run, streams flushed) after `main` has returned, so `main` does none of that but the
flush; whatever ends the process by `os._exit` has to do the same first.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from palmette.authoring import events
from palmette.authoring.parameters import encode
from palmette.authoring.references import Reference
from palmette.authoring.signatures import Kind, Signature, signature_of
from palmette.authoring.source import resolve
from palmette.authoring.steps import Step
from palmette.domain.fields import Refused, accept
from palmette.domain.graph import Field, ParameterType
from palmette.domain.values import Json
from palmette.errors import ConfigError, DefinitionError, PalmetteError, Problem
from palmette.runtime import finder, formats, kept, pickles, program, request
from palmette.runtime.complaint import complain
from palmette.runtime.redaction import redact
from palmette.runtime.request import Placed, Request


def plainly(function: Callable[..., Any], positional: Sequence[Any], by_name: Mapping[str, Any]) -> Any:
    """Call a step's function."""
    return function(*positional, **by_name)


def main(
    arguments: Sequence[str],
    *,
    call: Callable[[Callable[..., Any], Sequence[Any], Mapping[str, Any]], Any] = plainly,
    tell: Callable[[BaseException, Mapping[str, str]], None] = complain,
) -> int:
    """Carry out the step that the arguments say: its target, the text of the ExecutorInput, the bundle's directory, and
    as JSON the config fields that some inputs come from. A debugger has its own way to `call` and to `tell`.

    Without the third, $PALMETTE_BUNDLE names the directory; without that too, Palmette's own parent is it, if it is a
    bundle. Returns 0, 1, or what the step gave to `sys.exit`.
    """
    target, text, *rest = arguments
    directory, fields, *_ = [*rest, "", ""]
    redact(os.environ)
    try:
        bundle = _prepare(directory or os.environ.get("PALMETTE_BUNDLE", ""))
        asked = request.parse(text)
        if request.KEPT in asked.outputs:
            kept.listen(asked)
        if fields:
            _check(json.loads(fields), asked.parameters)
        return _carry_out(target, asked, bundle, call)
    except PalmetteError as error:
        print(f"palmette: {error}", file=sys.stderr)
        # A command's own, where it is that which failed.
        return int(vars(error).get("exit_code", 1))
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:
        return _exit_code(leaving)
    except BaseException as error:  # noqa: BLE001 - the step's own failure, whatever it is; this is where it is told
        tell(error, os.environ)
        return 1
    finally:
        events.close()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def _prepare(bundle: str) -> str:
    """Serve the bundle's modules; where they are."""
    directory = Path(bundle) if bundle else Path(__file__).parents[2]
    served = bool(bundle) or (directory / "manifest.json").is_file()
    if served:
        finder.install(directory, os.environ)
    if path := os.environ.get("PALMETTE_EVENTS"):
        events.open(path)
    # The last resort, not a handler: a step that configures logging itself is not told that it is configured already.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.lastResort = handler
    if not logging.root.handlers and logging.root.level == logging.WARNING:
        logging.root.setLevel(logging.INFO)
    return str(directory) if served else ""


def _check(fields: Mapping[str, Mapping[str, Any]], given: Mapping[str, Json]) -> None:
    """Hold the values against the ranges and choices of the config fields that they come from: a form for running a
    pipeline knows a parameter's type, and nothing else of it."""
    problems = []
    for name, about in fields.items():
        try:
            if given.get(name) is not None:
                accept(Field(**{**about, "type": ParameterType(about["type"])}), given[name])
        except Refused as refusal:
            problems.append(Problem(where=about["name"], what=str(refusal), hint=refusal.hint))
    if problems:
        raise ConfigError("the config cannot be used", problems=problems)


def _carry_out(
    target: str,
    asked: Request,
    bundle: str,
    call: Callable[[Callable[..., Any], Sequence[Any], Mapping[str, Any]], Any],
) -> int:
    function, signature = _step(target)
    name = target.partition(":")[2]
    if hasattr(function, "words"):
        # Where the step works, so that what it makes can be moved and need not be copied.
        place = Path(tempfile.mkdtemp(prefix="palmette-", dir=Path.cwd() if os.access(".", os.W_OK) else None))
        made = program.carry_out(function, signature, dict(_texts(name, signature, asked)), place, bundle)
        _deliver(name, signature, made, asked)
        return 0
    positional, by_name = _bind(name, signature, asked)
    try:
        result = call(function, positional, by_name)
    except SystemExit as leaving:
        code = _exit_code(leaving)
        if code == 0 and signature.outputs:
            raise DefinitionError(f"step {name} called sys.exit before it gave its outputs", "Return them.") from None
        return code
    try:
        outputs = signature.spread(result)
    except TypeError as error:
        raise DefinitionError(f"step {name}: {error}", "Return what its annotation says.") from None
    del result
    _deliver(name, signature, outputs, asked)
    return 0


def _step(target: str) -> tuple[Callable[..., Any], Signature]:
    """The function, and what it takes and gives."""
    try:
        found = resolve(target)
    except AttributeError as error:
        if getattr(error, "name", None) not in target.partition(":")[2].split("."):
            raise
        raise DefinitionError(f"there is no step {target}", "Compile the pipeline again.") from None
    if isinstance(found, Step):
        return found.function, found.signature
    return found, signature_of(found)


def _texts(name: str, signature: Signature, asked: Request) -> Iterator[tuple[str, str | list[str]]]:
    """What stands in a command's words for its inputs."""
    for each, value in asked.parameters.items():
        yield each, program.text(value)
    many = {slot.name for slot in signature.slots if slot.kind and slot.kind.many}
    yield from ((each, []) for each in many)  # a backend may leave out an empty list
    for each, placed in asked.artifacts.items():
        found = [one.uri if one.remote else str(_read(name, each, one, Kind(format="path"))) for one in placed]
        yield each, found if each in many else found[0]


def _bind(name: str, signature: Signature, asked: Request) -> tuple[list[Any], dict[str, Any]]:
    kinds = {slot.name: slot.kind for slot in signature.slots}
    artifacts = {}
    for each, placed in asked.artifacts.items():
        found = [_read(name, each, one, kinds.get(each)) for one in placed]
        kind = kinds.get(each)
        artifacts[each] = found if kind and kind.many else found[0] if len(found) == 1 else found
    try:
        return signature.bind(asked.parameters, artifacts)
    except ValueError as error:
        raise ConfigError(f"step {name} was given a value that it does not take: {error}") from None


def _read(step: str, name: str, placed: Placed, kind: Kind | None) -> Any:
    try:
        if kind and kind.format == "reference":
            return kind.classes[0](placed.uri)
        if placed.remote:
            mounted = placed.path.is_absolute()  # as a launcher would have it
            what = f"its file is not there: {placed.path}" if mounted else "it is not on this machine"
            hint = "Annotate the parameter as Reference, and open its address with a library that reads it."
            raise PalmetteError(f"{what} ({placed.uri})", hint)
        return formats.read(placed.path, placed.metadata, kind)
    except PalmetteError as error:
        raise type(error)(f"step {step}, input {name!r}: {error.message}", error.hint) from error
    except Exception as error:
        error.add_note(f"(step {step}, while reading its input {name!r} from {placed.path})")
        raise


def _deliver(name: str, signature: Signature, outputs: Mapping[str, Any], asked: Request) -> None:
    """Write the outputs where they belong, and the answer when all of them are there."""
    parameters: dict[str, Json] = {}
    artifacts: dict[str, dict[str, Json]] = {}
    places = [Path(outputs[each]) for each, kind in signature.outputs.items() if _is_path(kind, outputs[each])]
    for output, kind in signature.outputs.items():
        value = outputs[output]
        try:
            if kind.parameter is None:
                spare = _is_path(kind, value) and _alone(Path(value), places)
                artifacts[output] = _write(value, output, kind, asked, spare=spare)
            elif value is not None or not kind.optional:
                parameters[output] = encode(kind.parameter, value)
        except PalmetteError as error:
            raise type(error)(f"step {name}: {error.message}", error.hint) from error
        except ValueError as error:
            if kind.parameter is None:
                raise
            about = "" if kind.sensitive else f": {error}"
            raise DefinitionError(
                f"step {name}: output {output!r} should be {kind.declared}, and is {type(value).__qualname__}{about}"
            ) from None
    if request.KEPT in asked.outputs:
        plain = {each: value for each, value in parameters.items() if not signature.outputs[each].sensitive}
        kept.keep(asked, plain, artifacts)
        artifacts[request.KEPT] = {}
    request.answer(asked, parameters, artifacts)


def _is_path(kind: Kind, value: Any) -> bool:
    return kind.format == "path" and isinstance(value, (str, PurePath))


def _alone(path: Path, paths: Sequence[Path]) -> bool:
    """Whether no other output is the same directory, in it, or around it."""
    real = path.resolve()
    others = [each.resolve() for each in paths]
    return sum(each.is_relative_to(real) or real.is_relative_to(each) for each in others) == 1


def _write(value: Any, name: str, kind: Kind, asked: Request, *, spare: bool = False) -> dict[str, Json]:
    """Write an artifact beside its place and move it there whole."""
    if name not in asked.outputs:
        raise DefinitionError(f"output {name!r} has no place in the pipeline", "Compile the pipeline again.")
    if kind.format == "reference":
        return _refer(value, name, kind)
    path = asked.outputs[name].path
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    metadata = formats.write(value, fresh, name, kind, spare=spare)
    if kind.custom or (kind.format == "joblib" and pickles.names_project(value)):
        given = (placed.metadata for each in asked.artifacts.values() for placed in each)
        metadata["code"] = pickles.code_digest(given, os.environ)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    fresh.replace(path)
    return metadata


def _refer(value: Any, name: str, kind: Kind) -> dict[str, Json]:
    """Say where data lies that is not copied."""
    if not isinstance(value, Reference):
        raise DefinitionError(f"output {name!r} should be Reference, and is {type(value).__qualname__}")
    if not (value.remote or value.path.is_absolute()):
        hint = "A relative path would lie in the step's own directory, which goes: return a Path to keep a file."
        raise DefinitionError(f"output {name!r} refers to {value}, which is neither an absolute path nor a URI", hint)
    said: dict[str, Json] = {"format": "reference", "filename": PurePath(value).name, "type": "Reference"}
    return {**said, "uri": value.uri, **({"sensitive": True} if kind.sensitive else {})}


def _exit_code(leaving: SystemExit) -> int:
    """The exit code of `sys.exit`, whose text is printed as Python does."""
    if leaving.code is None or isinstance(leaving.code, int):
        return (leaving.code or 0) & 0xFF
    print(leaving.code, file=sys.stderr)
    return 1
