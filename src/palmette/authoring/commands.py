"""Commands as steps: any program, with its inputs and outputs in the places of its words."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Unpack

from palmette.authoring.source import calling
from palmette.authoring.steps import Options, Step
from palmette.errors import DefinitionError

_PLACE: Final = re.compile(r"\{(\w+)\}|\{\{|\}\}")


class Command:
    """The function of a step that is a command: called, it runs the command and gives what that made."""

    def __init__(self, words: Sequence[str], options: Mapping[str, Any], location: str) -> None:
        self.words = tuple(words)
        self.location = location
        self.step: Step[..., Any]
        inputs, outputs = options.get("inputs", {}), options.get("outputs")
        self.given = tuple(inputs)
        self.made = tuple(outputs) if isinstance(outputs, Mapping) else () if outputs is None else ("output",)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, kind) for name in self.given if str(name).isidentifier()]
        self.__signature__ = inspect.Signature(parameters)
        self.__doc__ = f"Run `{shlex.join(self.words)}`."

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the words, as (what, hint)."""
        if not self.words:
            return [("its command has no words", "")]
        named = {name for word in self.words for name in _PLACE.findall(word) if name}
        found = [
            (f"its command names {{{name}}}, which is neither an input nor an output", "Double a brace that is meant.")
            for name in sorted(named - {*self.given, *self.made})
        ]
        what = "its command does not say where to write the output {}"
        found += [
            (what.format(name), f"Put {{{name}}} where the path belongs.") for name in self.made if name not in named
        ]
        found += [(f"{name!r} is both an input and an output", "") for name in self.given if name in self.made]
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.problems:
            raise DefinitionError(f"{self.location}: {self.problems[0][0]}", self.problems[0][1])
        bound = self.__signature__.bind(*args, **kwargs).arguments
        # What carries a step out does this; only who calls one outside of a pipeline should pay for it.
        carry_out: Callable[..., Any] = import_module("palmette.runtime.program").call
        return carry_out(self.step, bound)

    def filled(self, texts: Mapping[str, str | list[str]]) -> list[str]:
        """The words with texts in the places of the placeholders, each put in once. A word that is all of a
        placeholder for several texts becomes so many words; within a word they are one JSON list."""

        def said(match: re.Match[str]) -> str:
            text = texts[match[1]] if match[1] else match[0][0]
            return text if isinstance(text, str) else json.dumps(text)

        words: list[str] = []
        for word in self.words:
            whole = _PLACE.fullmatch(word)
            several = texts[whole[1]] if whole and whole[1] else ""
            words += several if isinstance(several, list) else [_PLACE.sub(said, word)]
        return words


def command(words: str | Sequence[str], /, **options: Unpack[Options]) -> Step[..., Any]:
    """Make a command a step: ``fit = command("python -m trainer --data {dataset} --out {model}", inputs={"dataset":
    DataFrame}, outputs={"model": Path})`` at the top level of a module.

    The words are split once, here; no shell ever reads them. An input parameter is put in as text, an input artifact
    as the path of its file (a list of them as a word each), an output as the path to write to. The options are those
    of `Options`.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"command() got an unexpected option: {', '.join(sorted(unknown))}")
    split = shlex.split(words) if isinstance(words, str) else [str(word) for word in words]
    options.setdefault("outputs", None)
    function = Command(split, options, calling())
    made: Step[..., Any] = Step(function, options)
    function.step = made
    return made
