"""Models x tasks from many results.json: a table with notes, as Markdown or HTML."""

import collections
import itertools
import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

from common import html_page
from common.html_page import Heading, Number, Picture
from electra_tf.finetune import results
from electra_tf.finetune.results import Results, Summary
from tools.scores import published as published_scores

_ORDER = (*results.INITS, "published")
DIFFERENT_DATA = "†"


class Column(NamedTuple):
    """What the numbers of one column have in common."""

    task: str
    train_rows: int
    metric: str
    split: str


class Cell(NamedTuple):
    """One model on one task."""

    summary: Summary
    mark: str = ""
    is_best: bool = False


class Row(NamedTuple):
    """One model on all tasks it was scored on."""

    model: str
    init: str  # one of results.INITS, or "published"
    cells: dict[Column, Cell]


class Delta(NamedTuple):
    """How much better a pretrained model is than random weights."""

    column: Column
    pretrained: str
    random: str
    mean: float
    by_seed: dict[int, float]  # differences for seeds that both have


class Table(NamedTuple):
    """The contents of a scoreboard."""

    columns: list[Column]
    rows: list[Row]
    deltas: list[Delta]
    notes: list[str]


class _Run(NamedTuple):
    label: str
    column: Column
    results: Results
    summary: Summary


def build(
    by_folder: Iterable[tuple[str, Results]], with_published: bool = True
) -> Table:
    """The table of (folder, results), in their order."""
    runs = _labelled(by_folder)
    columns = sorted({run.column for run in runs})
    different, notes = _different_data(runs, columns)
    rows: dict[tuple[str, str], dict[Column, Cell]] = {}
    best: dict[Column, float] = {}
    for run in runs:
        if math.isfinite(run.summary.mean):
            best[run.column] = max(best.get(run.column, -math.inf), run.summary.mean)
    for run in sorted(runs, key=lambda run: _ORDER.index(run.results.init)):
        mark = DIFFERENT_DATA if run in different else ""
        is_best = run.summary.mean == best.get(run.column)
        row = rows.setdefault((run.label, run.results.init), {})
        row[run.column] = Cell(run.summary, mark, is_best)
    shown = [Row(label, init, cells) for (label, init), cells in rows.items()]
    notes += _failures(runs)
    if with_published and (published := _published(columns)):
        shown += published
        notes.append(published_scores.note([row.model for row in published]))
    return Table(columns, shown, _deltas(runs), notes)


def _labelled(by_folder: Iterable[tuple[str, Results]]) -> list[_Run]:
    """Runs named by their models; with the folder where two would share a cell."""
    runs = []
    for folder, result in by_folder:
        summary = results.summary(result)
        column = Column(result.task, result.train_rows, result.metric, summary.split)
        runs.append((folder, _Run(result.model, column, result, summary)))
    cells = collections.Counter((r.label, r.results.init, r.column) for _, r in runs)
    return [
        run._replace(label=f"{run.label} [{folder}]")
        if cells[run.label, run.results.init, run.column] > 1
        else run
        for folder, run in runs
    ]


def _different_data(
    runs: list[_Run], columns: list[Column]
) -> tuple[list[_Run], list[str]]:
    """Runs with other rows than most of their column, and a note for each column."""
    different, notes = [], []
    for column in columns:
        by_data = collections.defaultdict(list)
        for run in runs:
            if run.column == column:
                by_data[run.results.data_sha256].append(run)
        if len(by_data) == 1:
            continue
        usual = max(by_data, key=lambda data: len(by_data[data]))
        who = [
            f"{' and '.join(repr(run.label) for run in by_data[data])} had {data[:12]}"
            for data in sorted(by_data, key=lambda data: data != usual)
        ]
        notes.append(
            f"{DIFFERENT_DATA} {title(column, columns)}: not comparable, the rows "
            f"differ ({'; '.join(who)}, by data_sha256)"
        )
        different += [run for data in by_data if data != usual for run in by_data[data]]
    return different, notes


def _failures(runs: list[_Run]) -> list[str]:
    return [
        f"{run.label!r}, {run.column.task}, {run.column.train_rows:,} rows: seed "
        f"{seed.seed} failed: {seed.error}"
        for run in runs
        for seed in run.results.seeds
        if seed.error is not None
    ]


def _published(columns: list[Column]) -> list[Row]:
    rows = []
    for system in published_scores.SYSTEMS:
        scores = {
            column: system.scores[column.task, column.metric]
            for column in columns
            if (column.task, column.metric) in system.scores
            and column.split == "test"
            and published_scores.belongs(column.task, column.train_rows)
        }
        cells = {
            column: Cell(Summary("test", score, math.nan, 1, 0, {}))
            for column, score in scores.items()
        }
        if cells:
            rows.append(Row(system.model, "published", cells))
    return rows


