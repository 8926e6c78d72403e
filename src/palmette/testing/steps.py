"""A step, run as in production: in a process of its own, its inputs and outputs through their files."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from palmette.authoring.commands import Command
from palmette.authoring.parameters import decode, encode
from palmette.authoring.references import Reference
from palmette.authoring.signatures import Kind, Signature, Slot, kind_of, signature_of
from palmette.authoring.source import reference
from palmette.authoring.steps import Step
from palmette.domain.values import Json
from palmette.errors import DefinitionError, PalmetteError
from palmette.runtime import formats

#: Makes the step's module importable by the name that it has here, wherever the test runner loaded it from.
_PROGRAM: Final = """
import importlib.util, sys
name, file, *arguments = sys.argv[1:]
if file:
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
from palmette.runtime.task import main
sys.exit(main(arguments))
"""
#: what a step's process prints, in a message about its failure
_TAIL: Final = 30


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a step's process left: each output's file or text, and how it is read."""

    directory: Path
    signature: Signature
    parameters: Mapping[str, Json]
    #: output → what the runtime said of its file
    metadata: Mapping[str, Mapping[str, Json]]
    #: output → where the runtime said that it lies
    uris: Mapping[str, str]
    log: str

    def path(self, output: str) -> Path:
        """Where the artifact's file lies."""
        return self.directory / "outputs" / output

    def address(self, output: str) -> Reference | None:
        """What the step referred to, where that is the output."""
        return Reference(self.uris[output]) if self.signature.outputs[output].format == "reference" else None

    def value(self, output: str) -> Any:
        """An output as the next step would have it."""
        kind = self.signature.outputs[output]
        if kind.parameter is not None:
            return decode(kind.parameter, self.parameters.get(output))
        if (address := self.address(output)) is not None:
            return address
        return formats.read(self.path(output), self.metadata[output], kind)


def run_step(step: Callable[..., Any], /, **inputs: Any) -> Any:
    """Run a step in a process of its own, its inputs and outputs written to files and read back, as in a run.

    Gives what the step returned: one value, or several under their names. A step that fails is an AssertionError with
    the end of what it printed. Nothing is cached and nothing is recorded.

    >>> run_step(double, number=21)
    42
    """
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        made = carry_out(step, inputs, Path(directory))
        values = {name: made.value(name) for name in made.signature.outputs}
        return _gathered(step, values)


def _gathered(step: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """The outputs as the step returned them."""
    if not values:
        return None
    if [*values] == ["output"]:
        return values["output"]
    function = step.function if isinstance(step, Step) else step
    declared = inspect.signature(function, eval_str=True).return_annotation
    if isinstance(declared, type) and (is_dataclass(declared) or hasattr(declared, "_fields")):
        return declared(**values)
    if all(name == f"output_{number}" for number, name in enumerate(values, 1)):
        return tuple(values.values())
    return SimpleNamespace(**values)


def carry_out(
    step: Callable[..., Any], inputs: Mapping[str, Any], directory: Path, environ: Mapping[str, str] | None = None
) -> Made:
    """Run the step in this directory, with these variables beside the usual ones; its files."""
    signature = step.signature if isinstance(step, Step) else signature_of(step)
    if signature.problems:
        raise DefinitionError(f"{_name(step)} is no step: {signature.problems[0][0]}", signature.problems[0][1])
    target, module, file = _target(step)
    work = directory / "work"
    for place in (work, directory / "inputs", directory / "outputs"):
        place.mkdir(parents=True)
    _lend(step, work)
    text = json.dumps(_message(step, signature, inputs, directory))
    done = subprocess.run(
        [sys.executable, "-u", "-c", _PROGRAM, module, file, target, text],
        cwd=work,
        env={**_surroundings(), **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    answer = directory / "answer.json"
    if done.returncode or not answer.exists():
        tail = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-_TAIL:])
        raise AssertionError(f"step {_name(step)} failed with exit code {done.returncode}; it printed:\n{tail}")
    said = json.loads(answer.read_text(encoding="utf-8"))
    artifacts = {name: each["artifacts"][0] for name, each in said.get("artifacts", {}).items()}
    return Made(
        directory=directory,
        signature=signature,
        parameters=said.get("parameterValues", {}),
        metadata={name: each.get("metadata", {}) for name, each in artifacts.items()},
        uris={name: each.get("uri", "") for name, each in artifacts.items()},
        log=done.stdout,
    )


def _lend(step: Callable[..., Any], work: Path) -> None:
    """Put the files of the current directory that a command names where it runs: in a run they are taken along."""
    command = step.function if isinstance(step, Step) else None
    for word in command.words if isinstance(command, Command) else ():
        path = Path(word)
        if not path.is_absolute() and ".." not in path.parts and path.is_file():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).symlink_to(path.absolute())


