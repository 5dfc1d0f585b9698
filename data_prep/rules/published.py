"""Rules of the published recipes, restated with their faults.

They are kept apart from the default recipe's because they lose text: numbers are
shortened, parts of emoji pass for emoji, and words are joined where a URL was.
"""

import re
import string
from functools import partial

import emoji
import numpy as np

from data_prep.rules.blocks import (
    Rule,
    each_line,
    lines_matching,
    lines_where,
    lines_with_any,
)
from data_prep.rules.characters import (
    ASCII,
    EMOJI_PARTS,
    HANGUL,
    irregular_space,
    regex_class,
)

_WORD = string.ascii_letters + string.digits
HTTP_URL = (
    rf"https?://(?:www\.)?[{_WORD}{re.escape('-@:%._+~#=')}]{{1,256}}"
    rf"\.[{_WORD}()]{{1,6}}\b[{_WORD}{re.escape('-()@:%_+.~#?&/=')}]*"
)
_PAIRS = (("[", "]"), ("{", "}"), ("【", "】"), ("<", ">"))
BRACKETED = "|".join(rf"\{left}[^\{left}\{right}\n]*\{right}" for left, right in _PAIRS)
_NAME = "A-Za-z0-9_.%+-"
HANDLE = (
    f"(?<![{_NAME}])[{_NAME}]+@(?:[A-Za-z0-9_-]+\\.)+[A-Za-z]{{2,}}"
    r"|[#@]\w[\w.-]*"
)


def published_characters(jamo: bool, emoji_parts: bool) -> frozenset[str]:
    """Hangul, ASCII, ％·∼ and what is asked for.

    The published pattern makes one class of characters of all emoji sequences, so that
    ZWJ, variation selectors and lone halves of flags are kept as well.

    Args:
      jamo: ㄱ to ㅣ besides syllables.
    """
    kept = ASCII | HANGUL | frozenset("％·∼")
    if jamo:
        kept |= {chr(code) for code in range(ord("ㄱ"), ord("ㅣ") + 1)}
    return kept | EMOJI_PARTS if emoji_parts else kept


def keep_published(jamo: bool, emoji_parts: bool) -> Rule:
    """Keeps `published_characters`; runs of others become a space."""
    other = re.compile(f"[^{regex_class(published_characters(jamo, emoji_parts))}]+")
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
    url = re.compile(HTTP_URL)
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
    bracketed = re.compile(BRACKETED)
    return lambda block: bracketed.sub(" ", block)


def remove_handles() -> Rule:
    """E-mail addresses, #hashtags and @names become a space."""
    handle = re.compile(HANDLE)
    return lines_matching(("[#@]",), lambda line: handle.sub(" ", line))
