"""What is taken for a stock component is exactly what the SDK writes, in any of its releases."""

from __future__ import annotations

from typing import Final

import pytest

from palmette.engine.stock import Install, Stock, imports, recognise

PREAMBLE: Final = """
if ! [ -x "$(command -v pip)" ]; then
    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip
fi

PIP_DISABLE_PIP_VERSION_CHECK=1 {steps} && "$0" "$@"
"""
PIP: Final = "python3 -m pip install --quiet --no-warn-script-location "
KFP: Final = "'kfp==2.17.0' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<\"3.9\"'"
VENV: Final = (
    '\nexport PIP_DISABLE_PIP_VERSION_CHECK=1\ntmp=$(mktemp -d)\npython3 -m venv "$tmp/venv" --system-site-packages\n'
    '. "$tmp/venv/bin/activate"\n '
)
PROGRAM: Final = (
    'program_path=$(mktemp -d)\n\nprintf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path"
    '                         "$program_path/ephemeral_component.py"                         "$@"\n'
)
OLD: Final = PROGRAM.replace("_KFP_RUNTIME=true ", "").replace("kfp.dsl", "kfp.components").replace("\n\n", "\n")
ARGS: Final = ("--executor_input", "{}", "--function_to_execute", "f")


def component(steps: str, program: str = PROGRAM) -> Stock | None:
    """What a component with this preamble is recognised as."""
    return recognise(("sh", "-c", PREAMBLE.format(steps=steps), "sh", "-ec", program, "source"), ARGS)


def installs(steps: str) -> tuple[Install, ...]:
    found = component(steps)
    assert found is not None
    return found.installs


def test_a_component_of_today_is_its_source_and_one_call_of_pip() -> None:
    found = component(PIP + KFP)
    assert found is not None
    assert (found.source, found.module, found.light, found.own) == ("source", "kfp.dsl.executor_main", True, False)
    assert found.installs == (
        Install(requirements=("kfp==2.17.0", 'typing-extensions>=3.7.4,<5; python_version<"3.9"'), dependencies=False),
    )
    assert found.words("/d/p.py") == ("kfp.dsl.executor_main", "--component_module_path", "/d/p.py", *ARGS)


def test_a_component_of_2_0_needs_all_of_the_sdk() -> None:
    found = component("python3 -m pip install --quiet     --no-warn-script-location 'kfp==2.0.1'", OLD)
    assert found is not None
    assert (found.module, found.light, found.variables) == ("kfp.components.executor_main", False, {})
    assert found.installs == (Install(requirements=("kfp==2.0.1",)),)


def test_packages_indexes_and_trusted_hosts_are_read_in_the_order_of_the_calls() -> None:
    where = "--index-url https://one/simple --extra-index-url https://two/simple --trusted-host one "
    first, second = installs(f"{PIP}{where}'pandas==2.2' 'torch[extra]>=2'  &&  {PIP}{KFP}")
    assert first.requirements == ("pandas==2.2", "torch[extra]>=2")
    assert (first.indexes, first.trusted) == (("https://one/simple", "https://two/simple"), ("one",))
    assert first.dependencies
    assert not second.dependencies


def test_a_virtual_environment_is_wanted_where_the_script_makes_one() -> None:
    for steps in (f"{PIP}'pandas'  &&  {VENV}{PIP}{KFP}", f"{VENV}{PIP}{KFP}"):
        found = component(steps)
        assert found is not None
        assert found.own


def test_a_component_that_installs_nothing_has_no_preamble() -> None:
    found = recognise(("sh", "-ec", PROGRAM, "source"), ARGS)
    assert found is not None
    assert found.installs == ()


@pytest.mark.parametrize(
    "steps",
    [
        f"{PIP}{KFP}; rm -rf /",
        f"{PIP}{KFP} && curl x",
        f"{PIP}'a'$(id)'b'",
        f"{PIP}'-r' '/etc/passwd'",
        f"{PIP}' --index-url=x'",
        f"{PIP}'# nothing'",
        f"{PIP}'a\n--index-url x'",
        f"{PIP}'x @ https://host/${{TOKEN}}'",
        f"{PIP}--index-url https://$TOKEN@host/simple 'a'",
        f"{PIP}--index-url 'https://host' {KFP}",
        f"{PIP}--pre {KFP}",
        PIP,
        "true",
    ],
)
def test_anything_else_is_executed_as_it_is_written(steps: str) -> None:
    assert component(steps) is None


def test_a_program_that_was_changed_is_executed_as_it_is_written() -> None:
    assert component(PIP + KFP, PROGRAM.replace("python3", "nice python3")) is None
    assert component(PIP + KFP, f"{PROGRAM}echo more\n") is None
    assert recognise(("sh", "-c", "echo hello"), ()) is None
    assert recognise(("python3", "-m", "kfp.dsl.executor_main"), ARGS) is None


def test_a_hostile_preamble_is_read_in_no_time() -> None:
    assert component(PIP + "'a' " * 20_000 + "!") is None
    assert component((PIP + "'a'  &&  ") * 2_000 + "!") is None


def test_what_a_source_imports_is_imported_early_unless_that_is_of_no_use() -> None:
    source = (
        "import kfp, os\nfrom typing import *\ndef f():\n import pandas as pd, tensorflow\n from sklearn.svm import SVC"
    )
    assert imports(source) == ("pandas", "sklearn.svm")
    assert imports("def (") == ()
