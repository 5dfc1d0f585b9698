"""Blocks: many lines joined by line feeds, cleaned in one go.

Most lines need no work. Finding the few that do in a whole block, with numpy or a
search for a literal, costs a fraction of looking at every line.
"""

import re
from collections.abc import Callable, Iterable, Set

import numpy as np

from data_prep.rules.characters import code_points, one_of

# Changes each line of a block on its own and keeps the number of lines.
Rewrite = Callable[[str], str]
# Finds the lines of a block that may need work: where they start, where they end.
Suspects = Callable[[str], tuple[list[int], list[int]]]
# From the [n] uint32 code points of a block to [n] bool.
Flags = Callable[[np.ndarray], np.ndarray]

_LINE_FEED = ord("\n")


def each_line(rewrite: Rewrite) -> Rewrite:
    """Applies a function of one line to every line of a block."""
    return lambda block: "\n".join(map(rewrite, block.split("\n")))


def only_suspects(suspects: Suspects, rewrite: Rewrite) -> Rewrite:
    """Applies `rewrite` to the suspect lines, joined to one block."""

    def apply(block: str) -> str:
        starts, ends = suspects(block)
        if not starts:
            return block
        lines = "\n".join(map(block.__getitem__, map(slice, starts, ends)))
        pieces, done = [], 0
        for start, end, line in zip(
            starts, ends, rewrite(lines).split("\n"), strict=True
        ):
            pieces += block[done:start], line
            done = end
        return "".join([*pieces, block[done:]])

    return apply


def flagged(flags: Flags) -> Suspects:
    """Lines in which a character is flagged.

    `flags` sees a line feed before the first line and after the last, so that it can
    look beyond both ends of every line. Flags of line feeds do not count.
    """

    def find(block: str) -> tuple[list[int], list[int]]:
        codes = code_points(f"\n{block}\n")
        places = np.flatnonzero(flags(codes) & (codes != _LINE_FEED))
        if not places.size:
            return [], []
        ends = np.flatnonzero(codes == _LINE_FEED)
        lines = np.unique(np.searchsorted(ends, places))
        # The line feed added in front moves everything by one.
        return ends[lines - 1].tolist(), (ends[lines] - 1).tolist()

    return find


def with_any(characters: Iterable[str]) -> Suspects:
    """Lines with at least one of the characters."""
    return flagged(one_of(characters).__getitem__)


def with_other(characters: Set[str]) -> Suspects:
    """Lines with at least one character that is none of these."""
    return flagged((~one_of(characters | {"\n"})).__getitem__)


def matching(*patterns: str) -> Suspects:
    """Lines that match a regular expression.

    Args:
      patterns: begin with a literal or a class of characters, because only these are
        searched for fast, and match no line feed.
    """
    compiled = [re.compile(pattern) for pattern in patterns]

    def find(block: str) -> tuple[list[int], list[int]]:
        lines: dict[int, int] = {}
        for pattern in compiled:
            end = 0
            while match := pattern.search(block, end):
                # `end` is 0 or the place of a line feed.
                start = block.rfind("\n", end, match.start()) + 1
                end = block.find("\n", match.end())
                end = lines[start] = len(block) if end < 0 else end
        starts = sorted(lines)
        return starts, [lines[start] for start in starts]

    return find
