"""Hwahae's probe: how well a small model classifies with a vocabulary.

Embedding 64, bidirectional LSTM 64, dense 64, sigmoid, trained from scratch, so that
vocabularies can be compared in minutes before any pretraining.
"""

from collections.abc import Sequence

import numpy as np
from tokenizers import BertWordPieceTokenizer

from common import files
from common.cli import UserError
from data_prep.vocab import vocabulary

_UNITS = 64
_MAX_LENGTH = 48
_BATCH_SIZE = 128


def read_labelled(path: str) -> tuple[list[str], list[int]]:
    """Texts and labels of a .tsv with the columns document and label (0 or 1).

    Raises:
      UserError: another header or label.
    """
    lines = files.read_text(path).rstrip("\n").split("\n")
    header, *rows = (line.rstrip("\r").split("\t") for line in lines)
    if not {"document", "label"} <= set(header):
        raise UserError(
            f"{path} has the columns {', '.join(header)}; document and label are needed"
        )
    text_column, label_column = header.index("document"), header.index("label")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header) or row[label_column] not in ("0", "1"):
            raise UserError(
                f"{path}: line {number} is {row}: {len(header)} columns and a label 0 "
                "or 1 are needed"
            )
    return [row[text_column] for row in rows], [int(row[label_column]) for row in rows]


def accuracy(
    tokenizer: BertWordPieceTokenizer,
    train: tuple[Sequence[str], Sequence[int]],
    dev: tuple[Sequence[str], Sequence[int]],
    epochs: int,
    seed: int,
) -> float:
    """Share of `dev` that a model trained on `train` labels rightly.

    The last epoch counts, not the best: nothing is picked on `dev`.
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(
                tokenizer.get_vocab_size(), _UNITS, mask_zero=True
            ),
            tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(_UNITS)),
            tf.keras.layers.Dense(_UNITS, activation="relu"),
            tf.keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    inputs, labels = _ids(tokenizer, train[0]), np.asarray(train[1])
    model.fit(inputs, labels, _BATCH_SIZE, epochs, verbose=0)
    positive = (
        model.predict(_ids(tokenizer, dev[0]), _BATCH_SIZE, verbose=0)[:, 0] > 0.5
    )
    return float(np.mean(positive == np.asarray(dev[1], bool)))


def _ids(tokenizer: BertWordPieceTokenizer, texts: Sequence[str]) -> np.ndarray:
    """[texts, tokens] ids, cut and padded to the same length."""
    rows = np.full((len(texts), _MAX_LENGTH), vocabulary.PAD_ID, np.int32)
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    for row, encoding in zip(rows, encodings, strict=True):
        ids = encoding.ids[:_MAX_LENGTH]
        row[: len(ids)] = ids
    return rows
