"""Small configs, batches and data folders the tests of electra_tf share."""

import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from common import files, manifest
from data_prep.records import example, tfrecord
from data_prep.records.packing import Examples
from data_prep.records.ragged import Ragged
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import CLS_ID, SEP_ID
from electra_tf import config as config_lib
from electra_tf.config import PretrainingConfig
from electra_tf.devices import strategies
from electra_tf.devices.strategies import HostBatches
from electra_tf.model.batch import Inputs
from electra_tf.pretrain import masking
from electra_tf.pretrain.compiled_steps import Trainer
from electra_tf.pretrain.masking import Masked

VOCAB_SIZE = 40
LENGTH = 16

_OVERRIDES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}


def config(overrides: dict | None = None, **changes) -> PretrainingConfig:
    """A config small enough to run in milliseconds, with changes."""
    values = {
        "model_hparam_overrides": _OVERRIDES | (overrides or {}),
        "embedding_size": 16,
        "generator_hidden_size": 0.5,
        "vocab_size": VOCAB_SIZE,
        "max_seq_length": LENGTH,
        "train_batch_size": 8,
        "eval_batch_size": 4,
        "num_warmup_steps": 5,
    }
    return config_lib.from_dict(values | changes, "tiny")


def inputs(lengths: list[int], seq_length: int = LENGTH, seed: int = 0) -> Inputs:
    """Random rows [CLS] ... [SEP] of the given lengths, then padding."""
    rng = np.random.RandomState(seed)
    shape = [len(lengths), seq_length]
    mask = (np.arange(seq_length) < np.array(lengths)[:, None]).astype(np.int32)
    ids = rng.randint(5, VOCAB_SIZE, shape)
    ids[:, 0] = CLS_ID
    ids[np.arange(len(lengths)), np.array(lengths) - 1] = SEP_ID
    segments = (np.arange(seq_length) > np.array(lengths)[:, None] // 2) * mask
    return Inputs(*(tf.constant(x, tf.int32) for x in (ids * mask, mask, segments)))


def packed(alone: Inputs) -> Inputs:
    """All rows in one, one after the other, as --pack_documents has them read."""
    real = alone.input_mask > 0
    numbers = alone.input_mask * tf.range(1, len(real) + 1)[:, None]
    rows = alone._replace(input_mask=numbers)
    return Inputs(*(tf.boolean_mask(values, real)[None] for values in rows))


def set_random_values(variables: dict[str, tf.Variable], seed: int = 0) -> None:
    """Values large enough that a wrong one shows in the logits."""
    rng = np.random.RandomState(seed)
    for name, variable in variables.items():
        value = rng.standard_normal(variable.shape).astype(np.float32)
        offset = 1.0 if name.endswith("/gamma") else 0.0
        variable.assign(offset + 0.2 * value)


def values(running: Trainer) -> dict[str, np.ndarray]:
    """Variables and slots."""
    return {name: v.numpy() for name, v in running.checkpoint_variables.items()}


def assign(running: Trainer, values: dict[str, np.ndarray]) -> None:
    for name, variable in running.checkpoint_variables.items():
        variable.assign(values[name])


def iterator(running: Trainer, batches: HostBatches) -> Iterator:
    """Over the batches, as the trainer's steps take them."""
    return iter(strategies.distribute(running.strategy, batches))


def assert_bit_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert [n for n in first if not np.array_equal(first[n], second[n])] == []


def varied_batches(first_step: int) -> HostBatches:
    """Endless batches of 8 rows, others at every step."""
    batches = [inputs([LENGTH, 9, 5, 12] * 2, seed=seed)._asdict() for seed in range(8)]
    stacked = {name: tf.stack([b[name] for b in batches]) for name in batches[0]}
    endless = tf.data.Dataset.from_tensor_slices(stacked).repeat()
    return lambda context: endless.skip(first_step % 8)


def held_out_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
    """Two batches of 4 rows."""
    rows = [inputs([16, 9, 12, 5], seed=50), inputs([16, 16, 9, 9], seed=51)]
    stacked = {
        name: tf.stack([r._asdict()[name] for r in rows]) for name in Inputs._fields
    }
    return tf.data.Dataset.from_tensor_slices(stacked)


def fed_mask(
    inputs: Inputs, config: PretrainingConfig, seed: tf.Tensor, is_continuation=None
) -> Masked:
    """As `masking.mask`, but what is drawn depends on the row's tokens alone."""
    ids, length = inputs.input_ids, inputs.input_ids.shape[1]
    allowed = masking.candidates(inputs)
    scores = (ids * 7919 + tf.range(length) * 104_729) % 1009
    scores = tf.where(allowed, scores, -1)
    slots = config.max_predictions_per_seq
    positions = tf.argsort(scores, direction="DESCENDING")[:, :slots]
    found = tf.reduce_sum(tf.cast(allowed, tf.int32), -1)
    weights = tf.sequence_mask(tf.minimum(found, 1 + ids[:, 1] % slots), slots)
    positions *= tf.cast(weights, tf.int32)
    true_ids = tf.gather(ids, positions, batch_dims=1) * tf.cast(weights, tf.int32)
    drawn = tf.reduce_any(tf.one_hot(positions, length, True, False), 1)
    hidden = tf.where(drawn & (tf.range(length) > 0), vocabulary.MASK_ID, ids)
    return Masked(hidden, positions, true_ids, tf.cast(weights, tf.float32))


def fed_sample(
    logits: tf.Tensor, masked: Masked, config: PretrainingConfig, seed: tf.Tensor
) -> tf.Tensor:
    """As `masking.sample`, but of the true tokens alone; some stay as they are."""
    moved = masked.masked_lm_positions % 3
    return 5 + (masked.masked_lm_ids + moved) % (logits.shape[-1] - 5)


def tokens(size: int = VOCAB_SIZE) -> list[str]:
    """Special tokens and Hangul syllables."""
    return [*vocabulary.SPECIAL_TOKENS, *(chr(0xAC00 + i) for i in range(size - 5))]


def example_ids(number: int) -> list[int]:
    """Those of a record that its second and third id tell from any other."""
    return [CLS_ID, 5 + number // 30, 5 + number % 30, SEP_ID]


def examples(numbers: list[int]) -> Examples:
    ids = Ragged.from_rows([example_ids(number) for number in numbers])
    segments = Ragged(np.zeros(len(ids.values), np.uint8), ids.offsets)
    return Examples(ids, segments, 0, 0)


def example_numbers(input_ids: np.ndarray) -> list[int]:
    """Inverse of `example_ids` over a batch."""
    return [int(30 * (row[1] - 5) + row[2] - 5) for row in input_ids]


def write_data(
    data_dir: pathlib.Path, shards: dict[str, list[list[int]]], compression: str = ""
) -> None:
    """What build_tfrecords leaves.

    Args:
      shards: split -> a list of example numbers per shard.
      compression: of the TFRecord files.
    """
    folder = data_dir / "tfrecords"
    folder.mkdir(parents=True)
    entries = vocabulary.save(str(folder), tokens())
    for split, split_shards in shards.items():
        files.makedirs(str(folder / split))
        for index, numbers in enumerate(split_shards):
            name = f"{split}/{example.file_name(index, len(split_shards))}"
            with tfrecord.open_writer(str(folder / name), compression) as writer:
                writer.write(example.encode(examples(numbers), LENGTH))
            entries.append(writer.entry(name, examples=len(numbers)))
    files.write_text(str(folder / example.SAMPLES_FILE), '{"text": "가", "ids": [5]}\n')
    entries.append(manifest.file_entry(str(folder), example.SAMPLES_FILE))
    values = {
        "max_seq_length": LENGTH,
        "vocab_size": VOCAB_SIZE,
        "vocab_sha256": vocabulary.fingerprint(str(folder / vocabulary.VOCAB_FILE)),
        "eval_fraction": 0.1,
        "seed": 0,
        "compression": compression,
        "recipe": {},
        "recipe_hash": "0" * 8,
        "counts": {},
        "files": entries,
    }
    manifest.write(str(folder), "build_tfrecords", values)


def chi_square(counts: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """The statistic, and a bound that chance passes less than once in 10^5 times."""
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = len(counts) - 1
    # Wilson and Hilferty's approximation of the quantile at 4.3 sigma
    spread = 2 / (9 * freedom)
    return statistic, freedom * (1 - spread + 4.3 * spread**0.5) ** 3
