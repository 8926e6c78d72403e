"""Commands within a verb: `artifacts get`, `views remove`."""

from __future__ import annotations

import click


class Within(click.Group):
    """A verb that lists, with commands of its own; `--json` means the same before such a command and behind it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the option handed on."""
        return super().resolve_command(ctx, [*args, "--json"] if ctx.params.get("as_json") else args)
