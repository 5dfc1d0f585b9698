"""Scores against their definitions, written out, and where they are undefined."""

import math
import random

import numpy as np
import pytest
from absl import logging
from hypothesis import given
from hypothesis import strategies as st

from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.rows import Row, Unit

NAMES = ("가", "나", "다")


def scores(kind: kinds.Kind, predictions: list, labels: list, names=()) -> dict:
    if kind is kinds.TAGGING:
        labels = [
            tuple(Unit(i, i + 1, tag) for i, tag in enumerate(tags)) for tags in labels
        ]
    return kind.scores(predictions, [Row("", "", label=x) for x in labels], names)


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """What is logged as a warning."""
    said: list[str] = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: said.append(text % args)
    )
    return said


def counted_f1(predictions: list, labels: list, name) -> float | None:
    """2 TP / (2 TP + FP + FN); None where that is 0 / 0."""
    pairs = list(zip(predictions, labels, strict=True))
    both = sum(p == name and label == name for p, label in pairs)
    either = sum((p == name) + (label == name) for p, label in pairs)
    return 2 * both / either if either else None


def pairs_of(values) -> st.SearchStrategy:
    """(prediction, label) for 1 to 12 rows."""
    return st.lists(st.tuples(values, values), min_size=1, max_size=12)


@given(pairs_of(st.sampled_from(NAMES)))
def test_classes(rows):
    predictions, labels = map(list, zip(*rows, strict=True))
    found = scores(kinds.CLASSIFICATION, predictions, labels, NAMES)
    assert set(found) == {"accuracy", "macro_f1", "weighted_f1"}
    right = sum(p == label for p, label in rows)
    assert found["accuracy"] == pytest.approx(right / len(rows))
    by_name = {name: counted_f1(predictions, labels, name) for name in NAMES}
    defined = [f1 for f1 in by_name.values() if f1 is not None]
    assert found["macro_f1"] == pytest.approx(sum(defined) / len(defined))
    weighted = sum((by_name[label] or 0.0) for label in labels) / len(labels)
    assert found["weighted_f1"] == pytest.approx(weighted)


@given(pairs_of(st.sampled_from("01")))
def test_f1_is_the_second_label_s(rows):
    predictions, labels = map(list, zip(*rows, strict=True))
    found = scores(kinds.CLASSIFICATION, predictions, labels, ("0", "1"))
    expected = counted_f1(predictions, labels, "1")
    assert found["f1"] == pytest.approx(
        math.nan if expected is None else expected, nan_ok=True
    )


def test_f1_of_a_class_that_is_nowhere_is_undefined(warnings):
    found = scores(kinds.CLASSIFICATION, ["0"] * 3, ["0"] * 3, ("0", "1"))
    assert math.isnan(found["f1"]) and found["accuracy"] == found["macro_f1"] == 1.0
    assert warnings == [
        "f1 is undefined: no row has the label '1', and none was predicted"
    ]
    # Said to be, or to be found: then it is 0.
    for rows in (["0", "1"], ["0", "0"]), (["0", "0"], ["0", "1"]):
        found = scores(kinds.CLASSIFICATION, *rows, ("0", "1"))
        assert found["f1"] == 0.0
    assert len(warnings) == 1


def test_choices_are_classes():
    found = scores(kinds.MULTIPLE_CHOICE, [0, 1, 1, 0], [0, 1, 0, 0])
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)


@given(pairs_of(st.sets(st.sampled_from(NAMES)).map(tuple)))
def test_any_number_of_labels(rows):
    predictions, labels = map(list, zip(*rows, strict=True))
    found = scores(kinds.MULTI_LABEL, predictions, labels, NAMES)
    same = sum(set(p) == set(label) for p, label in rows)
    assert found["accuracy"] == pytest.approx(same / len(rows))
    both = sum(len(set(p) & set(label)) for p, label in rows)
    either = sum(len(p) + len(label) for p, label in rows)
    micro = 2 * both / either if either else math.nan
    assert found["micro_f1"] == pytest.approx(micro, nan_ok=True)
    has = {n: ([n in p for p in predictions], [n in e for e in labels]) for n in NAMES}
    f1 = {name: counted_f1(*columns, True) for name, columns in has.items()}
    support = {name: sum(columns[1]) for name, columns in has.items()}
    defined = [value for value in f1.values() if value is not None]
    macro = sum(defined) / len(defined) if defined else math.nan
    assert found["macro_f1"] == pytest.approx(macro, nan_ok=True)
    total = sum(support.values())
    weighted = (
        sum((f1[n] or 0.0) * support[n] for n in NAMES) / total if total else math.nan
    )
    assert found["weighted_f1"] == pytest.approx(weighted, nan_ok=True)


def test_labels_that_are_nowhere_have_no_f1(warnings):
    found = scores(kinds.MULTI_LABEL, [(), ()], [(), ()], NAMES)
    assert found.pop("accuracy") == 1.0
    assert all(map(math.isnan, found.values()))
    nowhere = "no row has a label, and none was predicted"
    assert warnings == [
        f"macro_f1 is undefined: {nowhere}",
        "weighted_f1 is undefined: no row has a label",
        f"micro_f1 is undefined: {nowhere}",
    ]
    # Found where there is none: F1 is 0, but nothing is left to weigh it by.
    found = scores(kinds.MULTI_LABEL, [("가",)], [()], NAMES)
    assert found["macro_f1"] == found["micro_f1"] == 0.0
    assert warnings[3:] == ["weighted_f1 is undefined: no row has a label"]


