"""The HTML page of a table of scores: with the differences, the notes and a picture."""

from common import html_page
from common.html_page import Cell, Heading, Number, Picture
from tools.scores import table as score_table
from tools.scores.table import Column, Row, Table


def page(title: str, table: Table, png: bytes) -> str:
    columns = [score_table.title(column, table.columns) for column in table.columns]
    rows = [
        (row.model, row.init, *(_cell(row, column) for column in table.columns))
        for row in table.rows
    ]
    scores = html_page.Table((*score_table.HEADINGS, *columns), rows)
    parts = [scores, score_table.EXPLANATION]
    if table.deltas:
        differences = [
            (*names, Number(text)) for *names, text in score_table.delta_rows(table)
        ]
        parts.append(Heading("Pretrained and random weights"))
        parts.append(html_page.Table(score_table.DELTA_HEADINGS, differences))
    parts += [*table.notes, Picture(png, "scores")]
    return html_page.page(title, parts)


def _cell(row: Row, column: Column) -> Cell:
    is_best = column in row.cells and row.cells[column].is_best
    return Number(score_table.cell_text(row, column), is_best=is_best)
