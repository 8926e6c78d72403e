"""Whether what one step gives, or a config field, is what another takes."""

from __future__ import annotations

from palmette.authoring.parameters import Parameter
from palmette.authoring.signatures import TABLES, Kind, parameter_in
from palmette.domain.graph import ParameterType, Reading

_TEXTS = {Reading.PLAIN, Reading.PATH}


def mismatch(wanted: Kind, given: Kind) -> str:
    """Why one cannot be given for the other; empty if it can.

    A whole number is a number, a path a text; a table is read as whichever kind of table is wanted, and any artifact
    as the file that it is.
    """
    types = f"{given.declared} is not {wanted.declared}"
    if given.parameter is not None:
        parameter = parameter_in(wanted)
        if parameter is None:
            return f"{types}: an artifact of another step is wanted"
        if given.optional and not wanted.optional:
            return f"it may be None, and {wanted.declared} may not"
        return "" if _fits(parameter, given.parameter) else types
    if wanted.parameter is not None:
        return f"{types}: it is an artifact, and a parameter is wanted"
    if wanted.many != given.many:
        return f"{types}: {'one artifact' if given.many else 'a list, such as collect(x),'} is wanted"
    formats = {wanted.format, given.format}
    if wanted.format == "path" or formats == {"reference", "path"} or formats <= TABLES:
        return ""
    if wanted.format != given.format or wanted.custom != given.custom:
        return types
    related = any(issubclass(one, other) or issubclass(other, one) for one in wanted.classes for other in given.classes)
    return "" if related or wanted.custom else types


def _fits(wanted: Parameter | None, given: Parameter | None) -> bool:
    if wanted is None or given is None:  # anything that JSON can say
        return True
    if Reading.ENUM in (wanted.field.reading, given.field.reading):
        return wanted.python is given.python and _fits(wanted.item, given.item)
    kinds = (wanted.field.type, given.field.type)
    if kinds[0] is not kinds[1] and kinds != (ParameterType.DOUBLE, ParameterType.INTEGER):
        return False
    readings = {wanted.field.reading, given.field.reading}
    if len(readings) > 1 and not readings <= _TEXTS:
        return False
    narrower = not wanted.field.choices or set(given.field.choices) <= set(wanted.field.choices)
    lengths = wanted.field.length in (None, given.field.length)
    return narrower and lengths and _fits(wanted.item, given.item)