def ranks(values: list[float]) -> list[float]:
    """Each value's place among them, from 1; equal values share the mean of theirs."""
    return [
        sum(other < value for other in values)
        + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def correlation(a: list[float], b: list[float]) -> float:
    a, b = (np.array(values) - np.mean(values) for values in (a, b))
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


@pytest.mark.parametrize("seed", range(5))
def test_correlations(seed):
    rng = np.random.default_rng(seed)
    labels = [float(v) for v in rng.integers(0, 6, 30)]  # ties, as annotators make them
    predictions = [float(v) for v in labels + rng.normal(0, 2, 30)]
    found = scores(kinds.REGRESSION, predictions, labels)
    assert found["pearson"] == pytest.approx(correlation(predictions, labels))
    expected = correlation(ranks(predictions), ranks(labels))
    assert found["spearman"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "predictions, labels, why",
    [
        ([2.0, 2.0], [1.0, 3.0], "all predictions are equal"),
        ([1.0, 2.0], [3.0, 3.0], "all labels are equal"),
        ([1.0], [3.0], "all predictions and all labels are equal"),
        ([1.0, math.nan], [3.0, 4.0], "a prediction is not finite"),
    ],
)
def test_correlation_with_what_does_not_vary_is_undefined(
    predictions, labels, why, warnings
):
    found = scores(kinds.REGRESSION, predictions, labels)
    assert math.isnan(found["pearson"]) and math.isnan(found["spearman"])
    assert warnings == [f"{name} is undefined: {why}" for name in found]


def entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """(type, first, last unit): B-X begins one, and so does I-X after another X."""
    found, begin = set(), None
    for i, tag in enumerate([*tags, "O"]):
        before = tags[i - 1] if i else "O"
        if begin is not None and not (tag[0] == "I" and tag[2:] == before[2:]):
            found.add((before[2:], begin, i - 1))
            begin = None
        if tag != "O" and begin is None:
            begin = i
    return found


@pytest.mark.parametrize("seed", range(8))
def test_tags(seed):
    rng = random.Random(seed)
    tags = ["O", "O", "B-PS", "I-PS", "B-LC", "I-LC"]
    labels = [rng.choices(tags, k=rng.randint(1, 9)) for _ in range(6)]
    said = [[rng.choice([t, t, *tags]) for t in row] for row in labels]
    found = scores(kinds.TAGGING, said, labels)
    expected = {(i, *e) for i, row in enumerate(labels) for e in entities(row)}
    predicted = {(i, *e) for i, row in enumerate(said) for e in entities(row)}
    both = len(expected & predicted)
    assert found["entity_precision"] == pytest.approx(both / len(predicted))
    assert found["entity_recall"] == pytest.approx(both / len(expected))
    f1 = 2 * both / (len(expected) + len(predicted))
    assert found["entity_f1"] == pytest.approx(f1)
    pairs = [
        p for rows in zip(said, labels, strict=True) for p in zip(*rows, strict=True)
    ]
    share = sum(a == b for a, b in pairs) / len(pairs)
    assert found["token_accuracy"] == pytest.approx(share)


def test_one_end_that_is_wrong_makes_an_entity_wrong():
    labels = [["B-PS", "I-PS", "O", "B-LC"]]
    said = [["B-PS", "O", "O", "B-LC"]]
    found = scores(kinds.TAGGING, said, labels)
    assert found["entity_f1"] == 0.5 and found["token_accuracy"] == 0.75


def test_entities_that_are_nowhere_have_no_f1(warnings):
    found = scores(kinds.TAGGING, [["O", "O"]], [["O", "O"]])
    assert found["token_accuracy"] == 1.0
    assert all(math.isnan(found[f"entity_{n}"]) for n in ("f1", "precision", "recall"))
    assert len(warnings) == 3
    # None found of those there are: F1 and recall are 0, precision is 0 / 0.
    found = scores(kinds.TAGGING, [["O", "O"]], [["B-X", "O"]])
    assert found["entity_f1"] == found["entity_recall"] == 0.0
    assert math.isnan(found["entity_precision"])
    assert warnings[3:] == ["entity_precision is undefined: no entity was predicted"]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in kinds.KINDS.values() if kind is not kinds.QUESTION_ANSWERING],
    ids=str,
)
def test_names_are_those_of_the_scores(kind):
    rows = {
        kinds.MULTI_LABEL: [("a",), ("b", "a")],
        kinds.REGRESSION: [1.0, 2.0],
        kinds.MULTIPLE_CHOICE: [0, 1],
        kinds.TAGGING: [["B-X"], ["O"]],
    }.get(kind, ["a", "b"])
    names = ("a", "b")
    assert tuple(scores(kind, rows, rows, names)) == kind.metric_names(names)


def test_nothing_to_score_and_rows_that_do_not_match_are_errors():
    for predictions, labels in ([], []), (["0"], ["0", "1"]):
        with pytest.raises(ValueError, match="predictions for . labels"):
            scores(kinds.CLASSIFICATION, predictions, labels, ("0", "1"))
