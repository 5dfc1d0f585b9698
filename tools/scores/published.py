"""The Korean systems' own published scores, in percent, for tables to show.

They were not measured here, and their protocols differ: KoELECTRA's fine-tuning code,
which the others adopted, scores every few hundred steps, on the test rows where a set
has no dev file, and the tables have one seed's best. Hate speech is scored on its dev
file, KorQuAD on its own.
"""

from collections.abc import Collection
from typing import NamedTuple

_NOTE = (
    "published: the systems' own figures, not measured here, of one seed each; where a "
    "set has no dev file, the step was chosen on the test rows. From "
)

# How many rows they were trained on; they are not shown beside far fewer.
TRAIN_ROWS = {
    "nsmc": 150_000,
    "naver_ner": 81_000,
    "paws": 49_401,
    "kornli": 392_702,
    "korsts": 5_749,
    "question_pair": 6_136,
    "korquad": 60_407,
    "hate_speech": 7_896,
}

_TASKS = (
    ("nsmc", "accuracy"),
    ("naver_ner", "entity_f1"),
    ("paws", "accuracy"),
    ("kornli", "accuracy"),
    ("korsts", "spearman"),
    ("question_pair", "accuracy"),
    ("korquad", "exact_match"),
    ("korquad", "f1"),
    ("hate_speech", "macro_f1"),
)

# Sources, and their tables in the order of _TASKS; "-": not published.
_TABLES = {
    "README of monologg/KoELECTRA": """
        KoELECTRA-Base      90.21  86.87 81.90 80.85 83.21 94.20 61.10 89.59 -
        KoELECTRA-Base-v2   89.70  87.02 83.90 80.61 84.30 94.72 84.34 92.58 -
        KoELECTRA-Small     88.76  84.11 74.15 76.27 77.00 93.01 58.13 86.82 -
        KoELECTRA-Small-v2  88.64  85.05 74.50 76.76 78.28 93.66 81.43 90.37 -
    """,
    "README of Beomi/KcBERT": """
        KcBERT-Base         89.62  84.34 66.95 74.85 75.57 93.93 60.25 84.39 -
        KcBERT-Large        90.68  85.53 70.15 76.99 77.49 94.06 62.16 86.64 -
    """,
    "README of Beomi/KcELECTRA": """
        KcELECTRA-base      91.71  86.90 74.80 81.65 82.65 95.78 70.60 90.11 -
    """,
    "README of snunlp/KR-ELECTRA": """
        KoELECTRA-Base-v3   90.63  88.11 84.45 82.24 85.53 95.25 84.83 93.45 67.61
        KR-ELECTRA          91.168 87.90 82.05 82.51 85.41 95.51 84.93 93.04 74.50
    """,
    "model card of jason9693/SoongsilBERT-base-beep": """
        KoELECTRA-Small-v3  89.36  85.40 77.45 78.60 80.79 94.85 82.11 91.13 63.07
    """,
}


class Published(NamedTuple):
    """A system's scores."""

    model: str
    source: str
    scores: dict[tuple[str, str], float]  # (task, metric) -> in [0, 1]


def _read(source: str, line: str) -> Published:
    model, *percents = line.split()
    scores = {
        key: float(percent) / 100
        for key, percent in zip(_TASKS, percents, strict=True)
        if percent != "-"
    }
    return Published(model, source, scores)


SYSTEMS = tuple(
    _read(source, line)
    for source, table in _TABLES.items()
    for line in table.strip().splitlines()
)


def belongs(task: str, train_rows: int) -> bool:
    """Whether published figures may be shown beside a model trained on so many rows.

    Slightly fewer are allowed: if a set has no dev file, a tenth of train becomes one.
    """
    return train_rows >= 0.85 * TRAIN_ROWS.get(task, float("inf"))


def note(models: Collection[str]) -> str:
    """The note under a table that shows some of the systems."""
    sources = {
        source: [system.model for system in SYSTEMS if system.source == source]
        for source in _TABLES
    }
    shown = {s: [m for m in names if m in models] for s, names in sources.items()}
    return _NOTE + "; ".join(
        f"the {source} ({', '.join(names)})" for source, names in shown.items() if names
    )
