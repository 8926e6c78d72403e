"""An algorithm with every construct, compiled, is the pipeline that was last looked at."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import yaml

from palmette.authoring.algorithms import defined_in
from palmette.authoring.record import record_all
from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain.run import Environment
from palmette.ir import codec

HERE = Path(__file__).parent


def compiled() -> str:
    spec = spec_from_file_location("everything", HERE / "everything.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["everything"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    algorithms, problems = record_all(defined_in(module))
    assert problems == ()
    algorithm = algorithms[-1]
    closures = {step.name: "CLOSURE" for step in algorithm.steps}
    captured = Captured(bundle="BUNDLE", closures=closures, environment=Environment(digest="ENV", python="3.11.7"))
    document = compile_algorithm(algorithm, captured).document
    plain = list(yaml.safe_load_all(codec.dumps(document)))
    for executor in plain[0]["deploymentSpec"]["executors"].values():
        executor["container"]["command"][2] = "BOOTSTRAP"
    return yaml.safe_dump_all(plain, sort_keys=True, allow_unicode=True, width=120)


def test_every_construct_compiles_to_the_golden_pipeline(update_golden: bool) -> None:
    golden = HERE / "everything.yaml"
    text = compiled()
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), "read the difference; if it is meant: pytest tests/golden --update-golden"
