"""What is demanded of options: that they are given once, as of two presets the last one would win, silently; that tags
are tags, before a run has them."""

from __future__ import annotations

import click

from palmette.operations import tags


def once(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The only value of an option that is declared with `multiple`; None for none, and an error for several."""
    if len(given) > 1 and not ctx.resilient_parsing:
        raise click.UsageError(f"{option.opts[0]} is given {len(given)} times: {', '.join(given)}", ctx)
    return given[0] if given else None


def proper_tags(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The tags of a run that is to begin, if all of them can be used."""
    if not ctx.resilient_parsing:
        tags.require(given)
    return given