def _name(step: Callable[..., Any]) -> str:
    return str(getattr(step, "name", None) or getattr(step, "__name__", step))


def _target(step: Callable[..., Any]) -> tuple[str, str, str]:
    """Where the step stands: "module:name", the module, and its file if the module is not found by its name."""
    target = (step.wrapper or step.target) if isinstance(step, Step) else reference(step)
    module = target.partition(":")[0]
    if not target:
        raise DefinitionError(
            f"{_name(step)} cannot be found by its name", "A process of its own needs it at the top of a module."
        )
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    if module == "__main__":
        return target.replace("__main__", "__mp_main__", 1), "__mp_main__", file
    found = any(
        (Path(entry or ".") / Path(*module.split("."))).with_suffix(".py") == Path(file)
        or (Path(entry or ".") / Path(*module.split(".")) / "__init__.py") == Path(file)
        for entry in sys.path
    )
    return target, module, "" if found else file


def _surroundings() -> dict[str, str]:
    """This process's variables, and its path: the test runner may have added to it."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def _message(step: Callable[..., Any], signature: Signature, inputs: Mapping[str, Any], directory: Path) -> Json:
    """KFP's ExecutorInput; the artifacts among the inputs are written."""
    known = {slot.name: slot for slot in signature.slots}
    unknown, missing = [*(inputs.keys() - known.keys())], _missing(signature, inputs)
    if unknown or missing:
        what = f"it takes no {', '.join(sorted(unknown))}" if unknown else f"it needs {', '.join(missing)}"
        raise TypeError(f"step {_name(step)}: {what}; it takes {', '.join(known) or 'nothing'}")
    parameters: dict[str, Json] = {}
    artifacts: dict[str, Json] = {}
    for name, value in inputs.items():
        for key, (kind, each) in _leaves(known[name], value).items():
            if kind.parameter is not None:
                parameters[key] = None if each is None else encode(kind.parameter, each)
            else:
                artifacts[key] = {"artifacts": [_written(key, kind, each, directory)]}
    outputs = {
        name: {"artifacts": [_placed(name, directory / "outputs" / name, {})]}
        for name, kind in signature.outputs.items()
        if kind.parameter is None
    }
    return {
        "inputs": {"parameterValues": parameters, "artifacts": artifacts},
        "outputs": {"artifacts": outputs, "outputFile": str(directory / "answer.json")},
    }


def _missing(signature: Signature, inputs: Mapping[str, Any]) -> list[str]:
    return [
        slot.name
        for slot in signature.slots
        if slot.name not in inputs
        and slot.default is inspect.Parameter.empty
        and not (slot.kind is not None and slot.kind.optional)
    ]


def _leaves(slot: Slot, value: Any) -> dict[str, tuple[Kind, Any]]:
    """The inputs of a parameter: itself, or the fields of a config that it takes whole."""
    if slot.group is not None and value is not None:
        found: dict[str, tuple[Kind, Any]] = {}
        for name, each in vars(value).items():
            inner = Slot(name=f"{slot.name}.{name}", group=type(each) if is_dataclass(each) else None)
            found |= _leaves(inner, each)
        return found
    return {slot.name: (slot.kind or kind_of(type(value)), value)}


def _written(name: str, kind: Kind, value: Any, directory: Path) -> Json:
    path = directory / "inputs" / name
    try:
        metadata = formats.write(value, path, name, kind)
    except PalmetteError as error:
        raise type(error)(error.message.replace("output ", "input ", 1), error.hint) from None
    return _placed(name, path, metadata)


def _placed(name: str, path: Path, metadata: Mapping[str, Json]) -> Json:
    return {"name": name, "uri": str(path), "type": {"schemaTitle": "system.Artifact"}, "metadata": dict(metadata)}
