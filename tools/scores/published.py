"""The Korean systems' own published scores, for tables to show; see published.toml."""

from collections.abc import Collection
from typing import NamedTuple

from common import toml_files

_NOTE = (
    "published: the systems' own figures, not measured here, of one seed each; where a "
    "set has no dev file, the step was chosen on the test rows. From "
)
_DATA = toml_files.beside(__file__, "published.toml")


class Published(NamedTuple):
    """A system's scores."""

    model: str
    source: str
    scores: dict[tuple[str, str], float]  # (task, metric) -> in [0, 1]


def _scores(percents: list[str]) -> dict[tuple[str, str], float]:
    return {
        tuple(column.split()): float(percent) / 100
        for column, percent in zip(_DATA["columns"], percents, strict=True)
        if percent != "-"
    }


SYSTEMS = tuple(
    Published(model, source, _scores(percents))
    for source, table in _DATA["tables"].items()
    for model, *percents in map(str.split, table.splitlines())
)


def belongs(task: str, train_rows: int) -> bool:
    """Whether published figures may be shown beside a model trained on so many rows.

    Slightly fewer are allowed: if a set has no dev file, a tenth of train becomes one.
    """
    return train_rows >= 0.85 * _DATA["train_rows"].get(task, float("inf"))


def note(models: Collection[str]) -> str:
    """The note under a table that shows some of the systems."""
    shown: dict[str, list[str]] = {}
    for system in SYSTEMS:
        if system.model in models:
            shown.setdefault(system.source, []).append(system.model)
    return _NOTE + "; ".join(
        f"the {source} ({', '.join(names)})" for source, names in shown.items()
    )
