"""Rows of a task -> token ids and targets.

Text is tokenized once, before training: several times as fast as TensorFlow's
operations would in every epoch, and with the ids of pretraining exactly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from data_prep.records import ragged
from data_prep.records.ragged import Ragged
from data_prep.records.tokenizer import LineTokenizer
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID
from electra_tf.finetune.data.rows import Kind, Row
from electra_tf.finetune.kinds.tagging import NO_LABEL, tag_tokens


class Features(NamedTuple):
    """What the networks read, one sequence after the other.

    Attributes:
      input_ids, segment_ids: int32 sequences, unpadded.
      targets: as `model.losses` takes them, one for each sequence, or for each group of
        choices; Ragged for TAGGING; None without labels.
      group: sequences in a row of a batch: the number of choices, else 1.
      truncated: how many texts lost tokens to max_seq_length.
    """

    input_ids: Ragged
    segment_ids: Ragged
    targets: np.ndarray | Ragged | None
    group: int
    truncated: int


def build(
    kind: Kind,
    rows: Sequence[Row],
    labels: Sequence[str],
    tokenizer_json: str,
    max_seq_length: int,
) -> Features:
    """Features of every kind but QUESTION_ANSWERING.

    Args:
      labels: in the order of the head's outputs.
      max_seq_length: with [CLS] and [SEP]; the longer text of a pair is cut first.
    """
    if kind is Kind.TAGGING:
        return _tagging(rows, labels, tokenizer_json, max_seq_length)
    encode = LineTokenizer(tokenizer_json)
    if kind is Kind.MULTIPLE_CHOICE:
        first = [row.text for row in rows for _ in row.choices]
        second = [choice for row in rows for choice in row.choices]
    else:
        first = [row.text for row in rows]
        second = [row.text_pair for row in rows if row.text_pair is not None]
    parts = [encode([_one_line(text) for text in texts]) for texts in (first, second)]
    ids, segments, truncated = framed(parts if second else parts[:1], max_seq_length)
    group = len(rows[0].choices) if kind is Kind.MULTIPLE_CHOICE else 1
    return Features(ids, segments, targets(kind, rows, labels), group, truncated)


def _one_line(text: str) -> str:
    return text.replace("\n", " ")


def framed(parts: Sequence[Ragged], max_seq_length: int) -> tuple[Ragged, Ragged, int]:
    """[CLS] A [SEP], or [CLS] A [SEP] B [SEP]: ids, segments, how many were cut."""
    room = max_seq_length - 1 - len(parts)
    lengths = [part.lengths for part in parts]
    kept = _kept(lengths, room)
    pieces = [part.truncate(n) for part, n in zip(parts, kept, strict=True)]
    rows = len(parts[0])
    cls, sep = (
        Ragged.from_lengths(np.full(rows, each, np.int32), np.ones(rows, np.int64))
        for each in (CLS_ID, SEP_ID)
    )
    columns = [cls, pieces[0], sep, *(x for piece in pieces[1:] for x in (piece, sep))]
    segment = [0, 0, 0, 1, 1][: len(columns)]
    stacked = ragged.concatenate(columns)
    order = np.arange(len(columns) * rows).reshape(len(columns), rows).T.ravel()
    ids = stacked.take(order).join([len(columns)] * rows)
    sizes = stacked.lengths[order]
    segments = np.repeat(np.tile(np.array(segment, np.int32), rows), sizes)
    cut = np.any([k < n for k, n in zip(kept, lengths, strict=True)], axis=0)
    return (
        Ragged(ids.values.astype(np.int32), ids.offsets),
        Ragged(segments, ids.offsets),
        int(cut.sum()),
    )


def _kept(lengths: list[np.ndarray], room: int) -> list[np.ndarray]:
    """How many tokens each part keeps: the longer one gives first, the second on ties.

    As the original's loop does, which drops one token at a time.
    """
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    second = np.minimum(second, np.maximum(room - first, room // 2))
    return [np.minimum(first, room - second), second]


def targets(
    kind: Kind, rows: Sequence[Row], labels: Sequence[str]
) -> np.ndarray | None:
    """Of rows with labels, as `model.losses` takes them."""
    if any(row.label is None for row in rows):
        return None
    if kind is Kind.REGRESSION:
        return np.array([row.label for row in rows], np.float32)
    if kind is Kind.MULTIPLE_CHOICE:
        return np.array([row.label for row in rows], np.int32)
    number = {label: i for i, label in enumerate(labels)}
    if kind is Kind.MULTI_LABEL:
        hot = np.zeros([len(rows), len(labels)], np.float32)
        for i, row in enumerate(rows):
            hot[i, [number[label] for label in row.label]] = 1.0
        return hot
    return np.array([number[row.label] for row in rows], np.int32)


def _tagging(
    rows: Sequence[Row],
    labels: Sequence[str],
    tokenizer_json: str,
    max_seq_length: int,
) -> Features:
    encodings = encode_with_offsets([row.text for row in rows], tokenizer_json)
    ids = Ragged.from_rows([encoding.ids for encoding in encodings])
    tags = Ragged.from_rows(
        [
            tag_tokens(encoding.offsets, row.label, labels)
            for encoding, row in zip(encodings, rows, strict=True)
        ]
    )
    framed_ids, segments, truncated = framed([ids], max_seq_length)
    framed_tags, _, _ = framed([tags], max_seq_length)
    return Features(framed_ids, segments, _unframed(framed_tags), 1, truncated)


def _unframed(tags: Ragged) -> Ragged:
    """[CLS] and [SEP] have no tag."""
    values = tags.values.copy()
    values[tags.offsets[:-1]] = NO_LABEL
    values[tags.offsets[1:] - 1] = NO_LABEL
    return Ragged(values, tags.offsets)


def encode_with_offsets(texts: Sequence[str], tokenizer_json: str) -> list:
    """Encodings of `tokenizers`, whose offsets count characters of the texts."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    return tokenizer.encode_batch(list(texts), add_special_tokens=False)
