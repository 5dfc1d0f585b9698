"""Texts of a task -> token ids.

Texts are tokenized once, before training: several times faster than TensorFlow's
operations in every epoch, and with exactly the ids of pretraining.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Encoding, Tokenizer

from data_prep.records import ragged
from data_prep.records.ragged import Ragged
from data_prep.records.tokenizer import LineTokenizer
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID


class Features(NamedTuple):
    """What a network reads, one sequence after the other.

    Attributes:
      input_ids, segment_ids: int32 sequences, unpadded.
      targets: one per sequence, or per group of choices; as the loss of the kind in
        `heads` takes them. Ragged if every token has one; None without labels.
      group: sequences per row of a batch: the number of choices, else 1.
    """

    input_ids: Ragged
    segment_ids: Ragged
    targets: np.ndarray | Ragged | None
    group: int = 1


def encode(columns: Sequence[list[str]], tokenizer_json: str) -> list[Ragged]:
    """Token ids of each text, without special tokens. A line break is a space."""
    tokenizer = LineTokenizer(tokenizer_json)
    return [tokenizer([text.replace("\n", " ") for text in c]) for c in columns]


def encode_with_offsets(texts: Sequence[str], tokenizer_json: str) -> list[Encoding]:
    """Encodings of `tokenizers`, whose offsets count characters of the texts."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    return tokenizer.encode_batch(list(texts), add_special_tokens=False)


def framed(parts: Sequence[Ragged], max_seq_length: int) -> tuple[Ragged, Ragged, int]:
    """[CLS] A [SEP], or [CLS] A [SEP] B [SEP].

    Returns:
      Ids, segments, and how many rows lost tokens to max_seq_length.
    """
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
    """How many tokens each part keeps.

    The longer part loses tokens first, the second on ties, like the original's loop
    that drops one token at a time.
    """
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    second = np.minimum(second, np.maximum(room - first, room // 2))
    return [np.minimum(first, room - second), second]
