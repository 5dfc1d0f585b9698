"""What logits say of rows, and its scores."""

import numpy as np
import pytest
from helpers import small

from electra_tf.finetune.data.rows import Kind, Row, Unit
from electra_tf.finetune.kinds.task_data import TaskData, probabilities


def task_data(kind: Kind, labels: tuple[str, ...] | None = None) -> TaskData:
    labels = small.LABELS[kind] if labels is None else labels
    return TaskData(kind, labels, small.tokenizer().tokenizer_json, small.settings())


def predicted(kind: Kind, logits: list) -> list:
    data = task_data(kind)
    prepared = data.prepare(small.ROWS[kind])
    return data.predictions(prepared, [np.float32(value) for value in logits])


@pytest.mark.parametrize(
    ("kind", "logits", "expected"),
    [
        (Kind.CLASSIFICATION, [[-1, 2], [0.5, 0]], ["혐오", "없음"]),
        (Kind.MULTI_LABEL, [[1, -1, 0.1], [-1, -2, -3]], [("값", "양"), ()]),
        (Kind.REGRESSION, [0.5, -3], [0.5, -3.0]),
        (Kind.MULTIPLE_CHOICE, [[1, 0], [-2, -1]], [0, 1]),
    ],
    ids=str,
)
def test_what_logits_say(kind, logits, expected):
    assert predicted(kind, logits) == expected


def test_tags_are_read_at_their_tokens_and_not_at_special_ones_or_padding():
    # [CLS] 서울 ##에 이 [SEP] [PAD]: what is said at ##에 is asked of no unit.
    first = np.eye(3)[[2, 1, 2, 0, 1, 1]]
    second = np.eye(3)[[1, 0, 1, 1, 1, 1]]
    found = predicted(Kind.TAGGING, [first, second])
    assert found == [["B-LC", "O"], ["O"]]


def test_tags_past_max_seq_length_are_outside():
    units = tuple(Unit(2 * i, 2 * i + 1, "B-LC") for i in range(20))
    row = Row("a", " ".join("1" * 20), label=units)
    data = task_data(Kind.TAGGING)
    prepared = data.prepare([row])
    assert prepared.counts == {"truncated": 1}
    logits = np.eye(3)[np.ones(small.LENGTH, int)]
    [found] = data.predictions(prepared, [logits])
    assert found == ["B-LC"] * (small.LENGTH - 2) + ["O"] * (22 - small.LENGTH)


def test_answers_are_spans_of_the_context():
    data = task_data(Kind.QUESTION_ANSWERING)
    rows = [*small.ROWS[Kind.QUESTION_ANSWERING], Row("c", "", "?")]
    prepared = data.prepare(rows)
    logits = _at_answers(prepared.windows)
    found = [best[0].text for best in data.predictions(prepared, logits)]
    assert found == ["서울", "부산", ""]  # of an empty context there is no window
    assert prepared.counts["empty_contexts"] == 1


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_perfect_predictions_have_perfect_scores_under_the_names_promised(kind):
    data, rows = task_data(kind), small.ROWS[kind]
    if kind is Kind.QUESTION_ANSWERING:
        prepared = data.prepare(rows)
        predictions = data.predictions(prepared, _at_answers(prepared.windows))
    elif kind is Kind.TAGGING:
        predictions = [[unit.tag for unit in row.label] for row in rows]
    else:
        predictions = [row.label for row in rows]
    scores = data.scores(rows, predictions)
    assert tuple(scores) == data.metric_names
    assert list(scores.values()) == pytest.approx([1.0] * len(scores))


def _at_answers(windows) -> list[np.ndarray]:
    positions = np.stack([windows.start_positions, windows.end_positions], -1)
    return [9.0 * np.eye(small.LENGTH)[ends].T for ends in positions]


def test_f1_is_of_two_labels_only():
    assert "f1" in task_data(Kind.CLASSIFICATION).metric_names
    assert "f1" not in task_data(Kind.CLASSIFICATION, ("a", "b", "c")).metric_names


@pytest.mark.filterwarnings("error")
def test_probabilities_do_not_overflow():
    logits = np.float32([[-1e4, 0.0, 1e4], [np.log(2), 0.0, np.log(5)]])
    found = probabilities(Kind.CLASSIFICATION, logits)
    np.testing.assert_allclose(found, [[0, 0, 1], [2 / 8, 1 / 8, 5 / 8]], atol=1e-6)
    found = probabilities(Kind.MULTI_LABEL, logits)
    expected = [[0, 0.5, 1], [2 / 3, 0.5, 5 / 6]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
