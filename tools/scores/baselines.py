"""Scores without a pretrained model: the majority, and linear models of n-grams.

Features are TF-IDF of word 1-grams, or of character 1-3-grams, spaces included. A pair
of texts has those of both, their absolute differences and their cosine. A choice and
its text are a pair, and the choice with the highest score is predicted. A unit with its
own tag has itself and the three characters on either side, alone and as 2- and 3-grams
by their places; tags are predicted one by one.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from common.errors import UserError
from electra_tf.finetune.data.dataset import Dataset
from electra_tf.finetune.kinds.base import Kind
from electra_tf.finetune.kinds.classification import CLASSIFICATION
from electra_tf.finetune.kinds.multi_label import MULTI_LABEL
from electra_tf.finetune.kinds.multiple_choice import MULTIPLE_CHOICE
from electra_tf.finetune.kinds.regression import REGRESSION
from electra_tf.finetune.kinds.rows import Row, Unit
from electra_tf.finetune.kinds.tagging import TAGGING
from electra_tf.finetune.results import Seed

# Names for folders and for tables.
MODELS = {
    "majority": "majority",
    "words": "word 1-grams, linear",
    "characters": "character 1-3-grams, linear",
}
_TEXT_KINDS = (CLASSIFICATION, MULTI_LABEL, REGRESSION, MULTIPLE_CHOICE)
_BY_KIND = dict.fromkeys(_TEXT_KINDS, list(MODELS)) | {
    TAGGING: ["majority", "characters"]
}
# C of logistic regression; Ridge's alpha is 1 / C.
GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

_ANALYZERS = {
    "words": {"token_pattern": r"(?u)\w+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3)},
}
_WINDOW = 3  # characters on either side of a unit
_MAX_ITERATIONS = 100  # large C may stop short of the optimum

Features = Callable[[list[Row]], sparse.csr_matrix]
Predict = Callable[[list[Row]], list[Any]]  # as the kind's `scores` takes them


class Candidate(NamedTuple):
    """A fitted model, and its C, which dev chooses."""

    c: float | None
    predict: Predict


def names(kind: Kind, wanted: Sequence[str] = ()) -> Sequence[str]:
    """The baselines of a kind of task, or the wanted ones.

    Raises:
      UserError: it has none, or not all that are wanted.
    """
    if kind not in _BY_KIND:
        raise UserError(f"{kind.name} has no baselines: pass another --task")
    if unknown := [name for name in wanted if name not in _BY_KIND[kind]]:
        raise UserError(
            f"--baselines={','.join(wanted)}: {kind.name} has no {unknown[0]!r}; it "
            f"has {', '.join(_BY_KIND[kind])}"
        )
    return wanted or _BY_KIND[kind]


def score(name: str, data: Dataset, metric: str) -> tuple[Seed, dict[str, Any]]:
    """Scores of the C that is best on dev, and the config for results.json.

    Test rows are used once, after the choice.
    """
    begin = time.monotonic()
    tried = [(c, _scores(c, data, data.dev)) for c in candidates(name, data)]
    # An undefined score is the worst; the smallest C wins ties.
    values = [dev[metric] for _, dev in tried]
    best = int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
    chosen, dev = tried[best]
    test = _scores(chosen, data, data.test) if data.test else None
    grid = {str(c.c): value for (c, _), value in zip(tried, values, strict=True)}
    config = {"baseline": name, "C": chosen.c, f"dev_{metric}_by_C": grid}
    return Seed(0, None, [], dev, test, time.monotonic() - begin), config


def _scores(candidate: Candidate, data: Dataset, rows: list[Row]) -> dict[str, float]:
    return data.kind.scores(candidate.predict(rows), rows, data.labels)


def candidates(name: str, data: Dataset) -> Iterator[Candidate]:
    """Models fitted on train: one for each C of GRID, or the majority."""
    if name == "majority":
        yield Candidate(None, _majority(data))
        return
    features, targets = _features(name, data), _targets(data)
    # Each C needs the features of the same rows.
    known = {id(r): features(r) for r in (data.train, data.dev, data.test) if r}

    def matrix(rows: list[Row]) -> sparse.csr_matrix:
        return known[id(rows)] if id(rows) in known else features(rows)

    train = matrix(data.train)
    for c in GRID:
        model = _linear(data.kind, c, train.shape[0]).fit(train, targets)
        yield Candidate(c, _predictor(model, matrix, data))


def _majority(data: Dataset) -> Predict:
    """The most frequent label; the mean of numbers; each unit's most frequent tag."""
    labels = [row.label for row in data.train]
    if data.kind is TAGGING:
        return _majority_tags(data.train)
    if data.kind is REGRESSION:
        prediction = float(np.mean(labels))
    elif data.kind is MULTI_LABEL:
        counts = Counter(name for label in labels for name in label)
        prediction = tuple(n for n in data.labels if 2 * counts[n] > len(labels))
    else:
        prediction = Counter(labels).most_common(1)[0][0]
    return lambda rows: [prediction] * len(rows)


