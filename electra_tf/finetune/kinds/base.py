"""What a kind of task defines; a file beside this one fills it in for each kind."""

import abc
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from electra_tf.config import TransformerConfig
from electra_tf.finetune.kinds import encoding
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.qa_windows import Windows
from electra_tf.finetune.kinds.rows import Label, Labels, Row
from electra_tf.finetune.settings import Settings

Logits = Sequence[np.ndarray]  # of each sequence, or group of choices, in order
Scores = dict[str, float]


class Reading(NamedTuple):
    """How a network reads rows, and which labels its outputs stand for, in order."""

    labels: Labels
    tokenizer_json: str
    settings: Settings


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Rows, and what the network reads of them.

    Attributes:
      counts: rows that were cut, and the like.
      windows: question answering: where in which context each sequence comes from.
    """

    rows: list[Row]
    features: Features
    counts: dict[str, int]
    windows: Windows | None = None


class Kind(abc.ABC):
    """A kind of task. The defaults suit one prediction per row, for a text or a pair.

    Labels and predictions have the same form, which each kind's docstring states.

    Attributes:
      name: in flags and files.
      metrics: the names of what `scores` returns.
      default_metric: the one that chooses the epoch of --task=custom.
      metrics_library: the module that `scores` needs.
      architecture: the class of transformers that loads a fine-tuned folder.
      problem_type: for that class; "" where it has none.
      num_outputs: of the head; None stands for one per label.
      file_format: of the files of --task=custom; "" goes by the ending.
      default_columns: of the text and its pair, for --task=custom.
      has_choices: rows have choices.
      min_distinct: how many different labels the training rows must have.
      min_distinct_to_score: the same of dev and test rows: with fewer, no score is
        defined.
      fits_tsv: predictions can be written as a .tsv, not only as a .jsonl.
      has_probabilities: a row has a probability for each label, or choice.
    """

    name: str
    metrics: Labels
    default_metric: str
    metrics_library: str = ""
    architecture: str = "ElectraForSequenceClassification"
    problem_type: str = ""
    num_outputs: int | None = None
    file_format: str = ""
    default_columns: tuple[str, str] = ("text", "")
    has_choices: bool = False
    min_distinct: int = 2
    min_distinct_to_score: int = 0
    fits_tsv: bool = True
    has_probabilities: bool = True

    def __repr__(self) -> str:
        return self.name

    # Rows and labels.

    def read_label(self, value: Any, names: Labels, separator: str) -> Label:
        """The label in a file's field; `names` are the task's labels, if it has any.

        Raises:
          ValueError: the field cannot be a label.
        """
        raise ValueError(f"{self.name} takes files of the form {self.file_format}")

    def unlabelled(self, text: str, by_character: bool) -> Label | None:
        """The label of a row to predict."""
        return None

    def names(self, label: Label) -> Iterable[str]:
        """The names in a label, each of which must be one of the task's labels."""
        return ()

    def all_labels(self, given: Labels, in_train: set[str]) -> Labels:
        """The labels of the head's outputs, in order: the task's, if any are given."""
        return given or tuple(sorted(in_train))

    def distinct(self, label: Label) -> Iterable[Any]:
        """What training rows must differ in; see `min_distinct`."""
        return self.names(label)

    # Rows -> features, logits -> predictions.

    def prepare(self, reading: Reading, rows: list[Row], training=False) -> Prepared:
        """Token ids and, if the rows have labels, targets."""
        first, second, group = self.texts(rows)
        columns = [first, second] if second else [first]
        parts = encoding.encode(columns, reading.tokenizer_json)
        length = reading.settings.max_seq_length
        ids, segments, truncated = encoding.framed(parts, length)
        labelled = all(row.label is not None for row in rows)
        targets = self.targets(rows, reading.labels) if labelled else None
        features = Features(ids, segments, targets, group)
        return Prepared(rows, features, {"truncated": truncated})

    def texts(self, rows: list[Row]) -> tuple[list[str], list[str], int]:
        """The first and the second text of each sequence, and sequences per row."""
        second = [row.text_pair for row in rows if row.text_pair is not None]
        return [row.text for row in rows], second, 1

    def targets(self, rows: list[Row], labels: Labels) -> np.ndarray:
        """Targets of labelled rows, as the kind's loss takes them.

        Here: int32 [rows], each label's place among the labels.
        """
        place = {label: i for i, label in enumerate(labels)}
        return np.array([place[row.label] for row in rows], np.int32)

    @abc.abstractmethod
    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        """The prediction for each row."""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """[..., C] -> [..., C]: the softmax."""
        shifted = np.exp(logits - logits.max(-1, keepdims=True))
        return shifted / shifted.sum(-1, keepdims=True)

    def record(self, row: Row, prediction: Any) -> dict[str, Any]:
        """What a file of predictions says of a row, probabilities aside."""
        return {"prediction": prediction}

    # Scores.

    def metric_names(self, labels: Labels) -> Labels:
        """Those of `metrics` that tasks with these labels have."""
        return self.metrics

    @abc.abstractmethod
    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Every score by name; an undefined one is nan, with a warning."""

    # The folder that transformers loads.

    def hf_config(self, network: TransformerConfig) -> dict[str, Any]:
        """Entries of config.json that only this kind has."""
        return {"problem_type": self.problem_type} if self.problem_type else {}
