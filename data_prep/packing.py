"""Lines of token ids -> examples of one or two segments, as the original packs them."""

import dataclasses
import random

from data_prep.vocab import CLS_ID, SEP_ID

# Chances of the original's example builder.
_ONE_SEGMENT = 0.1
_SHORT_EXAMPLE = 0.05
_SHORTEST = 5


@dataclasses.dataclass(frozen=True)
class Example:
    """input_ids: [CLS] A [SEP] B [SEP], unpadded; segment_ids: 0 for A, 1 for B."""

    input_ids: list[int]
    segment_ids: list[int]


class ExamplePacker:
    """Collects a document's lines until they fill an example.

    Draws from `rng` in the order of google-research/electra's ExampleBuilder, so that
    one seed gives the examples the original writes.

    Attributes:
      truncated_tokens: how many were cut off because an example was full.
    """

    def __init__(self, max_seq_length: int, rng: random.Random):
        self._max_seq_length = max_seq_length
        self._rng = rng
        self._target_length = max_seq_length
        self._lines: list[list[int]] = []
        self._length = 0
        self.truncated_tokens = 0

    def add_line(self, ids: list[int]) -> Example | None:
        """Takes one line; returns an example if the line filled it."""
        self._lines.append(ids)
        self._length += len(ids)
        return self._pack() if self._length >= self._target_length else None

    def end_document(self) -> Example | None:
        """Returns what the document left, if anything."""
        return self._pack() if self._length else None

    def _pack(self) -> Example:
        first, second = self._split(self._lines)
        kept_first = first[: self._max_seq_length - 2]
        kept_second = second[: max(0, self._max_seq_length - len(kept_first) - 3)]
        self.truncated_tokens += self._length - len(kept_first) - len(kept_second)
        self._lines, self._length = [], 0
        self._target_length = self._max_seq_length
        if self._rng.random() < _SHORT_EXAMPLE:
            self._target_length = self._rng.randint(_SHORTEST, self._max_seq_length)
        return _join(kept_first, kept_second)

    def _split(self, lines: list[list[int]]) -> tuple[list[int], list[int]]:
        """Deals the lines to two segments; the first aims at half of the target."""
        one_segment = self._rng.random() < _ONE_SEGMENT
        aim = float("inf") if one_segment else (self._target_length - 3) // 2
        first: list[int] = []
        second: list[int] = []
        for ids in lines:
            fits = not first or len(first) + len(ids) < aim
            # A line that overshoots the aim still goes to the first one time in two.
            if fits or (not second and len(first) < aim and self._rng.random() < 0.5):
                first += ids
            else:
                second += ids
        return first, second


def _join(first: list[int], second: list[int]) -> Example:
    input_ids = [CLS_ID, *first, SEP_ID]
    segment_ids = [0] * len(input_ids)
    if second:
        input_ids += [*second, SEP_ID]
        segment_ids += [1] * (len(second) + 1)
    return Example(input_ids, segment_ids)
