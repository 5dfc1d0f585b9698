"""What is found without a pretrained model: the majority, and linear models of n-grams.

Features are TF-IDF of word 1-grams, or of character 1-3-grams within words' edges and
across them; n-grams of one training text only are left out. A pair of texts has those
of both, the absolute differences and the cosine. A choice is a pair with its text, and
the choice with the highest score is taken. A unit that has a tag of its own sees the
characters within three of it, alone and as 2- and 3-grams; tags are chosen one by one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from data_prep.cli import UserError
from electra_tf.finetune.rows import Dataset, Kind, Row, Unit

# Names for folders and for tables.
MODELS = {
    "majority": "majority",
    "words": "word 1-grams, linear",
    "characters": "character 1-3-grams, linear",
}
# Of logistic regression; Ridge's alpha is 1 / C.
GRID = (0.3, 1.0, 3.0, 10.0, 30.0)

_ANALYZERS = {
    "words": {"token_pattern": r"(?u)\w+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3)},
}
_WINDOW = 3  # characters on either side of a unit
_HASHED = 2**18
_MAX_ITERATIONS = 300

Features = Callable[[list[Row]], sparse.csr_matrix]


class Candidate(NamedTuple):
    """A fitted model, and the C that dev is to choose by."""

    c: float | None
    predict: Callable[[list[Row]], list[Any]]  # as metrics.scores takes them


def names(kind: Kind) -> list[str]:
    """The baselines that a kind of task has.

    Raises:
      UserError: it has none.
    """
    if kind is Kind.QUESTION_ANSWERING:
        raise UserError("no baseline finds answers: name another --task")
    return ["majority", "characters"] if kind is Kind.TAGGING else list(MODELS)


def candidates(name: str, data: Dataset) -> Iterator[Candidate]:
    """Models fitted on train: one for each C of GRID, or the one without settings."""
    if name == "majority":
        yield Candidate(None, _majority(data))
        return
    features = _cached(_features(name, data))
    train, targets = features(data.train), _targets(data)
    for c in GRID:
        model = _linear(data.kind, c).fit(train, targets)
        yield Candidate(c, _predictor(model, features, data))


def _majority(data: Dataset) -> Callable[[list[Row]], list[Any]]:
    """The label most rows have; the mean of numbers; the tag most often a unit's."""
    labels = [row.label for row in data.train]
    if data.kind is Kind.TAGGING:
        return _majority_tags(data.train)
    if data.kind is Kind.REGRESSION:
        said = float(np.mean(labels))
    elif data.kind is Kind.MULTI_LABEL:
        counts = Counter(name for label in labels for name in label)
        said = tuple(n for n in data.labels if 2 * counts[n] > len(labels))
    else:
        said = Counter(labels).most_common(1)[0][0]
    return lambda rows: [said] * len(rows)


def _majority_tags(train: list[Row]) -> Callable[[list[Row]], list[list[str]]]:
    counts: dict[str, Counter[str]] = {}
    for row in train:
        for unit in row.label:
            counts.setdefault(_of(row, unit), Counter())[unit.tag] += 1
    best = {text: tags.most_common(1)[0][0] for text, tags in counts.items()}
    return lambda rows: [
        [best.get(_of(row, unit), "O") for unit in row.label] for row in rows
    ]


def _of(row: Row, unit: Unit) -> str:
    return row.text[unit.start : unit.end]


def _cached(features: Features) -> Features:
    """Each C asks for the same rows: they are looked at once. Keyed by the list."""
    found: dict[int, sparse.csr_matrix] = {}

    def cached(rows: list[Row]) -> sparse.csr_matrix:
        if id(rows) not in found:
            found[id(rows)] = features(rows)
        return found[id(rows)]

    return cached


def _features(name: str, data: Dataset) -> Features:
    """Rows (their choices or units, if they have any) -> a matrix [N, features]."""
    if data.kind is Kind.TAGGING:
        hasher = FeatureHasher(_HASHED, input_type="string", alternate_sign=False)
        return lambda rows: hasher.transform(
            _surroundings(row.text, unit) for row in rows for unit in row.label
        )
    vectorizer = TfidfVectorizer(
        lowercase=False, min_df=2, sublinear_tf=True, **_ANALYZERS[name]
    )
    pairs = _pairs(data.train)
    vectorizer.fit({text: None for pair in pairs for text in pair if text is not None})
    return lambda rows: _paired(vectorizer, _pairs(rows))


def _pairs(rows: list[Row]) -> list[tuple[str, str | None]]:
    """The text and the other one, or each of the choices."""
    return [
        (row.text, other) for row in rows for other in row.choices or [row.text_pair]
    ]


def _paired(
    vectorizer: TfidfVectorizer, pairs: list[tuple[str, str | None]]
) -> sparse.csr_matrix:
    first = vectorizer.transform([text for text, _ in pairs])
    if all(other is None for _, other in pairs):
        return first
    second = vectorizer.transform([other or "" for _, other in pairs])
    # Rows are of length 1, so that their product is the cosine.
    cosine = sparse.csr_matrix(first.multiply(second).sum(1))
    return sparse.hstack([first, second, abs(first - second), cosine], format="csr")


def _surroundings(text: str, unit: Unit) -> list[str]:
    """The unit, and n-grams of what is beside it, by their places."""
    padded = "\n" * _WINDOW + text + "\n" * _WINDOW
    end = unit.end + 2 * _WINDOW
    around = padded[unit.start : unit.start + _WINDOW], padded[end - _WINDOW : end]
    symbols = [*around[0], text[unit.start : unit.end], *around[1]]
    return [
        f"{i}:{n}:{''.join(symbols[i : i + n])}"
        for n in (1, 2, 3)
        for i in range(len(symbols) - n + 1)
    ]


def _targets(data: Dataset) -> Any:
    labels = [row.label for row in data.train]
    if data.kind is Kind.MULTI_LABEL:
        return MultiLabelBinarizer(classes=data.labels).fit_transform(labels)
    if data.kind is Kind.MULTIPLE_CHOICE:
        return [i == row.label for row in data.train for i in range(len(row.choices))]
    if data.kind is Kind.TAGGING:
        return [unit.tag for label in labels for unit in label]
    return labels


def _linear(kind: Kind, c: float) -> Any:
    if kind is Kind.REGRESSION:
        return Ridge(alpha=1 / c)
    model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS)
    return OneVsRestClassifier(model) if kind is Kind.MULTI_LABEL else model


def _predictor(
    model: Any, features: Features, data: Dataset
) -> Callable[[list[Row]], list[Any]]:
    def grouped(values: Any, sizes: list[int]) -> list[Any]:
        return np.split(np.asarray(values), np.cumsum(sizes)[:-1])

    def predict(rows: list[Row]) -> list[Any]:
        matrix = features(rows)
        if data.kind is Kind.MULTIPLE_CHOICE:
            scores = model.decision_function(matrix)
            groups = grouped(scores, [len(row.choices) for row in rows])
            return [int(group.argmax()) for group in groups]
        said = model.predict(matrix)
        if data.kind is Kind.TAGGING:
            groups = grouped(said, [len(row.label) for row in rows])
            return [group.tolist() for group in groups]
        if data.kind is Kind.MULTI_LABEL:
            return [
                tuple(n for n, has in zip(data.labels, row, strict=True) if has)
                for row in said
            ]
        return said.tolist()

    return predict
