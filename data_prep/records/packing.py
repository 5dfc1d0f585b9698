"""Lines of token ids -> examples of one or two segments, as the original packs them."""

import dataclasses
import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID, UNK_ID

# Chances of the original's example builder.
_ONE_SEGMENT = 0.1
_SHORT_EXAMPLE = 0.05
_SHORTEST = 5


class Segments(NamedTuple):
    """The numbers of an example's lines."""

    first: list[int]
    second: list[int]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples [CLS] A [SEP] or [CLS] A [SEP] B [SEP], unpadded.

    Attributes:
      input_ids: int32, one row per example.
      segment_ids: uint8, rows of the same lengths: 0 at [CLS] A [SEP], 1 at B [SEP].
      truncated_tokens: number of tokens that were cut off because an example was full.
      unk_tokens: number of [UNK] in the lines, including those cut off.
    """

    input_ids: Ragged
    segment_ids: Ragged
    truncated_tokens: int
    unk_tokens: int


class ExamplePacker:
    """Collects a document's lines until they fill an example; needs only their lengths.

    Draws from `rng` in the order of google-research/electra's ExampleBuilder, so the
    same seed gives the examples that the original writes.
    """

    def __init__(self, max_seq_length: int, rng: random.Random):
        self._max_seq_length = max_seq_length
        self._rng = rng
        self._target_length = max_seq_length

    def pack(self, lengths: Sequence[int], first_line: int = 0) -> list[Segments]:
        """A document's examples.

        Args:
          lengths: tokens in each of the document's lines.
          first_line: number of the document's first line.
        """
        examples = []
        start = total = 0
        for stop, length in enumerate(lengths, 1):
            total += length
            if total >= self._target_length:
                examples.append(self._deal(lengths[start:stop], first_line + start))
                start, total = stop, 0
        if total:
            examples.append(self._deal(lengths[start:], first_line + start))
        return examples

    def _deal(self, lengths: Sequence[int], first_line: int) -> Segments:
        """Deals lines to two segments; the first aims at half of the target."""
        one_segment = self._rng.random() < _ONE_SEGMENT
        aim = float("inf") if one_segment else (self._target_length - 3) // 2
        first: list[int] = []
        second: list[int] = []
        in_first = in_second = 0
        for line, length in enumerate(lengths, first_line):
            fits = not in_first or in_first + length < aim
            # A line that overshoots the aim goes to the first with probability 1/2.
            if fits or (not in_second and in_first < aim and self._rng.random() < 0.5):
                first.append(line)
                in_first += length
            else:
                second.append(line)
                in_second += length
        self._target_length = self._max_seq_length
        if self._rng.random() < _SHORT_EXAMPLE:
            self._target_length = self._rng.randint(_SHORTEST, self._max_seq_length)
        return Segments(first, second)


def build(examples: list[Segments], lines: Ragged, max_seq_length: int) -> Examples:
    """Fills examples with their lines' tokens, at most `max_seq_length` each."""
    order = list(itertools.chain.from_iterable(itertools.chain.from_iterable(examples)))
    counts = [len(segment) for example in examples for segment in example]
    segments = lines.take(np.array(order, np.int64)).join(counts)
    first, second = segments.lengths.reshape(-1, 2).T
    first = np.minimum(first, max_seq_length - 2)
    second = np.minimum(second, np.maximum(max_seq_length - first - 3, 0))
    kept = segments.truncate(np.stack([first, second], axis=1).ravel())
    input_ids = _with_special_tokens(kept.values, first, second)
    parts = np.stack([first + 2, input_ids.lengths - first - 2], axis=1).ravel()
    numbers = np.tile(np.array([0, 1], np.uint8), len(examples))
    return Examples(
        input_ids=input_ids,
        segment_ids=Ragged(np.repeat(numbers, parts), input_ids.offsets),
        truncated_tokens=len(segments.values) - len(kept.values),
        unk_tokens=int(np.count_nonzero(segments.values == UNK_ID)),
    )


def _with_special_tokens(
    tokens: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Ragged:
    """Adds [CLS] and [SEP] around segments of the given lengths [examples]."""
    lengths = first + 2 + second + (second > 0)
    total = int(lengths.sum())
    rows = Ragged.from_lengths(np.full(total, SEP_ID, np.int32), lengths)
    starts, ends = rows.offsets[:-1], rows.offsets[1:]
    is_token = np.ones(total, bool)
    for special in (starts, starts + first + 1, ends - 1):
        is_token[special] = False
    rows.values[is_token] = tokens
    rows.values[starts] = CLS_ID
    return rows


def share_rows(examples: Examples, max_seq_length: int) -> Examples:
    """Puts several short examples into a row, one after the other, without cutting."""
    rows = best_fit(examples.input_ids.lengths.tolist(), max_seq_length)
    order = np.fromiter(itertools.chain.from_iterable(rows), np.int64)
    counts = [len(row) for row in rows]
    return dataclasses.replace(
        examples,
        input_ids=examples.input_ids.take(order).join(counts),
        segment_ids=examples.segment_ids.take(order).join(counts),
    )


def best_fit(lengths: Sequence[int], max_seq_length: int) -> list[list[int]]:
    """The numbers of the examples in each row.

    Longest first, each goes where it leaves the least space (best-fit bin packing).
    """
    rows: list[list[int]] = []
    by_space: list[list[list[int]]] = [[] for _ in range(max_seq_length + 1)]
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        spaces = range(length, max_seq_length)
        space = next((s for s in spaces if by_space[s]), None)
        if space is None:
            space = max_seq_length
            by_space[space].append([])
            rows += by_space[space]
        row = by_space[space].pop()
        row.append(index)
        by_space[space - length].append(row)
    return rows
