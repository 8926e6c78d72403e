"""The evaluator of conditions, imported when a pipeline has one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import cast

from palmette.domain.values import Json
from palmette.engine.ports import Expressions, Unusable


class Deferred:
    """Satisfies the engine's `Expressions`. Most pipelines have none, and these do not pay for the runtime's import."""

    def holds(self, expression: str, parameters: Mapping[str, Json]) -> bool:
        """Whether a condition over ``inputs.parameter_values`` is true."""
        return self._runtime.holds(expression, parameters)

    def part(self, expression: str, value: Json) -> Json:
        """The part of a value that a selector over ``string_value`` names."""
        return self._runtime.part(expression, value)

    @cached_property
    def _runtime(self) -> Expressions:
        try:
            module = importlib.import_module("palmette.engine.cel")
        except ImportError as error:
            raise Unusable(f"cel-expr-python, which evaluates conditions, cannot be imported here: {error}") from None
        return cast("Expressions", module.Cel())
