"""The answers that logits say, against a loop over all spans of all windows."""

import math

import numpy as np
import pytest
from helpers import questions
from helpers.questions import row
from hypothesis import example, given
from hypothesis import strategies as st

from electra_tf.finetune.kinds import qa_answers, qa_windows

TOKENIZER = questions.tokenizer()
CONTEXT = "서울은 한국의 수도 이 다."  # 서울 ##은 한국 ##의 수도 이 다 .


def build(rows, max_seq_length=32, doc_stride=8, max_query_length=8):
    lengths = max_seq_length, doc_stride, max_query_length
    return qa_windows.build(rows, TOKENIZER, *lengths)[0]


def logits(features, *raised: tuple[int, int, float]) -> list[np.ndarray]:
    """0 but at (window, position): the third number."""
    result = [np.zeros(n, np.float32) for n in features.input_ids.lengths]
    for window, position, value in raised:
        result[window][position] = value
    return result


def test_the_text_is_cut_out_of_the_context():
    rows = [row(CONTEXT)]
    features = build(rows)
    starts = logits(features, (0, 4, 9.0))
    ends = logits(features, (0, 6, 5.0), (0, 4, 3.0))
    first, second, *_ = qa_answers.best(features, rows, starts, ends)[0]
    assert first[:4] == ("서울은 한국", 0, 6, 14.0)
    assert second[:4] == ("서울", 0, 2, 12.0)


def test_only_the_context_is_an_answer_and_ends_do_not_come_first():
    rows = [row(CONTEXT)]
    features = build(rows)
    length = features.input_ids.lengths[0]
    outside = [(0, position, 99.0) for position in (0, 1, 2, 3, length - 1)]
    starts = logits(features, *outside, (0, 8, 9.0))
    ends = logits(features, *outside, (0, 5, 8.0), (0, 9, 7.0))
    (best, *_), *_ = qa_answers.best(features, rows, starts, ends)
    assert best[:4] == ("수도 이", 8, 12, 16.0)


def test_answers_have_a_greatest_length():
    rows = [row(CONTEXT)]
    features = build(rows)
    starts = logits(features, (0, 4, 9.0))
    ends = logits(features, (0, 6, 5.0), (0, 5, 1.0))
    for length, text in [(3, "서울은 한국"), (2, "서울은"), (99, "서울은 한국")]:
        found = qa_answers.best(features, rows, starts, ends, 20, length)
        assert found[0][0].text == text


def test_probabilities_are_among_the_answers_kept():
    rows = [row("서울 부산")]
    features = build(rows)
    starts = logits(features, (0, 4, math.log(3)), (0, 5, -50.0))
    ends = logits(features)
    found = qa_answers.best(features, rows, starts, ends)[0]
    assert [p.text for p in found] == ["서울", "서울 부산", "부산"]
    assert [p.probability for p in found] == pytest.approx([0.5, 0.5, 0.0])
    starts[0][5] = 0.0
    found = qa_answers.best(features, rows, starts, ends, max_answer_length=1)[0]
    assert [p.text for p in found] == ["서울", "부산"]
    assert [p.probability for p in found] == pytest.approx([0.75, 0.25])


def test_a_text_that_repeats_is_one_answer():
    rows = [row("서울 부산 서울")]
    features = build(rows)
    starts = logits(features, (0, 4, 1.0), (0, 6, 2.0))
    ends = logits(features)
    found = qa_answers.best(features, rows, starts, ends, max_answer_length=1)[0]
    assert [(p.text, p.start) for p in found] == [("서울", 6), ("부산", 3)]


