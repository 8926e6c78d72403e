"""A comparison as JSON values: the shape that `palmette diff --json` promises."""

from __future__ import annotations

import math
from typing import assert_never

from palmette.comparison import wording
from palmette.comparison.changes import ConfigChange, DataChange, MetricChange
from palmette.comparison.examples import Flips, Moved
from palmette.comparison.numbers import Curve, Curves, Numbers
from palmette.comparison.tables import TableChange
from palmette.comparison.verdict import GateOutcome, MetricVerdict
from palmette.domain.values import Json
from palmette.errors import GateFailed, GateInconclusive
from palmette.operations.comparing import Compared
from palmette.present.causes import summary
from palmette.present.words import instant


def plain(compared: Compared) -> dict[str, Json]:
    """The comparison: the verdict, the gates and the baseline first, then only what differs, and every metric."""
    found, verdict, choice = compared.comparison, compared.verdict, compared.choice
    judged = {metric.name: metric for metric in verdict.metrics} if verdict else {}
    body: dict[str, Json] = {
        "algorithm": found.head.run.algorithm,
        "head": found.head.run.id,
        "baseline": found.baseline.run.id if found.baseline else None,
        "verdict": verdict.outcome.value if verdict else None,
        "scope": verdict.scope.value if verdict and verdict.scope else None,
        "sentence": wording.headline(verdict) if verdict else None,
        "decided_by": (verdict.by or None) if verdict else None,
        "reason": (verdict.reason or None) if verdict else None,
        "hint": (verdict.hint or None) if verdict else None,
        "gate": verdict.gate.value if verdict else None,
        "gates": [gate.as_json() for gate in verdict.gates] if verdict else [],
        "examples": list(verdict.remarks) if verdict else [],
        "choice": choice.as_json() if choice else None,
        "summary": summary(compared) if found.baseline else None,
        "causes": list(found.causes),
        "unknown": list(found.unknown),
        **_changes(compared),
        "metrics": [_metric(change, judged.get(change.name)) for change in found.metrics],
        "numbers": _numbers(found.numbers),
        "remarks": list(found.remarks),
    }
    cleaned = finite(body)
    return cleaned if isinstance(cleaned, dict) else {}


def exit_code(compared: Compared) -> int:
    """What `palmette diff` ends with: 4 if a declared gate failed, 5 if none failed and one is inconclusive, else 0."""
    if compared.verdict is None:
        return 0
    match compared.verdict.gate:
        case GateOutcome.FAILED:
            return GateFailed.exit_code
        case GateOutcome.INCONCLUSIVE:
            return GateInconclusive.exit_code
        case GateOutcome.PASSED:
            return 0
        case _:
            assert_never(compared.verdict.gate)


def finite(value: Json) -> Json:
    """The same without what JSON has no number for: none in its place."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def _changes(compared: Compared) -> dict[str, Json]:
    found = compared.comparison
    return {
        "commits": None
        if found.commits is None
        else [
            {
                "commit": each.sha,
                "subject": each.subject,
                "author": each.author or None,
                "committed_at": instant(each.committed) if each.committed else None,
                "side": "baseline" if each.behind else "head",
            }
            for each in found.commits
        ],
        "dirty": {"head": found.dirty[0], "baseline": found.dirty[1]},
        "files": [
            {
                "path": each.path,
                "edit": each.edit.value,
                "added": each.added,
                "removed": each.removed,
                "steps": [compared.name(step) for step in each.steps],
            }
            for each in found.files
        ],
        "diff": found.diff,
        "config": [_config(change) for change in found.config],
        "code": [
            {"definition": each.definition, "edit": each.edit.value, "tasks": list(each.tasks)} for each in found.code
        ],
        "environment": [{"name": each.name, "before": each.before, "after": each.after} for each in found.environment],
        "data": [_data(change) for change in found.data],
        "moved": _moved(found.moved),
        "reruns": [{"task": each.task, "because": list(each.because)} for each in found.reruns],
        "tasks": [
            {"task": each.task, "before": each.before.lower() or None, "after": each.after.lower() or None}
            for each in found.tasks
        ],
    }


def _config(change: ConfigChange) -> dict[str, Json]:
    return {
        "name": change.name,
        "before": change.before.value if change.before else None,
        "after": change.after.value if change.after else None,
        "source_before": change.before.source.value if change.before else None,
        "source_after": change.after.source.value if change.after else None,
        "edit": change.edit.value,
    }


def _data(change: DataChange) -> dict[str, Json]:
    return {
        "task": change.task,
        "output": change.output,
        "type": change.type,
        "before": change.before or None,
        "after": change.after or None,
        "rows_before": change.rows_before,
        "rows_after": change.rows_after,
        "columns": dict(change.columns),
        "source": change.source,
        "sensitive": change.sensitive,
        "table": _table(change.table) if change.table and not change.sensitive else None,
    }


def _table(table: TableChange) -> dict[str, Json]:
    return {
        "rows_before": table.rows_before,
        "rows_after": table.rows_after,
        "added": list(table.added),
        "removed": list(table.removed),
        "columns": [
            {
                "name": each.name,
                "type_before": each.type_before,
                "type_after": each.type_after,
                "statistics": {key: list(pair) for key, pair in each.statistics.items()},
                "shift": each.shift,
                "missing": list(each.missing) if each.missing else None,
                "drifted": each.drifted,
            }
            for each in table.columns
        ],
    }


def _moved(moved: Moved | None) -> dict[str, Json] | None:
    if moved is None:
        return None
    return {
        "into_training": moved.into_training,
        "into_test": moved.into_test,
        "new_test": moved.new_test,
        "gone_test": moved.gone_test,
        "leaked_head": moved.leaked_head,
        "leaked_baseline": moved.leaked_baseline,
    }


def _metric(change: MetricChange, judged: MetricVerdict | None) -> dict[str, Json]:
    """The two numbers that the runs logged; what is concluded, with the numbers that were compared, in `judged`."""
    return {
        "name": change.name,
        "before": change.before,
        "after": change.after,
        "difference": change.difference,
        "relative": change.relative,
        "goal": change.goal or None,
        "primary": change.primary,
        "tolerance": change.tolerance,
        "judged": {**judged.as_json(), "sentence": wording.sentence(judged)} if judged else None,
    }


def _numbers(found: Numbers) -> dict[str, Json]:
    return {
        "slices": [
            {
                "grouping": each.grouping,
                "group": each.group,
                "metric": each.metric,
                "examples": each.n,
                "before": each.baseline,
                "after": each.head,
            }
            for each in found.slices
        ],
        "curves": [_curves(each) for each in found.curves],
        "roc": _curves(found.roc) if found.roc else None,
        "precision_recall": _curves(found.precision_recall) if found.precision_recall else None,
        "confusion": [
            {"label": each.label, "prediction": each.prediction, "before": each.before, "after": each.after}
            for each in found.confusion
        ],
        "flips": _flips(found.flips),
    }


def _curves(found: Curves) -> dict[str, Json]:
    return {
        "name": found.name,
        "x": found.x,
        "y": found.y,
        "before": _curve(found.baseline),
        "after": _curve(found.head),
    }


def _curve(found: Curve | None) -> dict[str, Json] | None:
    return {"x": list(found.xs), "y": list(found.ys)} if found else None


def _flips(found: Flips | None) -> dict[str, Json] | None:
    """The examples by the hashes of their keys."""
    if found is None:
        return None
    return {
        "mended": found.mended,
        "broken": found.broken,
        "other": found.other,
        "listed": [
            {"key": each.key, "label": each.label, "before": each.before, "after": each.after} for each in found.listed
        ],
    }
