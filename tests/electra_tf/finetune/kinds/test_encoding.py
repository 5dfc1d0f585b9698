"""Rows -> ids, segments and targets; how texts are cut."""

import dataclasses

import numpy as np
import pytest
from helpers import questions, small
from hypothesis import given
from hypothesis import strategies as st

from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID
from electra_tf.finetune.kinds import encoding
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.rows import Row
from electra_tf.finetune.kinds.tagging import NO_LABEL

TOKENIZER = questions.tokenizer()


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def prepare(kind: kinds.Kind, rows: list[Row], max_seq_length: int = small.LENGTH):
    reading = small.reading(kind, max_seq_length=max_seq_length)
    return kind.prepare(reading, rows)


def build(kind: kinds.Kind, rows: list[Row]) -> Features:
    return prepare(kind, rows).features


def lists(ragged: Ragged) -> list[list[int]]:
    return [ragged.row(i).tolist() for i in range(len(ragged))]


@given(
    st.lists(st.tuples(*[st.integers(0, 15)] * 2), min_size=1, max_size=5),
    st.integers(4, 20),
)
def test_pairs_are_cut_as_by_dropping_the_longer_texts_last_token(lengths, limit):
    pairs = [(list(range(5, 5 + a)), list(range(50, 50 + b))) for a, b in lengths]
    parts = [Ragged.from_rows(list(texts)) for texts in zip(*pairs, strict=True)]
    found, segments, truncated = encoding.framed(parts, limit)
    num_cut = 0
    for i, (first, second) in enumerate(pairs):
        before = len(first) + len(second)
        while len(first) + len(second) > limit - 3:
            (first if len(first) > len(second) else second).pop()
        num_cut += len(first) + len(second) < before
        expected = [CLS_ID, *first, SEP_ID, *second, SEP_ID]
        assert found.row(i).tolist() == expected
        expected = [0] * (len(first) + 2) + [1] * (len(second) + 1)
        assert segments.row(i).tolist() == expected
    assert truncated == num_cut
    assert found.values.dtype == segments.values.dtype == np.int32


def test_single_texts_are_framed_and_cut():
    prepared = prepare(kinds.CLASSIFICATION, small.ROWS[kinds.CLASSIFICATION], 5)
    found = prepared.features
    whole = ids("서울은 한국의 수도 다 .")
    expected = [[CLS_ID, *whole[:3], SEP_ID], [CLS_ID, *ids("부산"), SEP_ID]]
    assert lists(found.input_ids) == expected
    assert lists(found.segment_ids) == [[0] * 5, [0] * 3]
    assert (prepared.counts, found.group) == ({"truncated": 1}, 1)
    assert found.targets.tolist() == [1, 0]


def test_lines_of_a_text_are_words_of_one():
    rows = [Row("a", "서울\n부산", "한국\n1", label=0.5)]
    found = build(kinds.REGRESSION, rows)
    expected = [CLS_ID, *ids("서울 부산"), SEP_ID, *ids("한국 1"), SEP_ID]
    assert lists(found.input_ids) == [expected]


def test_a_text_without_a_token_is_a_frame():
    rows = [Row("a", " ", label="없음"), Row("b", "", label="없음")]
    found = build(kinds.CLASSIFICATION, rows)
    assert lists(found.input_ids) == [[CLS_ID, SEP_ID]] * 2


def test_each_choice_is_a_sequence_with_its_text():
    found = build(kinds.MULTIPLE_CHOICE, small.ROWS[kinds.MULTIPLE_CHOICE])
    text, *choices = map(ids, ("한국의 수도 는", "서울 이 다 .", "부산"))
    expected = [[CLS_ID, *text, SEP_ID, *choice, SEP_ID] for choice in choices]
    assert lists(found.input_ids)[:2] == expected
    assert (len(found.input_ids), found.group) == (4, 2)
    assert found.targets.tolist() == [0, 1]


def test_targets_of_labels_and_numbers():
    found = build(kinds.MULTI_LABEL, small.ROWS[kinds.MULTI_LABEL]).targets
    assert found.tolist() == [[1, 0, 1], [0, 0, 0]] and found.dtype == np.float32
    found = build(kinds.REGRESSION, small.ROWS[kinds.REGRESSION]).targets
    assert found.tolist() == [2.5, -1.0] and found.dtype == np.float32


def test_tags_stand_at_their_tokens_and_are_cut_with_them():
    found = build(kinds.TAGGING, small.ROWS[kinds.TAGGING])
    expected = [[NO_LABEL, 1, NO_LABEL, 0, NO_LABEL], [NO_LABEL, 0, NO_LABEL]]
    assert lists(found.targets) == expected
    assert list(map(len, lists(found.input_ids))) == [5, 3]
    prepared = prepare(kinds.TAGGING, small.ROWS[kinds.TAGGING], 4)
    found = prepared.features
    assert lists(found.targets)[0] == [NO_LABEL, 1, NO_LABEL, NO_LABEL]
    assert lists(found.input_ids)[0] == [CLS_ID, *ids("서울에"), SEP_ID]
    assert prepared.counts == {"truncated": 1}


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in kinds.KINDS.values()
        if kind not in (kinds.TAGGING, kinds.QUESTION_ANSWERING)
    ],
    ids=str,
)
def test_without_labels_there_are_no_targets(kind):
    rows = [dataclasses.replace(row, label=None) for row in small.ROWS[kind]]
    labelled, found = build(kind, small.ROWS[kind]), build(kind, rows)
    assert found.targets is None
    assert lists(found.input_ids) == lists(labelled.input_ids)