def test_a_token_counts_in_the_window_that_shows_more_around_it():
    rows = [row("0 1 2 3 4 5 6 7")]
    features = build(rows, max_seq_length=10, doc_stride=3, max_query_length=2)
    assert features.first_token.tolist() == [0, 3]  # 0 1 2 3 4, and 3 4 5 6 7
    # 4 is the last but 0 of the first window and the second of the other one.
    starts = logits(features, (0, 8, 9.0), (1, 5, 4.0))
    found = qa_answers.best(features, rows, starts, logits(features), 20, 1)[0]
    assert found[0][:4] == ("4", 8, 9, 4.0)
    assert {p.logit for p in found} == {4.0, 0.0}


def test_a_row_without_tokens_has_the_empty_answer():
    rows = [row(" "), row("서울"), row("")]
    features = build(rows)
    found = qa_answers.best(features, rows, logits(features), logits(features))
    assert [[p.text for p in predictions] for predictions in found] == [
        [""],
        ["서울"],
        [""],
    ]
    assert qa_answers.best(build([]), [], [], []) == []


def test_logits_of_all_windows_are_needed():
    rows = [row("서울"), row("부산")]
    features = build(rows)
    with pytest.raises(ValueError):
        qa_answers.best(features, rows, logits(features)[:1], logits(features)[:1])


def best_window(windows: list[range], token: int) -> int:
    """google-research/bert's rule, window by window."""
    scores = [
        min(token - window[0], window[-1] - token) + 0.01 * len(window)
        if token in window
        else -1.0
        for window in windows
    ]
    return scores.index(max(scores))


def all_spans(features, rows, starts, ends, max_length):
    """{row: {(first character, end): logit}}, in plain loops."""
    found = [{} for _ in rows]
    windows = [[] for _ in rows]
    triples = zip(
        features.row_index, features.first_token, features.context_lengths, strict=True
    )
    for index, first, number in triples:
        windows[index].append(range(first, first + number))
    flat = [(i, n, w) for i, row in enumerate(windows) for n, w in enumerate(row)]
    for window, (index, number, inside) in enumerate(flat):
        spans = features.token_spans.row(features.context_index[window])
        shift = features.context_position[window] - inside[0]
        for i in inside:
            if best_window(windows[index], i) != number:
                continue
            for j in range(i, min(i + max_length, inside[-1] + 1)):
                logit = starts[window][i + shift] + ends[window][j + shift]
                found[index][int(spans[i, 0]), int(spans[j, 1])] = float(logit)
    return found


@given(
    st.lists(st.integers(0, 30), max_size=3),
    st.integers(1, 20),
    st.integers(1, 15),
    st.integers(1, 6),
    st.integers(1, 100),
    st.integers(0, 2**32 - 1),
)
# A hundredth of a window is more than a token here.
@example([150], 130, 124, 1, 150, 0)
@example([150], 130, 130, 1, 150, 0)
def test_answers_are_the_best_of_all_spans(
    lengths, room, stride, max_length, n_best_size, seed
):
    # A token a number, so that no two spans of a context have the same text.
    contexts = [" ".join(map(str, range(n))) for n in lengths]
    rows = [row(context) for context in contexts]
    features = build(rows, room + 5, stride, max_query_length=2)
    rng = np.random.RandomState(seed)
    starts, ends = (
        [rng.standard_normal(n).astype(np.float32) for n in features.input_ids.lengths]
        for _ in range(2)
    )
    found = qa_answers.best(features, rows, starts, ends, n_best_size, max_length)
    expected = all_spans(features, rows, starts, ends, max_length)
    for context, predictions, spans in zip(contexts, found, expected, strict=True):
        best = sorted(spans.items(), key=lambda item: -item[1])[:n_best_size]
        if not best:
            assert predictions == [("", 0, 0, 0.0, 1.0)]
            continue
        assert [((p.start, p.end), p.logit) for p in predictions] == best
        assert all(p.text == context[p.start : p.end] for p in predictions)
        assert sum(p.probability for p in predictions) == pytest.approx(1.0)
        weights = np.exp([p.logit for p in predictions])
        probabilities = [p.probability for p in predictions]
        np.testing.assert_allclose(probabilities, weights / weights.sum(), rtol=1e-5)