def _majority_tags(train: list[Row]) -> Predict:
    def text(row: Row, unit: Unit) -> str:
        return row.text[unit.start : unit.end]

    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in train:
        for unit in row.label:
            counts[text(row, unit)][unit.tag] += 1
    best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    return lambda rows: [
        [best.get(text(row, unit), "O") for unit in row.label] for row in rows
    ]


def _features(name: str, data: Dataset) -> Features:
    """Rows (their choices or units, if they have any) -> a matrix [N, features]."""
    if data.kind is TAGGING:
        counter = CountVectorizer(analyzer=_surroundings, binary=True, min_df=2)
        counter.fit(_units(data.train))
        return lambda rows: counter.transform(_units(rows))
    vectorizer = TfidfVectorizer(lowercase=False, sublinear_tf=True, **_ANALYZERS[name])
    texts = (text for pair in _pairs(data.train) for text in pair)
    vectorizer.fit(dict.fromkeys(text for text in texts if text is not None))
    return lambda rows: _paired(vectorizer, _pairs(rows))


def _units(rows: list[Row]) -> list[tuple[str, Unit]]:
    """Each unit, after its text."""
    return [(row.text, unit) for row in rows for unit in row.label]


def _pairs(rows: list[Row]) -> list[tuple[str, str | None]]:
    """The text and its pair, or the text and each of its choices."""
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
    # TF-IDF rows have length 1, so their product is the cosine.
    cosine = sparse.csr_matrix(first.multiply(second).sum(1))
    return sparse.hstack([first, second, abs(first - second), cosine], format="csr")


def _surroundings(text_and_unit: tuple[str, Unit]) -> list[str]:
    """n-grams of a unit and of the characters beside it, by their places."""
    text, unit = text_and_unit
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
    if data.kind is MULTI_LABEL:
        return MultiLabelBinarizer(classes=data.labels).fit_transform(labels)
    if data.kind is MULTIPLE_CHOICE:
        return [i == row.label for row in data.train for i in range(len(row.choices))]
    if data.kind is TAGGING:
        return [unit.tag for label in labels for unit in label]
    return labels


def _linear(kind: Kind, c: float, count: int) -> Any:
    """The linear model of a kind, for `count` examples."""
    if kind is REGRESSION:
        return Ridge(alpha=1 / c)
    if kind is TAGGING:
        # The same objective by gradient steps: there are many units and features.
        return SGDClassifier("log_loss", alpha=1 / (c * count), random_state=0)
    model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS)
    return OneVsRestClassifier(model) if kind is MULTI_LABEL else model


def _predictor(model: Any, features: Features, data: Dataset) -> Predict:
    def grouped(values: Any, sizes: list[int]) -> list[Any]:
        return np.split(np.asarray(values), np.cumsum(sizes)[:-1])

    def predict(rows: list[Row]) -> list[Any]:
        matrix = features(rows)
        if data.kind is MULTIPLE_CHOICE:
            scores = model.decision_function(matrix)
            groups = grouped(scores, [len(row.choices) for row in rows])
            return [int(group.argmax()) for group in groups]
        predictions = model.predict(matrix)
        if data.kind is TAGGING:
            groups = grouped(predictions, [len(row.label) for row in rows])
            return [group.tolist() for group in groups]
        if data.kind is MULTI_LABEL:
            return [
                tuple(n for n, has in zip(data.labels, row, strict=True) if has)
                for row in predictions
            ]
        return predictions.tolist()

    return predict
