"""What a labelled task's rows are, whatever files they came from."""

import dataclasses
import enum
from typing import NamedTuple


class Kind(enum.Enum):
    """What is to be said of a text, and by which head."""

    CLASSIFICATION = "classification"  # one label of several
    MULTI_LABEL = "multi_label"  # any number of labels
    REGRESSION = "regression"  # a number
    MULTIPLE_CHOICE = "multiple_choice"  # which continuation
    TAGGING = "tagging"  # a tag for each unit of the text
    QUESTION_ANSWERING = "question_answering"  # a span of the text


class Unit(NamedTuple):
    """What has a tag of its own: a character, a word, or a morpheme of the text."""

    start: int  # characters of the text
    end: int
    tag: str  # "O", "B-X" or "I-X"; "" where none is known


class Answer(NamedTuple):
    """Where in the text an answer stands; `text[start:start + len(answer)]` is it."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class Row:
    """One example.

    Attributes:
      text: what is looked at; a question's context.
      text_pair: the second text of a pair; a question.
      choices: of MULTIPLE_CHOICE, what may follow `text`.
      label: None if unknown, else by kind: a label's name (CLASSIFICATION), names
        (MULTI_LABEL), a float (REGRESSION), the index of the right choice
        (MULTIPLE_CHOICE), units (TAGGING; their tags are "" if unknown), answers
        (QUESTION_ANSWERING).
    """

    id: str
    text: str
    text_pair: str | None = None
    choices: tuple[str, ...] = ()
    label: (
        str
        | float
        | int
        | tuple[str, ...]
        | tuple[Unit, ...]
        | tuple[Answer, ...]
        | None
    ) = None


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Rows of one task.

    Attributes:
      labels: every label, or tag, in the order of the head's outputs; empty where a
        head has none.
      dev_from: "file", or "train" where rows were split off by a hash of their text.
      sha256: of the rows, so that two runs can be told to have had the same ones.
      counts: what was found on the way, such as "empty_text".
    """

    kind: Kind
    labels: tuple[str, ...]
    train: list[Row]
    dev: list[Row]
    test: list[Row]  # empty where no labelled one is published
    dev_from: str
    sha256: str
    counts: dict[str, int]

    @property
    def described(self) -> dict[str, str | int]:
        """What results.json says of it."""
        return {
            "kind": self.kind.value,
            "train_rows": len(self.train),
            "dev_rows": len(self.dev),
            "test_rows": len(self.test),
            "dev_from": self.dev_from,
            "data_sha256": self.sha256,
        }
