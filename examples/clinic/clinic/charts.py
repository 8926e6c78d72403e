"""Small charts as HTML that needs no script."""

from collections.abc import Mapping, Sequence
from html import escape

STYLE = (
    "<style>body{font:14px/1.5 system-ui;margin:2rem;max-width:46rem}td,th{padding:.2rem .6rem;text-align:left}</style>"
)


def page(title: str, *parts: str) -> str:
    """A page with a heading."""
    return (
        f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title>{STYLE}<h1>{escape(title)}</h1>"
        + "".join(parts)
    )


def figures(values: Mapping[str, float]) -> str:
    """A table of numbers, four decimals each."""
    rows = "".join(f"<tr><th>{escape(name)}<td>{value:.4f}" for name, value in values.items())
    return f"<table>{rows}</table>"


def bars(values: Mapping[str, float], width: int = 320) -> str:
    """Horizontal bars for values between 0 and 1."""
    rows = "".join(
        f'<tr><td>{escape(name)}<td><svg width="{width}" height="12"><rect width="{value * width:.0f}" height="12" '
        f'fill="#3b7a57"/></svg><td>{value:.2f}'
        for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def confusion(labels: Sequence[object], truth: Sequence[object], predicted: Sequence[object]) -> str:
    """Counts of truth (rows) against prediction (columns)."""
    pairs = list(zip(truth, predicted, strict=True))
    head = "".join(f"<th>{escape(str(label))}" for label in labels)
    body = "".join(
        f"<tr><th>{escape(str(row))}" + "".join(f"<td>{pairs.count((row, column))}" for column in labels)
        for row in labels
    )
    return f"<table><tr><th>{head}{body}</table>"
