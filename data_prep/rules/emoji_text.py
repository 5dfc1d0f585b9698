"""Whole emoji sequences in text: ZWJ, skin tones, flags, keycaps.

Looking for thousands of sequences everywhere is slow. Rules that must not break emoji
look for stretches of the characters that emoji are made of, and take apart only those;
the same stretches come again and again, so their results are remembered.
"""

import functools
import re
from collections.abc import Callable, Set

import emoji

from data_prep.rules.characters import EMOJI_PARTS, KEYCAP_BASES, regex_class
from data_prep.rules.line_blocks import Rewrite, each_line

LONE_EMOJI = frozenset(e for e in emoji.EMOJI_DATA if len(e) == 1)
# Every emoji of several characters holds one of these.
SECOND_PARTS = frozenset(e[1] for e in emoji.EMOJI_DATA if len(e) > 1)
# Follows a # or a digit that begins a keycap emoji.
KEYCAP_END = "(?:\ufe0f?\u20e3)"

_REMEMBERED_STRETCHES = 1 << 16
# Scattered ranges outside of the basic plane make a class of characters slow to search
# for. Little but emoji is there, and to take the rest apart as well does no harm.
_BASIC_PLANE = "".join(map(chr, range(0x10000)))
_BASIC_PARTS = frozenset(c for c in EMOJI_PARTS if c <= "\uffff")
_ASTRAL = "\U00010000-\U0010ffff"


@functools.cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """For each first character, the lengths of its emoji, longest first."""
    lengths: dict[str, set[int]] = {}
    for sequence in emoji.EMOJI_DATA:
        lengths.setdefault(sequence[0], set()).add(len(sequence))
    return {c: tuple(sorted(of_c, reverse=True)) for c, of_c in lengths.items()}


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


def sub_outside_emoji(pattern: str, replacement: str) -> Rewrite:
    """re.sub in the text between emoji.

    Args:
      pattern: one class of characters, with or without +.
    """
    sub = functools.partial(re.compile(pattern).sub, replacement)

    def rewrite(parts: list[str]) -> list[str]:
        parts[::2] = map(sub, parts[::2])
        return parts

    return rewrite_stretches(set("".join(re.findall(pattern, _BASIC_PLANE))), rewrite)


def shorten_emoji(max_run: int) -> Rewrite:
    """Of one emoji more than `max_run` times in a row, leaves `max_run`."""

    def rewrite(parts: list[str]) -> list[str]:
        kept, run, previous = parts[:1], 0, ""
        for symbol, after in zip(parts[1::2], parts[2::2], strict=True):
            run = run + 1 if symbol == previous and not kept[-1] else 1
            previous = symbol
            kept += [symbol if run <= max_run else "", after]
        return kept

    return rewrite_stretches(frozenset(), rewrite)


def remove_emoji() -> Rewrite:
    return each_line(functools.partial(emoji.replace_emoji, replace=""))


def rewrite_stretches(
    others: Set[str], rewrite: Callable[[list[str]], list[str]]
) -> Rewrite:
    """Rewrites every stretch of parts of emoji and `others` within a line.

    Args:
      rewrite: from a stretch as `split_emoji` gives it to the parts to put instead.
    """
    characters = (others | _BASIC_PARTS) - {"\n"}
    inside = regex_class(characters) + _ASTRAL
    # A pattern that begins with a class of characters is searched for fast. So that
    # class holds the keycaps' bases, and the look-behind refuses those of no keycap.
    first = regex_class(characters | KEYCAP_BASES) + _ASTRAL
    base = regex_class(KEYCAP_BASES)
    stretch = re.compile(
        f"[{first}][{inside}]*(?<=[{inside}])(?:[{base}]?[{inside}]+)*"
    )

    @functools.lru_cache(_REMEMBERED_STRETCHES)
    def rewritten(text: str) -> str:
        return "".join(rewrite(split_emoji(text)))

    @functools.lru_cache(_REMEMBERED_STRETCHES)
    def is_unchanged(text: str) -> bool:
        return rewritten(text) == text

    def apply(block: str) -> str:
        # Most stretches are emoji that stay: comparing is faster than replacing.
        if all(map(is_unchanged, set(stretch.findall(block)))):
            return block
        return stretch.sub(lambda match: rewritten(match[0]), block)

    return apply
