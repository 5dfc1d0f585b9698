"""Packing: the original's examples, and no token lost."""

import itertools
import json
import random
from typing import NamedTuple

import pytest
from helpers import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.records import packing
from data_prep.records.packing import ExamplePacker
from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID


class Example(NamedTuple):
    input_ids: list[int]
    segment_ids: list[int]


def pack(
    documents: list[list[list[int]]], length: int, seed: int = 0
) -> tuple[list[Example], int]:
    """Examples of documents, as one batch, and how many tokens were cut off."""
    built = build(documents, length, seed)
    return as_lists(built), built.truncated_tokens


def build(
    documents: list[list[list[int]]], length: int, seed: int = 0
) -> packing.Examples:
    packer = ExamplePacker(length, random.Random(seed))
    dealt, start = [], 0
    for document in documents:
        dealt += packer.pack([len(line) for line in document], start)
        start += len(document)
    lines = Ragged.from_rows([line for document in documents for line in document])
    return packing.build(dealt, lines, length)


def as_lists(built: packing.Examples) -> list[Example]:
    columns = (built.input_ids, built.segment_ids)
    return [
        Example(*(column.row(index).tolist() for column in columns))
        for index in range(len(built.input_ids))
    ]


@pytest.mark.parametrize("case", ["a", "b"])
def test_same_examples_as_the_original(case):
    recorded = json.loads((GOLDEN / "example_builder.json").read_text())[case]
    length = recorded["max_seq_length"]

    def pad(ids: list[int]) -> list[int]:
        return ids + [0] * (length - len(ids))

    documents: list[list[list[int]]] = [[]]
    for ids in recorded["lines"]:  # an empty line ends a document
        documents[-1].append(ids) if ids else documents.append([])
    examples, _ = pack(documents, length, recorded["seed"])
    found = [(pad(e.input_ids), pad(e.segment_ids)) for e in examples]
    assert len(found) > 50
    assert found == [
        (example["input_ids"], example["segment_ids"])
        for example in recorded["examples"]
    ]


@st.composite
def documents_of_distinct_tokens(draw) -> list[list[list[int]]]:
    lengths = st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=4)
    number = itertools.count(5)
    return [
        [list(itertools.islice(number, length)) for length in document]
        for document in draw(lengths)
    ]


DOCUMENTS = documents_of_distinct_tokens()


def segments(example: Example) -> list[list[int]]:
    """The one or two segments without [CLS] and [SEP]."""
    first = example.segment_ids.count(0)
    return [example.input_ids[1 : first - 1], example.input_ids[first:-1]]


@settings(deadline=None, max_examples=200)
@given(DOCUMENTS, st.integers(8, 64), st.integers(0, 1000))
def test_every_token_is_in_one_example_or_counted_as_truncated(documents, length, seed):
    tokens = [i for document in documents for line in document for i in line]
    examples, truncated = pack(documents, length, seed)
    packed = [segments(example) for example in examples]
    placed = [i for example in packed for segment in example for i in segment]
    assert len(placed) + truncated == len(tokens)
    assert len(placed) == len(set(placed).intersection(tokens))
    # Segments and examples keep the order. A short line may still join the first
    # segment after a long one began the second, as in the original.
    assert all(s == sorted(s) for example in packed for s in example)
    flat = [[i for s in example for i in s] for example in packed]
    for one, following in itertools.pairwise(flat):
        assert max(one) < min(following)


@settings(deadline=None, max_examples=200)
@given(DOCUMENTS, st.integers(8, 64), st.integers(0, 1000))
def test_examples_are_one_or_two_closed_segments(documents, length, seed):
    for example in pack(documents, length, seed)[0]:
        assert len(example.input_ids) == len(example.segment_ids) <= length
        assert example.segment_ids == sorted(example.segment_ids)
        assert set(example.segment_ids) in ({0}, {0, 1})
        assert example.input_ids[0] == CLS_ID
        ends = [example.segment_ids.count(0) - 1, len(example.input_ids) - 1]
        assert {example.input_ids[end] for end in ends} == {SEP_ID}
        assert example.input_ids.count(SEP_ID) == len(set(ends))


@given(DOCUMENTS, st.integers(8, 64))
def test_batches_of_documents_do_not_change_the_examples(documents, length):
    packer = ExamplePacker(length, random.Random(0))
    one_by_one = []
    for document in documents:
        dealt = packer.pack([len(line) for line in document])
        built = packing.build(dealt, Ragged.from_rows(document), length)
        one_by_one += [built.input_ids.row(i).tolist() for i in range(len(dealt))]
    together = pack(documents, length)[0]
    assert [example.input_ids for example in together] == one_by_one


def test_documents_never_share_an_example():
    alone, both = pack([[[5, 5]], [[6], [7]]], 64)[0]
    assert segments(alone) == [[5, 5], []]
    assert sorted(both.input_ids) == [
        CLS_ID,
        *[SEP_ID] * (1 + (7 in segments(both)[1])),
        6,
        7,
    ]


def test_document_of_empty_lines_gives_nothing():
    assert pack([[[], []], []], 64) == ([], 0)


def test_line_longer_than_an_example_is_cut_and_counted():
    assert pack([[list(range(10, 30))]], 8) == (
        [Example([CLS_ID, 10, 11, 12, 13, 14, 15, SEP_ID], [0] * 8)],
        14,
    )


def test_unknown_tokens_are_counted_with_those_cut_off():
    lines = Ragged.from_rows([[1, 9, 1], [1] * 20])
    dealt = ExamplePacker(8, random.Random(0)).pack([3, 20])
    assert packing.build(dealt, lines, 8).unk_tokens == 22


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(2, 16), max_size=60), st.integers(16, 32))
def test_examples_that_share_a_row_are_whole_and_there_once(lengths, max_seq_length):
    rows = packing.best_fit(lengths, max_seq_length)
    assert sorted(itertools.chain.from_iterable(rows)) == list(range(len(lengths)))
    filled = [sum(lengths[index] for index in row) for row in rows]
    assert all(0 < size <= max_seq_length for size in filled)
    # No two rows would fit into one: at least half of all positions are used.
    assert sum(sorted(filled)[:2]) > max_seq_length or len(filled) < 2


def test_best_fit_leaves_the_least_space():
    assert packing.best_fit([6, 3, 8, 2, 4, 10], 10) == [[5], [2, 3], [0, 4], [1]]


@settings(deadline=None, max_examples=50)
@given(DOCUMENTS, st.integers(8, 64))
def test_shared_rows_hold_the_examples_one_after_the_other(documents, length):
    built = build(documents, length)
    shared = packing.share_rows(built, length)
    found = []
    for row in as_lists(shared):
        begins = [i for i, token in enumerate(row.input_ids) if token == CLS_ID]
        for begin, end in itertools.pairwise([*begins, len(row.input_ids)]):
            found.append(Example(row.input_ids[begin:end], row.segment_ids[begin:end]))
    assert sorted(found) == sorted(as_lists(built))
