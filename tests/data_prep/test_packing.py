"""Packing: the original's examples, and no token lost."""

import itertools
import json
import os
import pathlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.packing import Example, ExamplePacker
from data_prep.vocab import CLS_ID, SEP_ID

GOLDEN = pathlib.Path(
    os.environ.get("ELECTRA_GOLDEN_DIR", pathlib.Path(__file__).parents[1] / "golden")
)


def pack(packer: ExamplePacker, lines: list[list[int]]) -> list[Example]:
    examples = [packer.add_line(line) for line in lines] + [packer.end_document()]
    return [example for example in examples if example]


@pytest.mark.parametrize("case", ["a", "b"])
def test_same_examples_as_the_original(case):
    recorded = json.loads((GOLDEN / "example_builder.json").read_text())[case]
    length = recorded["max_seq_length"]

    def pad(ids: list[int]) -> list[int]:
        return ids + [0] * (length - len(ids))

    packer = ExamplePacker(length, random.Random(recorded["seed"]))
    examples = []
    for ids in [*recorded["lines"], []]:  # an empty line ends a document
        examples.append(packer.add_line(ids) if ids else packer.end_document())
    found = [
        (pad(example.input_ids), pad(example.segment_ids))
        for example in examples
        if example
    ]
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
    packer = ExamplePacker(length, random.Random(seed))
    for lines in documents:
        before = packer.truncated_tokens
        tokens = [i for line in lines for i in line]
        packed = [segments(example) for example in pack(packer, lines)]
        placed = [i for example in packed for segment in example for i in segment]
        assert len(placed) + packer.truncated_tokens - before == len(tokens)
        assert len(placed) == len(set(placed).intersection(tokens))
        # Segments and examples keep the order. A short line may still join the first
        # segment after a long one began the second, as in the original.
        assert all(s == sorted(s) for example in packed for s in example)
        examples = [[i for s in example for i in s] for example in packed]
        for one, following in itertools.pairwise(examples):
            assert max(one) < min(following)


@settings(deadline=None, max_examples=200)
@given(DOCUMENTS, st.integers(8, 64), st.integers(0, 1000))
def test_examples_are_one_or_two_closed_segments(documents, length, seed):
    packer = ExamplePacker(length, random.Random(seed))
    for example in [e for lines in documents for e in pack(packer, lines)]:
        assert len(example.input_ids) == len(example.segment_ids) <= length
        assert example.segment_ids == sorted(example.segment_ids)
        assert set(example.segment_ids) in ({0}, {0, 1})
        assert example.input_ids[0] == CLS_ID
        ends = [example.segment_ids.count(0) - 1, len(example.input_ids) - 1]
        assert {example.input_ids[end] for end in ends} == {SEP_ID}
        assert example.input_ids.count(SEP_ID) == len(set(ends))


def test_documents_never_share_an_example():
    packer = ExamplePacker(64, random.Random(0))
    assert [segments(e) for e in pack(packer, [[5, 5]])] == [[[5, 5], []]]
    (example,) = pack(packer, [[6], [7]])
    assert sorted(example.input_ids) == [
        CLS_ID,
        *[SEP_ID] * (1 + (7 in segments(example)[1])),
        6,
        7,
    ]


def test_document_of_empty_lines_gives_nothing():
    packer = ExamplePacker(64, random.Random(0))
    assert pack(packer, [[], []]) == []


def test_line_longer_than_an_example_is_cut_and_counted():
    packer = ExamplePacker(8, random.Random(0))
    assert pack(packer, [list(range(10, 30))]) == [
        Example([CLS_ID, 10, 11, 12, 13, 14, 15, SEP_ID], [0] * 8)
    ]
    assert packer.truncated_tokens == 14
