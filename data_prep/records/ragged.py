"""Rows of different lengths in one flat array: how tokens travel to the records."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ragged:
    """Row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
      values: [items], all rows one after another.
      offsets: int64 [rows + 1], from 0 to items.
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lengths(
        cls, values: np.ndarray, lengths: np.ndarray | Sequence[int]
    ) -> "Ragged":
        return cls(values, _offsets(lengths))

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        values = np.fromiter((value for row in rows for value in row), np.int32)
        return cls.from_lengths(values, [len(row) for row in rows])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: np.ndarray) -> "Ragged":
        """The given rows in the given order, repeated ones too."""
        return self.slices(self.offsets[rows], self.lengths[rows])

    def join(self, counts: Sequence[int]) -> "Ragged":
        """Joins the first counts[0] rows to one, the next counts[1] to another, ..."""
        return Ragged(self.values, self.offsets[_offsets(counts)])

    def truncate(self, lengths: np.ndarray) -> "Ragged":
        """The first `lengths` items of each row."""
        return self.slices(self.offsets[:-1], lengths)

    def slices(self, starts: np.ndarray, lengths: np.ndarray) -> "Ragged":
        """Rows cut out of `values` anywhere; they may overlap."""
        offsets = _offsets(lengths)
        shifts = np.repeat(starts - offsets[:-1], lengths)
        return Ragged(self.values[np.arange(offsets[-1]) + shifts], offsets)


def concatenate(parts: Sequence[Ragged]) -> Ragged:
    """The rows of all parts."""
    values = np.concatenate([part.values for part in parts])
    lengths = np.concatenate([part.lengths for part in parts])
    return Ragged(values, _offsets(lengths))


def _offsets(lengths: np.ndarray | Sequence[int]) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
