"""Options that may be given once: of two presets the last one would win, silently."""

from __future__ import annotations

import click


def once(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The only value of an option that is declared with `multiple`; None for none, and an error for several."""
    if len(given) > 1 and not ctx.resilient_parsing:
        raise click.UsageError(f"{option.opts[0]} is given {len(given)} times: {', '.join(given)}", ctx)
    return given[0] if given else None
