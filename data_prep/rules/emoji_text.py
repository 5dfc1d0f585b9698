"""Whole emoji sequences in text: ZWJ, skin tones, flags, keycaps.

Looking for thousands of sequences everywhere is slow. Rules that must not break emoji
look for stretches of the characters that emoji are made of, and take apart only those;
the same stretches come again and again, so their results are remembered.
"""

import functools
import re
from collections.abc import Callable, Set

import emoji

from data_prep.rules.blocks import Rule
from data_prep.rules.characters import EMOJI_PARTS, KEYCAP_BASES, regex_class

LONE_EMOJI = frozenset(e for e in emoji.EMOJI_DATA if len(e) == 1)
# Every emoji of several characters holds one of these.
SECOND_PARTS = frozenset(e[1] for e in emoji.EMOJI_DATA if len(e) > 1)
# From the parts of a stretch, as `split_emoji` gives them, to those to put instead.
Rewrite = Callable[[list[str]], list[str]]

_REMEMBERED_STRETCHES = 1 << 16
# Scattered ranges outside of the basic plane make a class of characters slow to search
# for. Hardly anything but emoji is there, and what is no emoji does no harm.
_BASIC_PARTS = frozenset(c for c in EMOJI_PARTS if c <= "\uffff")
_ASTRAL = "\U00010000-\U0010ffff"
# Says of a # or a digit that it begins an emoji.
KEYCAP_END = "(?:\ufe0f?\u20e3)"


@functools.cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """For each first character, the lengths of its emoji, longest first."""
    lengths: dict[str, set[int]] = {}
    for sequence in emoji.EMOJI_DATA:
        lengths.setdefault(sequence[0], set()).add(len(sequence))
    return {c: tuple(sorted(found, reverse=True)) for c, found in lengths.items()}


def split_emoji(text: str) -> list[str]:
    """Text and emoji in turn, longest emoji first: [text, emoji, text, ..., text]."""
    lengths, parts, done, position = _lengths(), [], 0, 0
    while position < len(text):
        for length in lengths.get(text[position], ()):
            sequence = text[position : position + length]
            if sequence in emoji.EMOJI_DATA:
                parts += [text[done:position], sequence]
                position = done = position + len(sequence)
                break
        else:
            position += 1
    return [*parts, text[done:]]


def rewrite_stretches(others: Set[str], rewrite: Rewrite) -> Rule:
    """Rewrites every stretch of parts of emoji and `others` (neither # nor digits)."""
    inside = others | _BASIC_PARTS
    first, inside = regex_class(inside | KEYCAP_BASES), regex_class(inside)
    return _rewrite(first + _ASTRAL, inside + _ASTRAL, rewrite)


def rewrite_all_but(settled: Set[str], rewrite: Rewrite) -> Rule:
    """Rewrites every stretch of parts of emoji and of characters not in `settled`."""
    settled = (settled | {"\n"}) - EMOJI_PARTS
    first, inside = regex_class(settled - KEYCAP_BASES), regex_class(settled)
    return _rewrite(f"^{first}", f"^{inside}", rewrite)


def _rewrite(first: str, inside: str, rewrite: Rewrite) -> Rule:
    # A pattern that begins with a class of characters is searched for fast. So that
    # class holds the keycaps' bases, and the look-behind refuses those of no keycap.
    base = regex_class(KEYCAP_BASES)
    stretch = re.compile(
        f"[{first}][{inside}]*(?<=[{inside}])(?:[{base}]?[{inside}]+)*"
    )

    @functools.lru_cache(_REMEMBERED_STRETCHES)
    def rewritten(found: str) -> str:
        return "".join(rewrite(split_emoji(found)))

    @functools.lru_cache(_REMEMBERED_STRETCHES)
    def stays(found: str) -> bool:
        return rewritten(found) == found

    def apply(block: str) -> str:
        # Most stretches are emoji that stay: to look is faster than to replace.
        if all(map(stays, set(stretch.findall(block)))):
            return block
        return stretch.sub(lambda match: rewritten(match[0]), block)

    return apply
