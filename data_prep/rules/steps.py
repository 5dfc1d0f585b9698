"""A cleaning rule as data, and its steps made fast for blocks of lines."""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

from data_prep.rules import cleaning_template
from data_prep.rules.emoji_text import matched, rewrite_stretches
from data_prep.rules.line_blocks import Rewrite, Suspects, each_line, only_suspects

# An operation and its arguments:
#   translate FROM TO            characters of FROM become those of TO
#   sub PATTERN REPLACEMENT      as re.sub
#   sub_outside_emoji PATTERN REPLACEMENT
#                                the same between emoji; the pattern is one class of
#                                characters, with or without +
#   shorten_emoji MAX_RUN        of one emoji in a row
#   mask PATTERN TOKEN           as sub, with a space before and after the token where
#                                its own bracket would be doubled
#   mask_pii TOKENS              from a kind of personal data to its token
#   nfc, remove_emoji, squeeze_space, strip
# cleaning_template.py defines each for one line. No pattern may reach past a line feed
# into the next line, except one that matches a lone line feed.
Step = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a cleaning rule does, as data.

    Attributes:
      steps: applied in order.
      suspects: finds the lines that the steps may change; None: all lines.
      same_in_re2: whether its patterns mean the same to TensorFlow's regular
        expressions, whose \\w, \\s and \\b know ASCII alone and which have no
        lookaround.
      published: makes the published system's own function of a line, which the pipeline
        runs in place of the steps; both give the same text.
    """

    steps: tuple[Step, ...]
    suspects: Suspects | None = None
    same_in_re2: bool = False
    published: Callable[[], Callable[[str], str]] | None = None

    def on_blocks(self) -> Rewrite:
        """The rule as the pipeline runs it: on many lines at a time."""
        if self.published:
            rewrites = [each_line(self.published())]
        else:
            rewrites = [_on_blocks(*step) for step in self.steps]

        def apply(block: str) -> str:
            return functools.reduce(lambda text, step: step(text), rewrites, block)

        return only_suspects(self.suspects, apply) if self.suspects else apply


def _on_blocks(operation: str, *arguments: Any) -> Rewrite:
    if operation == "sub":
        return _sub(*arguments)
    of_line = cleaning_template._OPERATIONS[operation]
    apply = (lambda text: of_line(text, *arguments)) if arguments else of_line
    if operation == "sub_outside_emoji":
        return rewrite_stretches(matched(arguments[0]), apply)
    if operation == "shorten_emoji":
        return rewrite_stretches(frozenset(), apply)
    return apply if operation in _IGNORES_LINES else each_line(apply)


def _sub(pattern: str, replacement: str) -> Rewrite:
    times = replacement.count(r"\1")
    if times and replacement == r"\1" * times:
        # Before Python 3.12 a function is faster than a template.
        apply = functools.partial(re.compile(pattern).sub, lambda m: m[1] * times)
    else:
        apply = functools.partial(re.compile(pattern).sub, replacement)
    return each_line(apply) if re.search(pattern, "\n") else apply


# Operations that do to a block what they do to each of its lines.
_IGNORES_LINES = {"nfc", "translate", "mask"}
