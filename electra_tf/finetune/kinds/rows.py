"""One example of a task, whatever file it came from."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple


class Unit(NamedTuple):
    """A character, word or morpheme that has its own tag."""

    start: int  # characters of the text
    end: int
    tag: str  # "O", "B-X" or "I-X"; "" if unknown


class Answer(NamedTuple):
    """An answer to a question, and the character where it begins in the context."""

    text: str
    start: int

    def is_in(self, context: str) -> bool:
        """Whether the context has this text at this place."""
        return self.start >= 0 and context.startswith(self.text, self.start)


Labels = tuple[str, ...]  # the labels of a task, in the order of the head's outputs
Label = str | float | int | tuple[str, ...] | tuple[Unit, ...] | tuple[Answer, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """One example.

    Attributes:
      text: the text to read; for a question, its context.
      text_pair: the second text of a pair; a question.
      choices: for multiple choice, the possible continuations of `text`.
      label: None if unknown, else as the kind's file defines it.
    """

    id: str
    text: str
    text_pair: str | None = None
    choices: tuple[str, ...] = ()
    label: Label | None = None


def as_text(value: Any) -> str:
    """The text in a field of a file; numbers of JSON as they are written there.

    Raises:
      ValueError: the field holds a list or an object.
    """
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        raise ValueError(f"is {str(value)[:80]}, not text")
    return value if isinstance(value, str) else json.dumps(value)


def label_text(value: Any) -> str:
    """As `as_text`, without spaces around it; ValueError if nothing is left."""
    if text := as_text(value).strip():
        return text
    raise ValueError("is empty: each row needs a label")


def matching(text: str, names: Sequence[str]) -> str:
    """The name that differs in letter case at most; without one, the text itself."""
    same = {name.casefold(): name for name in names}
    return same.get(text.casefold(), text)
