"""The verbs that look at the project's code: `check`, `compile`, `capture`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from palmette.cli.console import show
from palmette.cli.lazy import operation
from palmette.cli.patience import patience
from palmette.cli.session import Session, pass_session, print_json
from palmette.ir.dialects import Dialect
from palmette.operations import checking, compiling
from palmette.present import sources


@click.command()
@click.argument("algorithms", nargs=-1, metavar="[ALGORITHM]... [STEP]...")
@click.option("--determinism", is_flag=True, help="Execute steps twice instead, and compare what they give.")
@click.option("--run", "run", metavar="RUN", help="With --determinism: take this run's inputs and code.")
@click.option("--preset", metavar="PRESET", help="With --determinism: take the inputs of a run of this preset.")
@click.option(
    "--times",
    metavar="N",
    type=click.IntRange(2, 100),
    help="With --determinism: execute each step so often; twice without this.",
)
@click.option(
    "--pipeline",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check this pipeline file instead, whoever compiled it.",
)
@click.option(
    "--dialect",
    type=click.Choice([dialect.value for dialect in Dialect]),
    help="With --pipeline: the versions of Kubeflow Pipelines that are to run it; `palmette`, this machine, without.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def check(
    session: Session,
    algorithms: tuple[str, ...],
    determinism: bool,
    run: str | None,
    preset: str | None,
    times: int | None,
    pipeline: Path | None,
    dialect: str | None,
    as_json: bool,
) -> None:
    """Check the project's algorithms without running them.

    Definitions, configs, presets, the code that each step takes along, its packages, and the pipeline they compile to.
    Every problem is reported at once.

    With --determinism each step is executed twice on the inputs of a recorded run, in fresh processes with another hash
    seed, number of threads, time and directory. Where its outputs differ, what makes the difference is found by
    changing one of these at a time. Without a run of the code as it is now there is one first, of the preset "toy".

    \b
      palmette check
      palmette check --determinism tumour build_and_fit
    """
    if pipeline is not None and (determinism or algorithms):
        raise click.UsageError("--pipeline checks a file: name no algorithm, and leave --determinism out")
    if pipeline is None and dialect is not None:
        raise click.UsageError("--dialect belongs to --pipeline")
    if determinism:
        chosen = operation("determinism").Chosen(names=algorithms, run=run, preset=preset, times=times or 2)
        _determinism(session, chosen, as_json=as_json)
        return
    if run is not None or preset is not None or times is not None:
        raise click.UsageError("--run, --preset and --times belong to --determinism")
    if pipeline is not None:
        found = checking.check_file(pipeline, dialect or Dialect.PALMETTE.value)
    else:
        with patience():
            found = checking.check(session.project, session.environ, algorithms)
    if as_json:
        print_json(sources.plain_check(found))
    else:
        show(sources.check(found))
    if found.problems:
        sys.exit(1)


def _determinism(session: Session, wanted: Any, *, as_json: bool) -> None:
    """Print what was found; leave with 1 if a step does not give the same."""
    screen = operation("determined")
    with operation("console").steps() as told:
        found = operation("determinism").test(session.project, session.environ, wanted, told)
    if as_json:
        print_json(screen.plain(found))
    else:
        show(screen.determinism(found))
    if not all(tested.good for tested in found):
        sys.exit(1)


@click.command("compile")
@click.argument("algorithm")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to write; standard output without.",
)
@click.option("--image", metavar="IMAGE", default="", help="The container image of the steps.")
@click.option(
    "--dialect",
    type=click.Choice([dialect.value for dialect in Dialect if dialect is not Dialect.PALMETTE]),
    default=Dialect.V2_0.value,
    show_default=True,
    help="The oldest Kubeflow Pipelines that is to run it; a newer one is told more (timeouts from 2.14, choices from "
    "2.17).",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; the pipeline is in it where -o names no file."
)
@pass_session
def compile_pipeline(
    session: Session, algorithm: str, output: Path | None, image: str, dialect: str, as_json: bool
) -> None:
    """Write an algorithm's Kubeflow pipeline.

    The same sources and packages give the same bytes on any machine.

    \b
      palmette compile tumour -o tumour.yaml
      palmette compile tumour --dialect 2.14 --image registry.example/team:1
    """
    with patience():
        done = compiling.compile_for_kubeflow(
            session.project, session.environ, algorithm, image=image, dialect=Dialect(dialect)
        )
    if output is not None:
        compiling.write(done, output)
    if as_json:
        print_json(sources.plain_compiled(algorithm, done, output))
        return
    for warning in done.warnings:
        click.echo(f"note: {warning}", err=True)
    if output is None:
        click.echo(done.text, nl=False)
    else:
        click.echo(f"{output}: {len(done.text.encode()):,} bytes, bundle {done.bundle[:12]}", err=True)


@click.command()
@click.argument("algorithm")
@click.option("--explain", is_flag=True, help="Say of each file why it is taken, and what each step reaches.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the bundle's archive (tar.gz) here."
)
@pass_session
def capture(session: Session, algorithm: str, explain: bool, as_json: bool, output: Path | None) -> None:
    """Show the code that an algorithm's steps take along.

    It is found by following the imports of the algorithm's module through the project, without running anything.

    \b
      palmette capture tumour
      palmette capture tumour --explain
    """
    with patience():
        taken = checking.capture(session.project, session.environ, algorithm)
    if output is not None:
        compiling.write_archive(taken.bundle, output)
        click.echo(f"{output}: bundle {taken.bundle.digest[:12]}", err=True)
    if as_json:
        print_json(sources.plain_capture(taken))
    elif output is None or explain:
        show(sources.capture(taken, everything=explain))
