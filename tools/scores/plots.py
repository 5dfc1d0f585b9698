"""Plots of scores: models compared, and one model over its pretraining."""

import textwrap
from typing import Any

import numpy as np

from electra_tf.finetune.results import INITS, Summary
from tools import pictures
from tools.scores import table as score_table
from tools.scores.table import Table

_INCHES_PER_MODEL = 0.26
_COLOURS = {init: f"C{i}" for i, init in enumerate(INITS)} | {"published": "gray"}


def dots(table: Table) -> bytes:
    """A PNG with a panel for each column and a line for each model.

    Small dots are seeds; the large one is their mean, with its standard deviation.
    """
    height = _INCHES_PER_MODEL * len(table.rows) + 0.9
    figure, panels = pictures.panels(
        len(table.columns), 3.2, height, (4.5, 0.4), sharey=True
    )
    for panel, column in zip(panels, table.columns, strict=True):
        _draw_column(panel, table, column)
    dot = {"marker": "o", "linestyle": ""}
    inits = {row.init for row in table.rows}
    shown = [(i, dot | {"color": _COLOURS[i]}) for i in _COLOURS if i in inits]
    pictures.legend(figure, shown)
    notes = [n for n in table.notes if n.startswith(score_table.DIFFERENT_DATA)]
    width = int(10 * figure.get_figwidth())
    lines = [line for note in notes for line in textwrap.wrap(note, width)]
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=8)
    return pictures.png(figure)


def _draw_column(axis: Any, table: Table, column: score_table.Column) -> None:
    for y, row in enumerate(table.rows):
        if column in row.cells:
            values, mean, sd = _percent(row.cells[column].summary)
            colour = _COLOURS[row.init]
            axis.plot(values, [y] * len(values), ".", color=colour, alpha=0.5, ms=5)
            axis.errorbar(mean, y, xerr=sd, fmt="o", color=colour, ms=6)
    axis.set_title(score_table.title(column, table.columns), fontsize=9)
    axis.set_yticks(range(len(table.rows)), [row.model for row in table.rows])
    axis.set_ylim(len(table.rows) - 0.5, -0.5)


def curve(title: str, points: dict[int, Summary]) -> bytes:
    """A PNG of scores by step: seeds, their mean and standard deviation."""
    figure, (axis,) = pictures.panels(1, 5.0, 3.2)
    scores = {step: _percent(points[step]) for step in sorted(points)}
    for step, (values, _, _) in scores.items():
        axis.plot([step] * len(values), values, ".", color="C0", alpha=0.5, ms=5)
    means, sds = ([score[i] for score in scores.values()] for i in (1, 2))
    axis.errorbar(list(scores), means, yerr=sds, fmt="o-", color="C0", capsize=3)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("step of pretraining", fontsize=9)
    axis.xaxis.set_major_formatter("{x:,.0f}")
    return pictures.png(figure)


def _percent(summary: Summary) -> tuple[list[float], float, float]:
    """Seeds, their mean, and their standard deviation, 0 if there is none."""
    values = [100 * value for value in summary.by_seed.values()]
    return values, 100 * summary.mean, 100 * np.nan_to_num(summary.sd)
