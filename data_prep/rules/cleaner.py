"""Runs a recipe: cleans lines of text, and gives the reasons to drop them."""

import functools
import itertools
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_prep.rules.characters import CLASS_NAMES, class_table, code_points
from data_prep.rules.recipes import Recipe
from data_prep.rules.table import RULES

# A block of this size and the arrays made of it fit into a processor's cache, and the
# rarer rules change nothing in most blocks.
BLOCK_CHARACTERS = 1 << 15

_HANGUL, _JAMO = CLASS_NAMES.index("hangul"), CLASS_NAMES.index("jamo")


def _blocks(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """The lines in groups of about BLOCK_CHARACTERS."""
    if not lines:
        return
    sizes = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1)
    cuts = np.flatnonzero(np.diff(sizes // BLOCK_CHARACTERS)) + 1
    for start, end in itertools.pairwise([0, *cuts.tolist(), len(lines)]):
        yield lines[start:end]


def _num_bytes(lines: Iterable[str]) -> int:
    # JSON may hold half a surrogate pair, which has no UTF-8.
    return len("".join(lines).encode("utf-8", "surrogatepass"))


class Cleaner:
    """A recipe made ready to run."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._rules = [
            (name, RULES[name](**options).on_blocks()) for name, options in recipe.rules
        ]
        self._drop_patterns = [
            (reason, re.compile(pattern)) for reason, pattern in recipe.drop_patterns
        ]

    def clean(self, text: str) -> str:
        """One clean line; line feeds count as spaces."""
        block = text.replace("\n", " ")
        return functools.reduce(lambda block, rule: rule[1](block), self._rules, block)

    def clean_lines(
        self, lines: Sequence[str], tally: Counter[tuple[str, str]]
    ) -> list[str]:
        """`clean` of each line, much faster than line by line.

        Args:
          tally: for each rule, (rule, "lines") grows by the lines that it changed, and
            (rule, "bytes_in") and (rule, "bytes_out") by the UTF-8 bytes of these lines
            before and after.
        """
        clean: list[str] = []
        for block in _blocks(lines):
            clean += self._clean_block(block, tally)
        return clean

    def _clean_block(self, lines: Sequence[str], tally: Counter) -> Sequence[str]:
        block = "\n".join(lines)
        if block.count("\n") >= len(lines):
            lines = [line.replace("\n", " ") for line in lines]
            block = "\n".join(lines)
        for name, rule in self._rules:
            after = rule(block)
            if after != block:
                block, before, lines = after, lines, after.split("\n")
                _count(tally, name, before, lines)
        return lines

    def drop_reasons(self, lines: Sequence[str]) -> list[str | None]:
        """Why each clean line is dropped; None if it is kept.

        The first reason that applies, in this order: empty, too_short, too_long,
        low_hangul, and the recipe's drop_patterns.
        """
        reasons: list[str | None] = []
        for block in _blocks(lines):
            reasons += self._block_reasons(block)
        return reasons

    def _block_reasons(self, lines: Sequence[str]) -> list[str | None]:
        block = "\n".join(lines) + "\n"
        codes = code_points(block)
        ends = np.flatnonzero(codes == ord("\n"))
        dropped = self._dropped_by_counts(codes, ends)
        for reason, pattern in self._drop_patterns:
            starts = [match.start() for match in pattern.finditer(block)]
            dropped.append((reason, np.searchsorted(ends, starts)))
        reasons: list[str | None] = [None] * len(lines)
        for reason, indices in reversed(dropped):
            for index in indices.tolist():
                reasons[index] = reason
        return reasons

    def _dropped_by_counts(
        self, codes: np.ndarray, ends: np.ndarray
    ) -> list[tuple[str, np.ndarray]]:
        """(reason, indices of lines), the reason that takes precedence first."""
        recipe = self.recipe
        starts = np.append(0, ends[:-1] + 1)
        lengths = ends - starts
        classes = class_table()[codes]
        hangul, spaces = (
            np.add.reduceat(flags, starts, dtype=np.int64)
            for flags in ((classes == _HANGUL) | (classes == _JAMO), codes == ord(" "))
        )
        longest = recipe.max_characters
        applies = {
            "empty": lengths == 0,
            "too_short": lengths < recipe.min_characters,
            "too_long": lengths > (np.inf if longest is None else longest),
            "low_hangul": hangul < recipe.min_hangul_share * (lengths - spaces),
        }
        return [(reason, np.flatnonzero(flags)) for reason, flags in applies.items()]


def _count(
    tally: Counter, rule: str, before: Sequence[str], after: Sequence[str]
) -> None:
    changed = list(map(operator.ne, before, after))
    tally[rule, "lines"] += sum(changed)
    tally[rule, "bytes_in"] += _num_bytes(itertools.compress(before, changed))
    tally[rule, "bytes_out"] += _num_bytes(itertools.compress(after, changed))
