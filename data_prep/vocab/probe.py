"""Hwahae's probe: how well a small model classifies with a vocabulary.

Embedding 64, bidirectional LSTM 64, dense 64, sigmoid, trained from scratch: compares
vocabularies in minutes, before any pretraining.
"""

from collections.abc import Sequence

import numpy as np
from tokenizers import BertWordPieceTokenizer

from common.errors import UserError
from data_prep.raw import tsv
from data_prep.vocab import vocabulary

_UNITS = 64
_MAX_LENGTH = 48
_BATCH_SIZE = 128


def read_labelled(path: str) -> tuple[list[str], list[int]]:
    """Texts and labels of a .tsv with the columns document and label (0 or 1).

    Raises:
      UserError: no rows, or other columns or labels.
    """
    texts, labels = [], []
    for number, row in tsv.read(path):
        if not {"document", "label"} <= set(row):
            raise UserError(
                f"{path} has the columns {', '.join(row)}; document and label are "
                "needed"
            )
        if row["label"] not in ("0", "1"):
            raise UserError(
                f"{path}: line {number} has the label {row['label']!r}, 0 or 1 is "
                "needed"
            )
        texts.append(row["document"])
        labels.append(int(row["label"]))
    if not texts:
        raise UserError(f"{path} has no rows below its header")
    return texts, labels


def accuracy(
    tokenizer: BertWordPieceTokenizer,
    train: tuple[Sequence[str], Sequence[int]],
    dev: tuple[Sequence[str], Sequence[int]],
    epochs: int,
    seed: int,
) -> float:
    """Share of `dev` that a model trained on `train` labels correctly.

    Uses the last epoch, not the best one: nothing is selected on `dev`.
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
    """Ids [texts, tokens], truncated and padded to the same length."""
    rows = np.full((len(texts), _MAX_LENGTH), vocabulary.PAD_ID, np.int32)
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    for row, encoding in zip(rows, encodings, strict=True):
        ids = encoding.ids[:_MAX_LENGTH]
        row[: len(ids)] = ids
    return rows
