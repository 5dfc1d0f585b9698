"""A page of one file: curves of runs, their last values, and their warnings."""

import base64
import html
from typing import Any

KINDS = ("train", "eval")

# A run's lines of metrics.jsonl by kind: those of KINDS, and "warning".
Run = dict[str, list[dict[str, Any]]]

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 2px 12px; text-align: right; }}
td:first-child {{ text-align: left; }}
</style></head><body>
<h1>{title}</h1>
{image}
<h2>Last values</h2>
<table>
{table}
</table>
<h2>Warnings</h2>
{warnings}
</body></html>
"""


def page(runs: dict[str, Run], png: bytes) -> str:
    """One HTML file: the picture, each run's last values, and what it warned of."""
    image = base64.b64encode(png).decode("ascii")
    return _PAGE.format(
        title=html.escape(", ".join(runs)),
        image=f'<img alt="curves" src="data:image/png;base64,{image}">',
        table=_table(runs),
        warnings=_warnings(runs),
    )


def _table(runs: dict[str, Run]) -> str:
    """A row for each metric, a column for the last line of each kind of each run."""
    last = [
        (f"{name}, {kind}, step {run[kind][-1]['step']:,}", run[kind][-1])
        for name, run in runs.items()
        for kind in KINDS
        if run[kind]
    ]
    metrics = dict.fromkeys(name for _, record in last for name in record)
    rows = [_row("th", ["", *(heading for heading, _ in last)])]
    for name in metrics:
        if name not in ("kind", "step"):
            numbers = [record.get(name) for _, record in last]
            shown = ["" if n is None else f"{n:,.5g}" for n in numbers]
            rows.append(_row("td", [name, *shown]))
    return "\n".join(rows)


def _row(tag: str, cells: list[str]) -> str:
    shown = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{shown}</tr>"


def _warnings(runs: dict[str, Run]) -> str:
    said = [
        f"{name}, step {record['step']:,}: {record['text']}"
        for name, run in runs.items()
        for record in run["warning"]
    ]
    return "\n".join(f"<p>{html.escape(sentence)}</p>" for sentence in said)
