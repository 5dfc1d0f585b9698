"""What the Korean systems published of themselves, in percent, for tables to show.

They are no measurements of ours and their protocols differ: KoELECTRA's fine-tuning
code, which the others took over, scores every few hundred steps, on the test rows where
a set has no dev file, and the tables hold one seed's best. Hate speech is scored on its
dev file, KorQuAD on its own.
"""

from typing import NamedTuple

NOTE = (
    "published: the systems' own figures, not measured here, one seed each; where a "
    "set has no dev file, the step was chosen on the test rows"
)

# How many rows they were trained on. A column of far fewer is no place for them.
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

_ = None  # not published

# The order of _TASKS.
_KOELECTRA = {
    "KoELECTRA-Base": (90.21, 86.87, 81.90, 80.85, 83.21, 94.20, 61.10, 89.59, _),
    "KoELECTRA-Base-v2": (89.70, 87.02, 83.90, 80.61, 84.30, 94.72, 84.34, 92.58, _),
    "KoELECTRA-Small": (88.76, 84.11, 74.15, 76.27, 77.00, 93.01, 58.13, 86.82, _),
    "KoELECTRA-Small-v2": (88.64, 85.05, 74.50, 76.76, 78.28, 93.66, 81.43, 90.37, _),
}
_KCBERT = {
    "KcBERT-Base": (89.62, 84.34, 66.95, 74.85, 75.57, 93.93, 60.25, 84.39, _),
    "KcBERT-Large": (90.68, 85.53, 70.15, 76.99, 77.49, 94.06, 62.16, 86.64, _),
}
_KCELECTRA = {
    "KcELECTRA-base": (91.71, 86.90, 74.80, 81.65, 82.65, 95.78, 70.60, 90.11, _),
}
_KR_ELECTRA = {
    "KoELECTRA-Base-v3": (
        *(90.63, 88.11, 84.45, 82.24, 85.53, 95.25, 84.83, 93.45, 67.61),
    ),
    "KR-ELECTRA": (91.168, 87.90, 82.05, 82.51, 85.41, 95.51, 84.93, 93.04, 74.50),
}
_SOONGSIL_BERT = {
    "KoELECTRA-Small-v3": (
        *(89.36, 85.40, 77.45, 78.60, 80.79, 94.85, 82.11, 91.13, 63.07),
    ),
}
_SOURCES = {
    "README of monologg/KoELECTRA": _KOELECTRA,
    "README of Beomi/KcBERT": _KCBERT,
    "README of Beomi/KcELECTRA": _KCELECTRA,
    "README of snunlp/KR-ELECTRA": _KR_ELECTRA,
    "model card of jason9693/SoongsilBERT-base-beep": _SOONGSIL_BERT,
}


class Published(NamedTuple):
    """A system's figures."""

    model: str
    source: str
    scores: dict[tuple[str, str], float]  # (task, metric) -> in [0, 1]


SYSTEMS = tuple(
    Published(
        model,
        source,
        {
            key: percent / 100
            for key, percent in zip(_TASKS, row, strict=True)
            if percent is not None
        },
    )
    for source, table in _SOURCES.items()
    for model, row in table.items()
)


def belongs(task: str, train_rows: int) -> bool:
    """Whether published figures may stand beside a model trained on so many rows.

    Not quite as many is near enough: where a set has no dev file, it comes off train.
    """
    return train_rows >= 0.85 * TRAIN_ROWS.get(task, float("inf"))
