"""What is found without a pretrained model: the majority, and linear models of n-grams.

Features are TF-IDF of word 1-grams, or of character 1-3-grams, spaces among them. A
pair of texts has those of both, the absolute differences and the cosine. A choice is a
pair with its text, and the choice with the highest score is taken. A unit that has a
tag of its own sees itself and the three characters on either side, alone and as 2- and
3-grams by their places; tags are chosen one by one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from common.cli import UserError
from electra_tf.finetune.data.rows import Dataset, Kind, Row, Unit
from electra_tf.finetune.kinds import metrics
from electra_tf.finetune.results import Seed

# Names for folders and for tables.
MODELS = {
    "majority": "majority",
    "words": "word 1-grams, linear",
    "characters": "character 1-3-grams, linear",
}
# Of logistic regression; Ridge's alpha is 1 / C.
GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

_ANALYZERS = {
    "words": {"token_pattern": r"(?u)\w+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3)},
}
_WINDOW = 3  # characters on either side of a unit
_MAX_ITERATIONS = 100  # large C may stop short of the optimum

Features = Callable[[list[Row]], sparse.csr_matrix]


class Candidate(NamedTuple):
    """A fitted model, and the C that dev is to choose by."""

    c: float | None
    predict: Callable[[list[Row]], list[Any]]  # as metrics.scores takes them


def names(kind: Kind, wanted: Sequence[str] = ()) -> Sequence[str]:
    """The baselines that a kind of task has, or those of them that are wanted.

    Raises:
      UserError: it has none, or not all that are wanted.
    """
    if kind is Kind.QUESTION_ANSWERING:
        raise UserError("no baseline finds answers: name another --task")
    found = ["majority", "characters"] if kind is Kind.TAGGING else list(MODELS)
    if unknown := [name for name in wanted if name not in found]:
        raise UserError(
            f"--baselines={','.join(wanted)}: {kind.value} has no {unknown[0]!r}; it "
            f"has {', '.join(found)}"
        )
    return wanted or found


def score(name: str, data: Dataset, metric: str) -> tuple[Seed, dict[str, Any]]:
    """Scores of the C that is best on dev, and what it was chosen from.

    Test rows are looked at once, after the choice.
    """
    begin = time.monotonic()
    tried = [(c, _scores(c, data, data.dev)) for c in candidates(name, data)]
    # An undefined score is the worst; of equal ones the smallest C is taken.
    values = [dev[metric] for _, dev in tried]
    best = int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
    chosen, dev = tried[best]
    test = _scores(chosen, data, data.test) if data.test else None
    grid = {str(c.c): value for (c, _), value in zip(tried, values, strict=True)}
    config = {"baseline": name, "C": chosen.c, f"dev_{metric}_by_C": grid}
    return Seed(0, None, [], dev, test, time.monotonic() - begin), config


def _scores(candidate: Candidate, data: Dataset, rows: list[Row]) -> dict[str, float]:
    labels = [row.label for row in rows]
    if data.kind is Kind.TAGGING:
        labels = [[unit.tag for unit in label] for label in labels]
    return metrics.scores(data.kind, candidate.predict(rows), labels, data.labels)


def candidates(name: str, data: Dataset) -> Iterator[Candidate]:
    """Models fitted on train: one for each C of GRID, or the one without settings."""
    if name == "majority":
        yield Candidate(None, _majority(data))
        return
    features = _cached(_features(name, data))
    train, targets = features(data.train), _targets(data)
    for c in GRID:
        model = _linear(data.kind, c, train.shape[0]).fit(train, targets)
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
    """Each C asks for the same rows: they are looked at once."""
    # The lists are kept, too, so that no other one can get their ids.
    found: dict[int, tuple[list[Row], sparse.csr_matrix]] = {}

    def cached(rows: list[Row]) -> sparse.csr_matrix:
        if id(rows) not in found:
            found[id(rows)] = rows, features(rows)
        return found[id(rows)][1]

    return cached


def _features(name: str, data: Dataset) -> Features:
    """Rows (their choices or units, if they have any) -> a matrix [N, features]."""
    if data.kind is Kind.TAGGING:
        counter = CountVectorizer(analyzer=_surroundings, binary=True, min_df=2)
        counter.fit(_units(data.train))
        return lambda rows: counter.transform(_units(rows))
    vectorizer = TfidfVectorizer(lowercase=False, sublinear_tf=True, **_ANALYZERS[name])
    texts = (text for pair in _pairs(data.train) for text in pair)
    vectorizer.fit(dict.fromkeys(text for text in texts if text is not None))
    return lambda rows: _paired(vectorizer, _pairs(rows))


def _units(rows: list[Row]) -> list[tuple[str, Unit]]:
    """Each unit, after the text it stands in."""
    return [(row.text, unit) for row in rows for unit in row.label]


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


def _surroundings(found: tuple[str, Unit]) -> list[str]:
    """n-grams of a unit and of what is beside it, by their places."""
    text, unit = found
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


def _linear(kind: Kind, c: float, count: int) -> Any:
    """The model of a kind, for `count` examples."""
    if kind is Kind.REGRESSION:
        return Ridge(alpha=1 / c)
    if kind is Kind.TAGGING:
        # The same objective by steps: units are many, and so are their features.
        return SGDClassifier("log_loss", alpha=1 / (c * count), random_state=0)
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
