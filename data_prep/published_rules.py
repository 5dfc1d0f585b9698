"""Rules of the published recipes, restated with their faults.

They are kept apart from the default recipe's because they lose text: numbers are
shortened, parts of emoji pass for emoji, and words are joined where a URL was.
"""

import re
import string
from functools import partial

import emoji
import numpy as np

from data_prep.blocks import (
    Rule,
    each_line,
    lines_matching,
    lines_where,
    lines_with_any,
)
from data_prep.characters import (
    ASCII,
    EMOJI_PARTS,
    HANGUL,
    irregular_space,
    regex_class,
)


def keep_published(jamo: bool, emoji_parts: bool) -> Rule:
    """Keeps Hangul, ASCII, ％·∼ and parts of emoji; runs of others become a space.

    The published pattern makes one class of characters of all emoji sequences, so that
    ZWJ, variation selectors and lone halves of flags are kept as well.

    Args:
      jamo: keep ㄱ to ㅣ besides syllables.
    """
    kept = ASCII | HANGUL | frozenset("％·∼")
    if jamo:
        kept |= {chr(code) for code in range(ord("ㄱ"), ord("ㅣ") + 1)}
    if emoji_parts:
        kept |= EMOJI_PARTS
    other = re.compile(f"[^{regex_class(kept)}]+")
    return lambda block: other.sub(" ", block)


def replace_ooo() -> Rule:
    """The portals' mask OOO becomes a space."""
    return lambda block: block.replace("OOO", " ")


def remove_emoji() -> Rule:
    """emoji.replace_emoji with nothing; it drops variation selectors too."""
    remove = each_line(partial(emoji.replace_emoji, replace=""))
    return lines_with_any(EMOJI_PARTS | {"\ufe0e"}, remove)


def remove_http_urls() -> Rule:
    """URLs with a scheme and a dotted host vanish; the words around them are joined."""
    word = string.ascii_letters + string.digits
    host = re.escape("-@:%._+~#=")
    rest = re.escape("-()@:%_+.~#?&/=")
    url = re.compile(
        f"https?://(?:www\\.)?[{word}{host}]{{1,256}}\\.[{word}()]{{1,6}}\\b"
        f"[{word}{rest}]*"
    )
    return lambda block: url.sub("", block)


def strip() -> Rule:
    return each_line(str.strip)


def repeat_normalize(num_repeats: int) -> Rule:
    """soynlp's: four or more of a letter, digit or syllable become `num_repeats`.

    It also makes one space of white space and strips the line.
    """
    from soynlp.normalizer import repeat_normalize as normalize

    def may_change(codes: np.ndarray) -> np.ndarray:
        flags = irregular_space(codes)
        same = codes[1:] == codes[:-1]
        flags[:-3] |= same[2:] & same[1:-1] & same[:-2]
        return flags

    return lines_where(
        may_change, each_line(partial(normalize, num_repeats=num_repeats))
    )


def remove_brackets() -> Rule:
    """Text in [], {}, 【】 or <> becomes a space; of nested brackets, the innermost."""
    pairs = (("[", "]"), ("{", "}"), ("【", "】"), ("<", ">"))
    bracketed = re.compile(
        "|".join(rf"\{left}[^\{left}\{right}\n]*\{right}" for left, right in pairs)
    )
    return lambda block: bracketed.sub(" ", block)


def remove_handles() -> Rule:
    """E-mail addresses, #hashtags and @names become a space."""
    name = "A-Za-z0-9_.%+-"
    handle = re.compile(
        f"(?<![{name}])[{name}]+@(?:[A-Za-z0-9_-]+\\.)+[A-Za-z]{{2,}}"
        r"|[#@]\w[\w.-]*"
    )
    return lines_matching(("[#@]",), lambda line: handle.sub(" ", line))
