"""Curves and last values of pretraining runs, as a picture and as an HTML page."""

import math
import os
from typing import Any

import numpy as np

from common import files, html_page
from common.errors import UserError
from common.html_page import Heading, Notice, Number, Picture, Table
from electra_tf.pretrain import run_log
from tools import pictures

KINDS = ("train", "eval")

# A run's lines of metrics.jsonl by kind: those of KINDS, and "warning".
Run = dict[str, list[dict[str, Any]]]

# Metrics that get a panel, if some run has them.
_CURVES = (
    "loss",
    "masked_lm_loss",
    "disc_loss",
    "masked_lm_accuracy",
    "sampled_masked_lm_accuracy",
    "replaced_rate",
    "disc_auc",
    "disc_precision",
    "disc_recall",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
)
_PANEL_INCHES = (5.0, 2.6)
_STYLES = {
    "train": {"linestyle": "-", "linewidth": 1.0},
    "eval": {"linestyle": "", "marker": "o", "markersize": 4.0},
}


def read_run(model_dir: str) -> Run:
    """A run's log.

    Raises:
      UserError: there is no log, or it has no metrics yet.
    """
    path = os.path.join(model_dir, run_log.METRICS_FILE)
    if not files.exists(path):
        raise UserError(
            f"{path} does not exist: --model_dir takes folders that "
            "run_pretraining wrote, separated by commas"
        )
    log = run_log.read_log(path)
    run = {kind: [r for r in log if r["kind"] == kind] for kind in (*KINDS, "warning")}
    if not any(run[kind] for kind in KINDS):
        raise UserError(
            f"{path} has no metrics yet: wait for the first line of the log"
        )
    return run


def names(model_dirs: list[str]) -> list[str]:
    """The folders' last parts, or the folders themselves where those repeat."""
    folders = [model_dir.rstrip("/") for model_dir in model_dirs]
    last = [os.path.basename(folder) for folder in folders]
    return last if len(set(last)) == len(last) else folders


def points(run: Run, kind: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of a metric, where the log has it."""
    records = [record for record in run[kind] if name in record]
    return [r["step"] for r in records], [r[name] for r in records]


def plot(runs: dict[str, Run]) -> bytes:
    """A PNG with a panel for each metric and a colour for each run."""
    curves = [name for name in _CURVES if _values(runs, name)]
    figure, panels = pictures.panels(
        len(curves), *_PANEL_INCHES, margins=(0.0, 0.4), sharex=True
    )
    for panel, name in zip(panels, curves, strict=True):
        _draw(panel, runs, name)
    shown = [(name, {"color": f"C{i}", "lw": 3}) for i, name in enumerate(runs)]
    for kind, label in zip(KINDS, ("training", "held-out records"), strict=True):
        shown.append((label, {"color": "gray", **_STYLES[kind]}))
    pictures.legend(figure, shown)
    figure.supxlabel("step", fontsize=9)
    return pictures.png(figure)


def _draw(axis: Any, runs: dict[str, Run], name: str) -> None:
    for number, run in enumerate(runs.values()):
        for kind in KINDS:
            axis.plot(*points(run, kind, name), color=f"C{number}", **_STYLES[kind])
    axis.set_title(name, fontsize=10)
    axis.set_ylim(limits(_values(runs, name)))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.ticklabel_format(axis="y", scilimits=(-4, 5))
    axis.tick_params(labelbottom=True)


def _values(runs: dict[str, Run], name: str) -> list[list[float]]:
    """The finite values of each run that has any."""
    all_values = (
        [value for kind in KINDS for value in points(run, kind, name)[1]]
        for run in runs.values()
    )
    finite = [[v for v in values if math.isfinite(v)] for values in all_values]
    return [values for values in finite if values]


def limits(values: list[list[float]]) -> tuple[float, float]:
    """The axis' range: a run's most extreme 1 % at either end does not widen it."""
    low = min(np.percentile(run, 1) for run in values)
    high = max(np.percentile(run, 99) for run in values)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def page(runs: dict[str, Run], png: bytes) -> str:
    """The HTML file: the picture, each run's last values and its warnings."""
    warnings = [
        Notice(f"{name}, step {record['step']:,}: {record['text']}")
        for name, run in runs.items()
        for record in run["warning"]
    ]
    parts = [Picture(png, "curves"), Heading("Last values"), _last_values(runs)]
    parts += [Heading("Warnings"), *(warnings or ["none"])]
    return html_page.page(", ".join(runs), parts)


def _last_values(runs: dict[str, Run]) -> Table:
    """A row for each metric, a column for the last line of each kind of each run."""
    last = {
        f"{name}, {kind}, step {run[kind][-1]['step']:,}": run[kind][-1]
        for name, run in runs.items()
        for kind in KINDS
        if run[kind]
    }
    metrics = dict.fromkeys(name for record in last.values() for name in record)
    rows = [
        (name, *(_number(record.get(name)) for record in last.values()))
        for name in metrics
        if name not in ("kind", "step")
    ]
    return Table(("", *last), rows)


def _number(value: float | None) -> Number:
    return Number("" if value is None else f"{value:,.5g}")
