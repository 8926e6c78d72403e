"""`palmette runs` and `palmette views`."""

from __future__ import annotations

import csv
import re
import sys
import time
from collections.abc import Sequence

import click

from palmette.cli.console import show as print_screen
from palmette.cli.once import once
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.within import Within
from palmette.domain.states import RunState
from palmette.operations import searching
from palmette.operations.places import Place
from palmette.present import columns, plain, screens, words

#: before a word that begins with a dash and is no option: "sort -created", "started > -7d"
_WORD = "\0"
_SIGNS = ("=", "!=", "<", "<=", ">", ">=", "contains")


class _Query(click.Command):
    """Takes words that begin with a dash for words of the query, unless they are its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with such words marked."""
        marked = [_WORD + word if re.fullmatch(r"-(?!n\d*$|h$|-).+", word) else word for word in args]
        return super().parse_args(ctx, marked)


@click.command(cls=_Query)
@click.argument("query", nargs=-1)
@click.option("-n", "--limit", metavar="N", type=click.IntRange(1, 10_000), help="At most so many; 20 without this.")
@click.option("--sort", metavar="FIELD", help="In this order; -FIELD for the largest first.")
@click.option("--columns", "named", metavar="FIELDS", help="Show these, separated by commas: config.C,metric.auc.")
@click.option("--algorithm", metavar="ALGORITHM", multiple=True, callback=once, help="Only runs of this algorithm.")
@click.option(
    "--state",
    metavar="STATE",
    type=click.Choice([state.value.lower() for state in RunState]),
    help=f"Only runs in this state: {', '.join(state.value.lower() for state in RunState)}.",
)
@click.option("--branch", metavar="BRANCH", multiple=True, callback=once, help="Only runs of this branch.")
@click.option("--preset", metavar="PRESET", multiple=True, callback=once, help="Only runs of this preset.")
@click.option("--tag", metavar="TAG", multiple=True, callback=once, help="Only runs with this tag.")
@click.option("--all-projects", is_flag=True, help="Runs of every project there, not only of this one.")
@placed
@click.option("--view", metavar="NAME", help="Begin with the query that was saved so; short: @NAME.")
@click.option("--save", "name", metavar="NAME", help="Save the query under this name.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print comma-separated values, one column a config field or metric."
)
@pass_session
def runs(
    session: Session,
    /,
    query: tuple[str, ...],
    limit: int | None,
    sort: str | None,
    named: str | None,
    view: str | None,
    name: str | None,
    all_projects: bool,
    as_json: bool,
    as_csv: bool,
    **exact: str | None,
) -> None:
    """List runs, newest first, or search them.

    QUERY compares fields (branch, commit, ticket, author, preset, state, started, duration, tag, note, config.NAME,
    metric.NAME, step.NAME.state, data.NAME.rows, …) with = != < <= > >= and contains, or asks `is defined` and `is
    undefined`, joined by and, or, not and parentheses. Any other word is looked for in names, notes and messages. At
    the end may stand `sort FIELD` and `limit NUMBER`.

    \b
      palmette runs tumour
      palmette runs 'metric.auc >= 0.9 and config.C < 1 sort -metric.auc'
      palmette runs branch = main and started '>' -7d --save week
      palmette runs @week

    The quotes keep the shell from taking < > ( ) ! for itself.
    """
    wanted = searching.Wanted(
        text=f"@{view} {joined(query)}" if view else joined(query),
        exact={field: value.upper() if field == "state" else value for field, value in exact.items() if value},
        sort=(sort or "").lstrip(_WORD),
        limit=limit,
        columns=tuple(filter(None, (named or "").replace(" ", "").split(","))),
        every_metric=as_json or as_csv,
    )
    place = session.place.every() if all_projects else session.place
    now = time.time()
    if name:
        session.place(searching.save, name, wanted, now=now)
    listing = place(searching.runs, wanted, now=now) if place.there else searching.NOTHING
    if as_json:
        print_json(columns.told(listing) if named else plain.rows(listing.rows))
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(
            columns.table(listing) if named else plain.cells(listing.rows)
        )
    elif listing.rows:
        print_screen(screens.runs(listing.rows, now, columns.headed(listing)))
        if len(listing.rows) < listing.total:
            click.echo(f"({columns.counted(listing)}; --limit shows more)", err=True)
    else:
        _nothing(place, wanted, listing.hints)
    if name:
        click.echo(f"saved: palmette runs @{name}", err=True)


def joined(arguments: Sequence[str]) -> str:
    """The query that several arguments make. The shell has taken the quotes of a value that has blanks in it."""
    found: list[str] = []
    words = [word.lstrip(_WORD) for word in arguments]
    for place, text in enumerate(words):
        value = place > 0 and words[place - 1] in _SIGNS and (" " in text or not text)
        mark = "'" if '"' in text else '"'
        found.append(f"{mark}{text}{mark}" if value and mark not in text else text)
    return " ".join(found)


def _nothing(place: Place, wanted: searching.Wanted, hints: Sequence[str]) -> None:
    if not place.there or wanted.anything:
        click.echo(f"{place.nothing()} Start one: palmette run ALGORITHM", err=True)
        return
    tries = hints or ["Leave a condition out, or see all: palmette runs."]
    click.echo("\n".join(["No run matches.", *tries]), err=True)


@click.group(cls=Within, invoke_without_command=True)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def views(ctx: click.Context, as_json: bool) -> None:
    """List saved searches, or remove one.

    `palmette runs QUERY --save NAME` saves one, and `palmette runs @NAME` shows what it finds now.

    \b
      palmette runs branch = main and started '>' -7d --save week
      palmette views
      palmette views remove week
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_views, as_json=as_json)


@views.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_session
def list_views(session: Session, as_json: bool) -> None:
    """List saved searches, by name.

    \b
      palmette views list
    """
    place = session.place
    saved = place(searching.saved) if place.there else ()
    if as_json:
        print_json(
            [{"name": view.name, "query": view.query, "saved_at": words.instant(view.created)} for view in saved]
        )
    elif saved:
        width = max(len(view.name) for view in saved)
        for view in saved:
            click.echo(f"@{view.name:<{width}}  {view.query}")
    else:
        click.echo(f"{place.nothing('views')} Save one: palmette runs QUERY --save NAME", err=True)


@views.command("remove")
@click.argument("name")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def remove_view(session: Session, name: str, as_json: bool) -> None:
    """Forget a saved search. No run is touched.

    \b
      palmette views remove week
    """
    name = name.removeprefix("@")
    session.place(searching.remove, name)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"removed: @{name}", err=True)