def _deltas(runs: list[_Run]) -> list[Delta]:
    """Pretrained minus random, in each column, for runs that had the same rows."""
    runs = sorted(runs, key=lambda run: (run.column, run.label))
    return [
        Delta(
            a.column,
            a.label,
            b.label,
            a.summary.mean - b.summary.mean,
            {
                seed: value - b.summary.by_seed[seed]
                for seed, value in a.summary.by_seed.items()
                if math.isfinite(value - b.summary.by_seed.get(seed, math.nan))
            },
        )
        for a, b in itertools.permutations(runs, 2)
        if (a.results.init, b.results.init) == ("pretrained", "random")
        and (a.column, a.results.data_sha256) == (b.column, b.results.data_sha256)
    ]


def title(column: Column, columns: list[Column]) -> str:
    """A column's heading; with the train rows if a task has several numbers of them."""
    parts = [f"{column.task} {column.metric}"]
    if len({other.train_rows for other in columns if other.task == column.task}) > 1:
        parts.append(f"{column.train_rows:,} rows")
    if column.split == "dev":
        parts.append("on dev")
    return ", ".join(parts)


def cell_text(row: Row, column: Column) -> str:
    """Mean ± sample standard deviation in percent, and the number of seeds."""
    if (cell := row.cells.get(column)) is None:
        return ""
    summary, text = cell.summary, f"{100 * cell.summary.mean:.2f}"
    if not math.isfinite(summary.mean):
        text = "undefined" if summary.succeeded else "failed"
    if math.isfinite(summary.sd):
        text += f" ± {100 * summary.sd:.2f}"
    if row.init in ("pretrained", "random"):
        failed = f", {summary.failed} failed" if summary.failed else ""
        text += f" ({summary.succeeded}{failed})"
    return text + cell.mark


def delta_text(delta: Delta) -> str:
    """The difference in percentage points, paired by seed where possible."""
    values = list(delta.by_seed.values())
    if not values:
        unpaired = f"{100 * delta.mean:+.2f} (means; no seed in common)"
        return unpaired if math.isfinite(delta.mean) else "undefined"
    text = f"{100 * statistics.fmean(values):+.2f}"
    if len(values) > 1:
        text += f" ± {100 * statistics.stdev(values):.2f}"
    above = sum(value > 0 for value in values)
    return f"{text} (better with {above} of {len(values)} seeds)"


_EXPLANATION = (
    "Mean ± sample standard deviation in percent (number of seeds). Bold: the best "
    "measured here. Dev chooses the epoch; the test rows are scored once."
)


def _scores(table: Table) -> html_page.Table:
    """A line for each model, with a number for each column."""
    rows = [
        (row.model, row.init, *(_number(row, column) for column in table.columns))
        for row in table.rows
    ]
    titles = (title(column, table.columns) for column in table.columns)
    return html_page.Table(("model", "weights", *titles), rows)


def _number(row: Row, column: Column) -> Number:
    is_best = column in row.cells and row.cells[column].is_best
    return Number(cell_text(row, column), is_best=is_best)


def _differences(table: Table) -> html_page.Table:
    headings = ("task", "pretrained", "random", "pretrained - random")
    rows = [
        (title(d.column, table.columns), *d[1:3], Number(delta_text(d)))
        for d in table.deltas
    ]
    return html_page.Table(headings, rows)


def page(heading: str, table: Table, png: bytes) -> str:
    """An HTML page: the table, the differences, the notes and a picture."""
    parts = [_scores(table), _EXPLANATION]
    if table.deltas:
        parts += [Heading("Pretrained and random weights"), _differences(table)]
    return html_page.page(heading, [*parts, *table.notes, Picture(png, "scores")])


def markdown(table: Table) -> str:
    """The table, the differences and the notes."""
    parts = [_in_markdown(_scores(table)), _EXPLANATION]
    if table.deltas:
        parts.append(_in_markdown(_differences(table)))
    parts += [f"- {note}" for note in table.notes]
    return "\n\n".join(parts) + "\n"


def _in_markdown(table: html_page.Table) -> str:
    def text(cell: str | Number) -> str:
        if isinstance(cell, str):
            return cell.replace("|", "\\|")
        return f"**{cell.text}**" if cell.is_best else cell.text

    rule = ["---:" if isinstance(cell, Number) else "---" for cell in table.rows[0]]
    lines = [map(text, line) for line in (table.columns, rule, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
