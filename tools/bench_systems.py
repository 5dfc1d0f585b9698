"""What bench_train sets against each other: training steps of one config, and peaks.

Each system is made once in a process of its own; what is returned runs some steps and
returns when they are done.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep import records
from data_prep.packing import Examples
from data_prep.ragged import Ragged
from data_prep.vocab import CLS_ID, MASK_ID, SEP_ID, SPECIAL_TOKENS
from electra_tf import distribution
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.trainer import Trainer

Steps = Callable[[int], None]

_RECORDS = 1_000
_SIDE = 2048


def limit_threads(count: int) -> None:
    """Of TensorFlow and PyTorch, before either computes; 0 leaves them as they are."""
    if not count:
        return
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)  # PyTorch is not imported yet


def _random_ids(config: PretrainingConfig, rows: int) -> np.ndarray:
    """int [rows, L]: full rows, which both systems compute in full in any case."""
    length, size = config.max_seq_length, config.discriminator().vocab_size
    rng = np.random.RandomState(0)
    ids = rng.randint(len(SPECIAL_TOKENS), size, [rows, length])
    ids[:, 0], ids[:, -1] = CLS_ID, SEP_ID
    return ids


def ours(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """The trainer's own compiled steps, which read records from a file."""
    config = dataclasses.replace(config, compute_dtype=compute_dtype)
    running = Trainer(config, distribution.make_strategy("cpu"))
    path = os.path.join(tempfile.mkdtemp(), records.file_name(0, 1))
    length = config.max_seq_length
    with tf.io.TFRecordWriter(path) as writer:
        ids = Ragged.from_rows(_random_ids(config, _RECORDS).tolist())
        segments = Ragged(np.zeros(len(ids.values), np.uint8), ids.offsets)
        for record in records.encode(Examples(ids, segments, 0, 0), length):
            writer.write(record)

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        read = tf.data.TFRecordDataset(path).repeat()
        whole = read.batch(config.train_batch_size, drop_remainder=True)
        parse = lambda serialized: records.parse_batch(serialized, length)  # noqa: E731
        return whole.map(parse).prefetch(4)

    iterator = iter(running.distribute(batches))

    def run(count: int) -> None:
        if not running.train_steps(iterator, 1, count).finite:
            raise ValueError("the loss is not finite")

    return run


def pytorch(config: PretrainingConfig, autocast: bool) -> Steps:
    """The same objective by transformers and PyTorch, eager; input costs it nothing."""
    import torch
    import transformers

    full, small = config.discriminator(), config.generator()
    size = config.resolved_embedding_size
    electra = transformers.ElectraForPreTraining(_electra_config(full, size))
    generator = transformers.ElectraForMaskedLM(_electra_config(small, size))
    generator.electra.embeddings = electra.electra.embeddings
    generator.tie_weights()
    parameters = list({*electra.parameters(), *generator.parameters()})
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, eps=1e-6)
    ids = torch.from_numpy(_random_ids(config, config.train_batch_size))
    slots = config.max_predictions_per_seq

    def loss() -> torch.Tensor:
        # Any order of the positions but the first and the last: [CLS] and [SEP].
        noise = torch.rand(len(ids), config.max_seq_length - 2)
        positions = noise.argsort(-1)[:, :slots] + 1
        true_ids = ids.gather(1, positions)
        masked = ids.scatter(1, positions, MASK_ID)
        hidden = generator.electra(masked).last_hidden_state
        index = positions[..., None].expand(-1, -1, hidden.shape[-1])
        head = generator.generator_predictions(hidden.gather(1, index))
        logits = generator.generator_lm_head(head).flatten(0, 1).float()
        mlm = torch.nn.functional.cross_entropy(logits, true_ids.flatten())
        sampled = torch.multinomial(logits.detach().softmax(-1), 1)
        fake = ids.scatter(1, positions, sampled.view_as(positions))
        answers = electra(fake).logits.float()
        replaced = torch.nn.functional.binary_cross_entropy_with_logits(
            answers, (fake != ids).float()
        )
        return config.gen_weight * mlm + config.disc_weight * replaced

    def run(count: int) -> None:
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if not np.isfinite(value.item()):
                raise ValueError("the loss is not finite")

    return run


def _electra_config(network: TransformerConfig, embedding_size: int):
    import transformers

    names = {field.name for field in dataclasses.fields(network)}
    return transformers.ElectraConfig(
        **{name: getattr(network, name) for name in names},
        embedding_size=embedding_size,
        layer_norm_eps=1e-12,
    )


def matrix_products(dtype: str) -> Steps:
    """Products of two large square matrices: `product_flops` each."""
    a = tf.cast(tf.random.normal([_SIDE, _SIDE]), dtype)
    product = tf.function(lambda: tf.reduce_max(tf.matmul(a, a)))
    return lambda count: [product().numpy() for _ in range(count)] and None


def product_flops() -> float:
    return 2.0 * _SIDE**3
