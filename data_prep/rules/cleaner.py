"""Runs a recipe: from lines of text to clean ones, and to the reasons to drop them."""

import functools
import itertools
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_prep.rules import default, masking, published
from data_prep.rules.characters import CLASS_NAMES, class_table, code_points
from data_prep.rules.recipes import Recipe

RULES = {
    "remove_zero_width": default.remove_zero_width,
    "nfc": default.nfc,
    "map_letters": default.map_letters,
    "keep": default.keep,
    "remove_urls": default.remove_urls,
    "shorten_runs": default.shorten_runs,
    "squeeze_space": default.squeeze_space,
    "mask_pii": masking.mask_pii,
    "mask_laughter": masking.mask_laughter,
    "keep_published": published.keep_published,
    "replace_ooo": published.replace_ooo,
    "remove_brackets": published.remove_brackets,
    "remove_handles": published.remove_handles,
    "remove_emoji": published.remove_emoji,
    "remove_http_urls": published.remove_http_urls,
    "strip": published.strip,
    "repeat_normalize": published.repeat_normalize,
}

# A block of this size and what is derived from it fit into a processor's cache, and
# the rarer rules change nothing in most blocks.
_BLOCK_CHARACTERS = 1 << 15

_HANGUL, _JAMO = CLASS_NAMES.index("hangul"), CLASS_NAMES.index("jamo")


def _blocks(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """The lines in groups of about _BLOCK_CHARACTERS."""
    if not lines:
        return
    sizes = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1)
    cuts = np.flatnonzero(np.diff(sizes // _BLOCK_CHARACTERS)) + 1
    for start, end in itertools.pairwise([0, *cuts.tolist(), len(lines)]):
        yield lines[start:end]


def _num_bytes(lines: Iterable[str]) -> int:
    # JSON may hold half a surrogate pair, which has no UTF-8.
    return len("".join(lines).encode("utf-8", "surrogatepass"))


class Cleaner:
    """A recipe made ready to run."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._rules = [(name, RULES[name](**options)) for name, options in recipe.rules]
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

        The first that holds of: empty, too_short, too_long, low_hangul, and the reasons
        of the recipe's drop_patterns.
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
            found = [match.start() for match in pattern.finditer(block)]
            dropped.append((reason, np.searchsorted(ends, found)))
        reasons: list[str | None] = [None] * len(lines)
        for reason, indices in reversed(dropped):
            for index in indices.tolist():
                reasons[index] = reason
        return reasons

    def _dropped_by_counts(
        self, codes: np.ndarray, ends: np.ndarray
    ) -> list[tuple[str, np.ndarray]]:
        """(reason, indices of lines), the reason that counts most first."""
        recipe = self.recipe
        starts = np.append(0, ends[:-1] + 1)
        lengths = ends - starts
        classes = class_table()[codes]
        hangul, spaces = (
            np.add.reduceat(found, starts, dtype=np.int64)
            for found in ((classes == _HANGUL) | (classes == _JAMO), codes == ord(" "))
        )
        found = {
            "empty": lengths == 0,
            "too_short": lengths < recipe.min_characters,
            "low_hangul": hangul < recipe.min_hangul_share * (lengths - spaces),
        }
        if recipe.max_characters is not None:
            found["too_long"] = lengths > recipe.max_characters
        order = ("empty", "too_short", "too_long", "low_hangul")
        return [(r, np.flatnonzero(found[r])) for r in order if r in found]


def _count(
    tally: Counter, rule: str, before: Sequence[str], after: Sequence[str]
) -> None:
    changed = list(map(operator.ne, before, after))
    tally[rule, "lines"] += sum(changed)
    tally[rule, "bytes_in"] += _num_bytes(itertools.compress(before, changed))
    tally[rule, "bytes_out"] += _num_bytes(itertools.compress(after, changed))
