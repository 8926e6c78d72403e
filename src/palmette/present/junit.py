"""Comparisons as JUnit XML, as GitLab and its like read it: a suite for each algorithm, a test for each gate and each
verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from palmette.comparison import wording
from palmette.comparison.verdict import GateOutcome, MetricVerdict, Outcome
from palmette.operations.comparing import Compared
from palmette.operations.reports import Report, Reported, Stage
from palmette.present.account import Account, Bound, account
from palmette.present.words import instant

#: what XML 1.0 has no character for
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: verdicts that are no green tick. They fail nothing: bounds that are to fail are declared as gates
_NOTED: Final = (Outcome.WORSE, Outcome.INCONCLUSIVE, Outcome.NOT_COMPARABLE)


def junit(compared: Iterable[Compared]) -> str:
    """The document. Names are the same from one comparison to the next; numbers stand in messages. A gate that failed
    is a failure, one that is inconclusive is skipped, and so is a verdict that is neither better nor equivalent."""
    top = Element("testsuites", name="palmette")
    for each in compared:
        _suite(top, each)
    return _written(top)


def reported(report: Report) -> str:
    """The same of a commit, with a test for each algorithm that says whether it trains."""
    top = Element("testsuites", name="palmette")
    for each in report.algorithms:
        if each.compared is not None:
            _suite(top, each.compared)
        _trains(top, each)
    return _written(top)


def _written(top: Element) -> str:
    _counted(top, list(top.iter("testcase")))
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def _trains(top: Element, reported: Reported) -> None:
    """Beside the comparison's suite, which is there only once there is one."""
    trial, name = reported.trains, _text(reported.algorithm)
    suite = SubElement(top, "testsuite", name=f"{name} trains")
    case = SubElement(suite, "testcase", classname=f"palmette.{name}.trains", name=f"{name} trains", time="0")
    run = trial.run.id if trial.run else trial.check.run if trial.check else ""
    where = f" in {trial.lost}" if trial.lost else ""
    message = _text(f"{trial.stage.value}{where}: run {run}" if run else f"{trial.stage.value}: no run")
    if trial.stage is Stage.FAILED:
        SubElement(case, "failure", message=message, type="trains").text = message
    elif trial.stage in (Stage.SUCCEEDED, Stage.UNCHANGED):
        SubElement(case, "system-out").text = message
    else:
        SubElement(case, "skipped", message=message).text = message
    _counted(suite, [case])


def _suite(top: Element, compared: Compared) -> None:
    told = account(compared)
    suite = SubElement(top, "testsuite", name=_text(told.head.algorithm))
    properties = SubElement(suite, "properties")
    for name, value in _properties(told).items():
        SubElement(properties, "property", name=name, value=_text(value))
    for gate in told.gates:
        _gate(suite, told, gate)
    for metric in told.verdict.metrics if told.verdict else ():
        _verdict(suite, told, metric)
    _counted(suite, list(suite.iter("testcase")))
    if told.head.created:
        suite.set("timestamp", (instant(told.head.created) or "")[:19])


def _properties(told: Account) -> Mapping[str, str]:
    scope = told.verdict.scope.value if told.verdict and told.verdict.scope else ""
    found = {
        "head": told.head.id,
        "baseline": told.baseline.id if told.baseline else "",
        "verdict": told.outcome.value if told.outcome else "",
        "scope": scope,
        "sentence": told.headline,
        "chosen": told.found,
    }
    return {name: value for name, value in found.items() if value}


def _gate(suite: Element, told: Account, gate: Bound) -> None:
    case = _case(suite, told, "gates", gate.demand)
    message = _text(f"{gate.demand}: {gate.told() or gate.outcome.value}")
    if gate.outcome is GateOutcome.FAILED:
        # GitLab shows the text, others the attribute.
        SubElement(case, "failure", message=message, type="gate").text = message
    elif gate.outcome is GateOutcome.INCONCLUSIVE:
        SubElement(case, "skipped", message=message).text = message
    else:
        SubElement(case, "system-out").text = message


def _verdict(suite: Element, told: Account, metric: MetricVerdict) -> None:
    case = _case(suite, told, "verdicts", f"{metric.name} against the baseline")
    message = _text(wording.sentence(metric))
    if metric.outcome in _NOTED:
        SubElement(case, "skipped", message=message).text = message
    else:
        SubElement(case, "system-out").text = message


def _case(suite: Element, told: Account, kind: str, name: str) -> Element:
    return SubElement(
        suite, "testcase", classname=_text(f"palmette.{told.head.algorithm}.{kind}"), name=_text(name), time="0"
    )


def _counted(element: Element, cases: list[Element]) -> None:
    counts = {
        "tests": len(cases),
        "failures": sum(1 for each in cases if each.find("failure") is not None),
        "errors": 0,
        "skipped": sum(1 for each in cases if each.find("skipped") is not None),
    }
    for name, count in counts.items():
        element.set(name, str(count))
    element.set("time", "0")


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
