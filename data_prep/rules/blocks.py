"""Rules work on blocks: many lines joined by line feeds, cleaned in one go.

A rule keeps the number of lines and treats each line on its own. Most lines need no
work, and finding the few that do in a whole block, with numpy or a search for a
literal, costs a fraction of a look at every line.
"""

import re
from collections.abc import Callable, Iterable, Sequence, Set

import numpy as np

from data_prep.rules.characters import code_points, one_of

Rule = Callable[[str], str]
# From the [n] uint32 code points of a block to [n] bool.
Flags = Callable[[np.ndarray], np.ndarray]

_LINE_FEED = ord("\n")


def each_line(rule: Rule) -> Rule:
    """A rule for one line, applied to every line of a block."""
    return lambda block: "\n".join(map(rule, block.split("\n")))


def lines_where(flags: Flags, rule: Rule) -> Rule:
    """Applies a rule to the lines in which a character is flagged.

    `flags` sees a line feed before the first line and after the last, so that it can
    look beyond both ends of every line. Flags of line feeds do not count.
    """

    def apply(block: str) -> str:
        codes = code_points(f"\n{block}\n")
        flagged = np.flatnonzero(flags(codes) & (codes != _LINE_FEED))
        if not flagged.size:
            return block
        ends = np.flatnonzero(codes == _LINE_FEED)
        lines = np.unique(np.searchsorted(ends, flagged))
        # The line feed added in front moves everything by one.
        return _rewrite(
            block, ends[lines - 1].tolist(), (ends[lines] - 1).tolist(), rule
        )

    return apply


def _rewrite(block: str, starts: list[int], ends: list[int], rule: Rule) -> str:
    """Applies a rule to the lines at block[start:end], as one block."""
    found = "\n".join(map(block.__getitem__, map(slice, starts, ends)))
    pieces, done = [], 0
    for start, end, line in zip(starts, ends, rule(found).split("\n"), strict=True):
        pieces += block[done:start], line
        done = end
    return "".join([*pieces, block[done:]])


def lines_with_any(characters: Iterable[str], rule: Rule) -> Rule:
    """Applies a rule to the lines that hold any of the characters."""
    return lines_where(one_of(characters).__getitem__, rule)


def lines_with_other(characters: Set[str], rule: Rule) -> Rule:
    """Applies a rule to the lines that hold any but the characters."""
    return lines_where((~one_of(characters | {"\n"})).__getitem__, rule)


def lines_matching(triggers: Sequence[str], rule: Rule) -> Rule:
    """Applies a rule for one line to the lines in which a trigger is found.

    Args:
      triggers: regular expressions that begin with a literal or a class of characters,
        for only these are searched for fast, and that match no line feed.
      rule: must change nothing when applied again.
    """
    patterns = [re.compile(trigger) for trigger in triggers]

    def apply(block: str) -> str:
        for pattern in patterns:
            block = _rewrite_matching(pattern, rule, block)
        return block

    return apply


def _rewrite_matching(pattern: re.Pattern, rule: Rule, block: str) -> str:
    pieces, end = [], 0
    while match := pattern.search(block, end):
        # `end` is 0 or the place of a line feed.
        start = block.rfind("\n", end, match.start()) + 1
        pieces.append(block[end:start])
        end = block.find("\n", match.end())
        end = len(block) if end < 0 else end
        pieces.append(rule(block[start:end]))
    return "".join([*pieces, block[end:]])
