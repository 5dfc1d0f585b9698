"""What logits say of rows, and its scores."""

import numpy as np
import pytest
from helpers import small

from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.qa_windows import Windows
from electra_tf.finetune.kinds.rows import Row, Unit


def predicted(kind: kinds.Kind, rows: list[Row], logits: list) -> list:
    prepared = kind.prepare(small.reading(kind), rows)
    logits = [np.float32(value) for value in logits]
    return kind.predictions(small.reading(kind), prepared, logits)


@pytest.mark.parametrize(
    ("kind", "logits", "expected"),
    [
        (kinds.CLASSIFICATION, [[-1, 2], [0.5, 0]], ["혐오", "없음"]),
        (kinds.MULTI_LABEL, [[1, -1, 0.1], [-1, -2, -3]], [("값", "양"), ()]),
        (kinds.REGRESSION, [0.5, -3], [0.5, -3.0]),
        (kinds.MULTIPLE_CHOICE, [[1, 0], [-2, -1]], [0, 1]),
    ],
    ids=str,
)
def test_what_logits_say(kind, logits, expected):
    assert predicted(kind, small.ROWS[kind], logits) == expected


def test_tags_are_read_at_their_tokens_and_not_at_special_ones_or_padding():
    # [CLS] 서울 ##에 이 [SEP] [PAD]: what is said at ##에 is asked of no unit.
    first = np.eye(3)[[2, 1, 2, 0, 1, 1]]
    second = np.eye(3)[[1, 0, 1, 1, 1, 1]]
    found = predicted(kinds.TAGGING, small.ROWS[kinds.TAGGING], [first, second])
    assert found == [["B-LC", "O"], ["O"]]


def test_tags_past_max_seq_length_are_outside():
    units = tuple(Unit(2 * i, 2 * i + 1, "B-LC") for i in range(20))
    row = Row("a", " ".join("1" * 20), label=units)
    logits = np.eye(3)[np.ones(small.LENGTH, int)]
    [found] = predicted(kinds.TAGGING, [row], [logits])
    assert found == ["B-LC"] * (small.LENGTH - 2) + ["O"] * (22 - small.LENGTH)


def test_answers_are_spans_of_the_context():
    kind, reading = kinds.QUESTION_ANSWERING, small.reading(kinds.QUESTION_ANSWERING)
    rows = [*small.ROWS[kinds.QUESTION_ANSWERING], Row("c", "", "?")]
    prepared = kind.prepare(reading, rows)
    logits = _at_answers(prepared.windows)
    found = [best[0].text for best in kind.predictions(reading, prepared, logits)]
    assert found == ["서울", "부산", ""]  # of an empty context there is no window
    assert prepared.counts["empty_contexts"] == 1


@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=str)
def test_perfect_predictions_have_perfect_scores_under_the_names_promised(kind):
    reading, rows = small.reading(kind), small.ROWS[kind]
    if kind is kinds.QUESTION_ANSWERING:
        prepared = kind.prepare(reading, rows)
        logits = _at_answers(prepared.windows)
        predictions = kind.predictions(reading, prepared, logits)
    elif kind is kinds.TAGGING:
        predictions = [[unit.tag for unit in row.label] for row in rows]
    else:
        predictions = [row.label for row in rows]
    scores = kind.scores(predictions, rows, reading.labels)
    assert tuple(scores) == kind.metric_names(reading.labels)
    assert list(scores.values()) == pytest.approx([1.0] * len(scores))


def _at_answers(windows: Windows) -> list[np.ndarray]:
    return [9.0 * np.eye(small.LENGTH)[ends].T for ends in windows.targets]


def test_f1_is_of_two_labels_only():
    assert "f1" in kinds.CLASSIFICATION.metric_names(("a", "b"))
    assert "f1" not in kinds.CLASSIFICATION.metric_names(("a", "b", "c"))


@pytest.mark.filterwarnings("error")
def test_probabilities_do_not_overflow():
    logits = np.float32([[-1e4, 0.0, 1e4], [np.log(2), 0.0, np.log(5)]])
    found = kinds.CLASSIFICATION.probabilities(logits)
    np.testing.assert_allclose(found, [[0, 0, 1], [2 / 8, 1 / 8, 5 / 8]], atol=1e-6)
    found = kinds.MULTI_LABEL.probabilities(logits)
    expected = [[0, 0.5, 1], [2 / 3, 0.5, 5 / 6]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
