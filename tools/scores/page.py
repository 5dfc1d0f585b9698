"""A page of one file: the table of scores, what is to be said of it, and a picture."""

import base64
import html
from collections.abc import Iterable

from tools.scores import table as score_table
from tools.scores.table import Table

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 2px 12px; text-align: right; }}
th {{ vertical-align: bottom; }}
td {{ white-space: nowrap; }}
td:first-child, td:nth-child(2) {{ text-align: left; }}
tr.published {{ color: #777; }}
</style></head><body>
<h1>{title}</h1>
{parts}
</body></html>
"""


def page(title: str, table: Table, png: bytes) -> str:
    """One HTML file: the table, the differences, the notes and the picture."""
    columns = table.columns
    headings = [
        *score_table.HEADINGS,
        *(score_table.title(column, columns) for column in columns),
    ]
    rows = [_row("th", map(html.escape, headings))]
    for row in table.rows:
        texts = [html.escape(row.model), row.init]
        for column in columns:
            text = html.escape(score_table.cell_text(row, column))
            is_best = column in row.cells and row.cells[column].is_best
            texts.append(f"<b>{text}</b>" if is_best else text)
        rows.append(_row("td", texts, row.init))
    parts = [_table(rows), f"<p>{html.escape(score_table.EXPLANATION)}</p>"]
    if table.deltas:
        deltas = [_row("th", score_table.DELTA_HEADINGS)]
        for texts in score_table.delta_rows(table):
            deltas.append(_row("td", map(html.escape, texts)))
        parts += ["<h2>Pretrained and random weights</h2>", _table(deltas)]
    parts += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    image = base64.b64encode(png).decode("ascii")
    parts.append(f'<img alt="scores" src="data:image/png;base64,{image}">')
    return _PAGE.format(title=html.escape(title), parts="\n".join(parts))


def _table(rows: list[str]) -> str:
    return "\n".join(["<table>", *rows, "</table>"])


def _row(tag: str, cells: Iterable[str], kind: str = "") -> str:
    """A row of cells that are HTML already."""
    shown = "".join(f"<{tag}>{cell}</{tag}>" for cell in cells)
    return f'<tr class="{kind}">{shown}</tr>' if kind else f"<tr>{shown}</tr>"
