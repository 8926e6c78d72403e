# ruff: noqa: ANN201
"""Pipelines that a user of KFP's own client hands in as functions."""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

from kfp import dsl
from tests.conformance.kfp_pieces import PYTHON, WRITE, shell, text


@dsl.component(base_image=PYTHON)
def twice(x: int, rows: dsl.Output[dsl.Dataset]) -> int:
    with open(rows.path, "w") as file:  # noqa: PTH123 (as users write it)
        file.write("row\n" * x)
    return 2 * x


@dsl.component(base_image=PYTHON, packages_to_install=["probe==1.2"])
def probed() -> bool:
    import probe

    return probe.found


@dsl.container_component
def waits(gate: str, out: dsl.OutputPath(str)):
    return shell('until [ -e "$0" ]; do sleep 0.02; done; ' + WRITE.format("done"), gate, out)


@dsl.container_component
def needs(gate: str, out: dsl.OutputPath(str)):
    return shell('test -e "$0" || exit 1; ' + WRITE.format("done"), gate, out)


@dsl.pipeline(name="doubling")
def doubling(x: int = 3):
    text(x=f"<{twice(x=x).outputs['Output']}>")


@dsl.pipeline(name="probing")
def probing():
    probed()


@dsl.pipeline(name="waiting")
def waiting(gate: str):
    waits(gate=gate)


@dsl.pipeline(name="needing")
def needing(gate: str):
    needs(gate=text(x=gate).outputs["out"])


@dsl.pipeline(name="stamped")
def stamped(when: str):
    text(x=when).set_caching_options(False)
