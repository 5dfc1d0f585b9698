"""Whole emoji sequences in text: ZWJ, skin tones, flags, keycaps.

Looking for thousands of sequences everywhere is slow. Rules that must not break emoji
look for stretches of the characters that emoji are made of, and take apart only those;
the same stretches come again and again, so their results are remembered.
"""

import functools
import re
from collections.abc import Set

from data_prep.rules.characters import EMOJI_PARTS, KEYCAP_BASES, regex_class
from data_prep.rules.emoji_table import EMOJI
from data_prep.rules.line_blocks import Rewrite

LONE_EMOJI = frozenset(e for e in EMOJI if len(e) == 1)
# Every emoji of several characters holds one of these.
SECOND_PARTS = frozenset(e[1] for e in EMOJI if len(e) > 1)

_REMEMBERED_STRETCHES = 1 << 16
# Scattered ranges outside of the basic plane make a class of characters slow to search
# for. Little but emoji is there, and to take the rest apart as well does no harm.
_BASIC_PLANE = "".join(map(chr, range(0x10000)))
_BASIC_PARTS = frozenset(c for c in EMOJI_PARTS if c <= "\uffff")
_ASTRAL = "\U00010000-\U0010ffff"


def matched(pattern: str) -> set[str]:
    """The characters of the basic plane that match a class, with or without +."""
    return set("".join(re.findall(pattern, _BASIC_PLANE)))


def rewrite_stretches(others: Set[str], rewrite: Rewrite) -> Rewrite:
    """Rewrites every stretch of parts of emoji and `others` within a line."""
    characters = (others | _BASIC_PARTS) - {"\n"}
    inside = regex_class(characters) + _ASTRAL
    # A pattern that begins with a class of characters is searched for fast. So that
    # class holds the keycaps' bases, and the look-behind refuses those of no keycap.
    first = regex_class(characters | KEYCAP_BASES) + _ASTRAL
    base = regex_class(KEYCAP_BASES)
    stretch = re.compile(
        f"[{first}][{inside}]*(?<=[{inside}])(?:[{base}]?[{inside}]+)*"
    )

    rewritten = functools.lru_cache(_REMEMBERED_STRETCHES)(rewrite)

    @functools.lru_cache(_REMEMBERED_STRETCHES)
    def is_unchanged(text: str) -> bool:
        return rewritten(text) == text

    def apply(block: str) -> str:
        # Most stretches are emoji that stay: comparing is faster than replacing.
        if all(map(is_unchanged, set(stretch.findall(block)))):
            return block
        return stretch.sub(lambda match: rewritten(match[0]), block)

    return apply
