"""A tag for each unit of the text. A row's label is a tuple of units.

Units are what the data tags: words, or single characters, which is how KLUE tags
entities inside a word. Tokens are what the network sees. A token is labelled with the
tag of the unit that begins with it; a unit that begins inside a token continues that
token's tag. Characters that the tokenizer drops, such as a zero-width space before a
word, belong to neither.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from data_prep.records.ragged import Ragged
from electra_tf.finetune.kinds import encoding, scoring
from electra_tf.finetune.kinds.base import Kind, Logits, Prepared, Reading, Scores
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.rows import Labels, Row, Unit

# The label of a token at which no unit begins.
NO_LABEL = -1
_OUTSIDE = "O"
_WORD, _CHARACTER = re.compile(r"\S+"), re.compile(r"\S")


class Tagging(Kind):
    name = "tagging"
    metrics = ("entity_f1", "entity_precision", "entity_recall", "token_accuracy")
    default_metric = "entity_f1"
    metrics_library = "seqeval.metrics.sequence_labeling"
    architecture = "ElectraForTokenClassification"
    file_format = "conll"
    fits_tsv = False
    has_probabilities = False

    def unlabelled(self, text: str, by_character: bool) -> tuple[Unit, ...]:
        pattern = _CHARACTER if by_character else _WORD
        return tuple(Unit(*match.span(), "") for match in pattern.finditer(text))

    def names(self, label: tuple[Unit, ...]) -> Iterable[str]:
        return (unit.tag for unit in label)

    def all_labels(self, given: Labels, in_train: set[str]) -> Labels:
        """Both B- and I- of each type, though train may have only one of them.

        Args:
          given: types of entities.
        """
        types = given or sorted({tag[2:] for tag in in_train if tag != _OUTSIDE})
        return (_OUTSIDE, *(f"{place}-{name}" for name in types for place in "BI"))

    def prepare(self, reading: Reading, rows: list[Row], training=False) -> Prepared:
        encodings = _encodings(reading, rows)
        ids = Ragged.from_rows([encoded.ids for encoded in encodings])
        tags = Ragged.from_rows(
            [
                tag_tokens(encoded.offsets, row.label, reading.labels)
                for encoded, row in zip(encodings, rows, strict=True)
            ]
        )
        length = reading.settings.max_seq_length
        framed_ids, segments, truncated = encoding.framed([ids], length)
        targets, _, _ = encoding.framed([tags], length)
        values = targets.values.copy()
        values[targets.offsets[:-1]] = NO_LABEL  # [CLS]
        values[targets.offsets[1:] - 1] = NO_LABEL  # [SEP]
        features = Features(framed_ids, segments, Ragged(values, targets.offsets))
        return Prepared(rows, features, {"truncated": truncated})

    def predictions(self, reading: Reading, prepared: Prepared, logits: Logits) -> list:
        """The tags of each row's units."""
        lengths = prepared.features.input_ids.lengths
        return [
            tags_of_units(
                encoded.offsets,
                row.label,
                value[1 : length - 1].argmax(-1),  # without [CLS] and [SEP]
                reading.labels,
            )
            for encoded, row, value, length in zip(
                _encodings(reading, prepared.rows),
                *(prepared.rows, logits, lengths),
                strict=True,
            )
        ]

    def record(self, row: Row, prediction: list[str]) -> dict[str, Any]:
        return {"entities": list(_entities(row, prediction))}

    def scores(self, predictions: list, rows: list[Row], labels: Labels) -> Scores:
        """Scores of whole entities, as conlleval and seqeval define them.

        An entity is right if both its ends and its type are. token_accuracy is the
        share of units with the right tag.
        """
        scoring.check_pairs(predictions, rows)
        given = [list(tags) for tags in predictions]
        expected = [[unit.tag for unit in row.label] for row in rows]
        entities = scoring.library(self.metrics_library).get_entities
        found, wanted = set(entities(given)), set(entities(expected))
        right = len(found & wanted)
        units = [
            a == b
            for pair in zip(given, expected, strict=True)
            for a, b in zip(*pair, strict=True)
        ]
        either = "no row has an entity, and none was found"
        shares = {
            "entity_f1": (2 * right, len(found) + len(wanted), either),
            "entity_precision": (right, len(found), "no entity was predicted"),
            "entity_recall": (right, len(wanted), "no row has an entity"),
            "token_accuracy": (sum(units), len(units), "no row has a unit"),
        }
        return {name: scoring.ratio(name, *share) for name, share in shares.items()}


def _encodings(reading: Reading, rows: Sequence[Row]) -> list:
    texts = [row.text for row in rows]
    return encoding.encode_with_offsets(texts, reading.tokenizer_json)


def tag_tokens(
    offsets: Sequence[tuple[int, int]], units: Sequence[Unit], labels: Sequence[str]
) -> list[int]:
    """The label of each token, or NO_LABEL where no unit begins.

    Args:
      offsets: of tokens, in characters.
      units: in the text's order; a tag that is no label, such as "", gives NO_LABEL.
    """
    number = {label: i for i, label in enumerate(labels)}
    tags = [NO_LABEL] * len(offsets)
    for unit, token in zip(units, _first_tokens(offsets, units), strict=True):
        if token is not None and offsets[token][0] >= unit.start:
            tags[token] = number.get(unit.tag, NO_LABEL)
    return tags


def _first_tokens(
    offsets: Sequence[tuple[int, int]], units: Sequence[Unit]
) -> list[int | None]:
    """The first token that holds a character of each unit; None where none does."""
    ends = np.array([end for _, end in offsets], np.int64)
    starts = [unit.start for unit in units]
    tokens = np.searchsorted(ends, starts, "right").tolist()
    return [
        token if token < len(offsets) and offsets[token][0] < unit.end else None
        for token, unit in zip(tokens, units, strict=True)
    ]


def tags_of_units(
    offsets: Sequence[tuple[int, int]],
    units: Sequence[Unit],
    token_labels: Sequence[int],
    labels: Sequence[str],
) -> list[str]:
    """The tag of each unit, by the labels of tokens.

    Args:
      token_labels: of the first tokens; those past max_seq_length are "O".
    """
    tags: list[str] = []
    for unit, token in zip(units, _first_tokens(offsets, units), strict=True):
        if token is None:
            tags.append("")
        elif token >= len(token_labels):
            tags.append(_OUTSIDE)
        else:
            tag = labels[token_labels[token]]
            begins = offsets[token][0] >= unit.start
            tags.append(tag if begins else _inside(tag))
    return _filled(tags)


def _inside(tag: str) -> str:
    return "I-" + tag[2:] if tag.startswith("B-") else tag


def _filled(tags: list[str]) -> list[str]:
    """Units without a token are inside an entity that continues after them."""
    filled = list(tags)
    for i, tag in enumerate(tags):
        if tag:
            continue
        before = filled[i - 1] if i else _OUTSIDE
        after = next((later for later in tags[i + 1 :] if later), _OUTSIDE)
        continues = before != _OUTSIDE and after == _inside(before)
        filled[i] = after if continues else _OUTSIDE
    return filled


def _entities(row: Row, tags: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Runs of B- and I- tags as exact slices of the text."""
    start = end = 0
    entity = ""
    for unit, tag in zip((*row.label, None), (*tags, _OUTSIDE), strict=True):
        if entity and tag != f"I-{entity}":
            text = row.text[start:end]
            yield {"type": entity, "text": text, "start": start, "end": end}
            entity = ""
        if tag != _OUTSIDE:
            if not entity:
                entity, start = tag[2:], unit.start
            end = unit.end


TAGGING = Tagging()
