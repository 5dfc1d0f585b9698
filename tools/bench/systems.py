"""The systems that benchmarks compare: steps of one config, ours and PyTorch's.

Each function sets a system up and returns what runs a number of steps. Fine-tuning
reads the config's train_batch_size and max_seq_length, and its discriminator's sizes.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.records import example
from data_prep.records.packing import Examples
from data_prep.records.ragged import Ragged
from data_prep.vocab.vocabulary import CLS_ID, MASK_ID, SEP_ID, SPECIAL_TOKENS
from electra_tf.config import PretrainingConfig, TransformerConfig
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.finetune.batches import Batches
from electra_tf.finetune.kinds.classification import CLASSIFICATION
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.settings import Settings
from electra_tf.finetune.training import Finetuner
from electra_tf.pretrain.compiled_steps import Trainer
from tools.bench.side_by_side import Steps

_RECORDS = 1_000
_LABELS = 2


def _random_ids(config: PretrainingConfig, rows: int) -> np.ndarray:
    """int [rows, L]: rows without padding."""
    length, size = config.max_seq_length, config.discriminator().vocab_size
    rng = np.random.RandomState(0)
    ids = rng.randint(len(SPECIAL_TOKENS), size, [rows, length])
    ids[:, 0], ids[:, -1] = CLS_ID, SEP_ID
    return ids


def our_pretraining(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """The trainer's compiled steps; records are parsed as those of files are."""
    config = dataclasses.replace(config, compute_dtype=compute_dtype)
    running = Trainer(config, strategies.make_strategy(Devices("cpu")))
    length = config.max_seq_length
    ids = Ragged.from_rows(_random_ids(config, _RECORDS).tolist())
    segments = Ragged(np.zeros(len(ids.values), np.uint8), ids.offsets)
    records = list(example.encode(Examples(ids, segments, 0, 0), length))

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        read = tf.data.Dataset.from_tensor_slices(records).repeat()
        whole = read.batch(config.train_batch_size, drop_remainder=True)
        parse = functools.partial(example.parse_batch, max_seq_length=length)
        return whole.map(parse).prefetch(4)

    iterator = iter(strategies.distribute(running.strategy, batches))

    def run(count: int) -> None:
        if not running.train_steps(iterator, 1, count).finite:
            raise ValueError("the loss is not finite")

    return run


def pytorch_pretraining(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """The same objective by transformers and PyTorch, eager; input costs nothing."""
    import torch
    import transformers

    full, small = config.discriminator(), config.generator()
    size = config.resolved_embedding_size
    electra = transformers.ElectraForPreTraining(_electra_config(full, size))
    generator = transformers.ElectraForMaskedLM(_electra_config(small, size))
    generator.electra.embeddings = electra.electra.embeddings
    generator.tie_weights()
    parameters = list({*electra.parameters(), *generator.parameters()})
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

    return _pytorch_updates(parameters, loss, compute_dtype)


def _pytorch_updates(
    parameters: list, loss: Callable[[], Any], compute_dtype: str
) -> Steps:
    import torch

    optimizer = torch.optim.AdamW(parameters, lr=1e-4, eps=1e-6)

    def run(count: int) -> None:
        for _ in range(count):
            with _autocast(compute_dtype):
                value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if not np.isfinite(value.item()):
                raise ValueError("the loss is not finite")

    return run


def _autocast(compute_dtype: str) -> Any:
    import torch

    enabled = compute_dtype == "bfloat16"
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def _finetuner(config: PretrainingConfig, compute_dtype: str) -> Finetuner:
    def make_model() -> FinetuningModel:
        dtype = tf.as_dtype(compute_dtype)
        sizes = config.discriminator(), config.resolved_embedding_size
        return FinetuningModel(CLASSIFICATION, *sizes, _LABELS, 0, dtype)

    strategy = strategies.make_strategy(Devices("cpu"))
    return Finetuner(make_model, strategy, Settings(), 1_000_000, seed=0)


def _random_batches(config: PretrainingConfig, count: int) -> Batches:
    """Full rows, with a label each."""
    rows, length = count * config.train_batch_size, config.max_seq_length
    ids = Ragged.from_rows(_random_ids(config, rows).tolist())
    segments = Ragged(np.zeros_like(ids.values), ids.offsets)
    labels = np.arange(rows, dtype=np.int32) % _LABELS
    found = Features(ids, segments, labels)
    return Batches(found, [length], config.train_batch_size)


def our_finetuning(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """Epochs of so many steps, the start of an epoch included."""
    finetuner = _finetuner(config, compute_dtype)
    return lambda count: (
        finetuner.train_epoch(_random_batches(config, count), 0) and None
    )


def our_prediction(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """Logits of so many batches."""
    finetuner = _finetuner(config, compute_dtype)
    return lambda count: finetuner.predict(_random_batches(config, count)) and None


def _classifier(config: PretrainingConfig):
    """transformers' network, and what it reads."""
    import torch
    import transformers

    sizes = _electra_config(config.discriminator(), config.resolved_embedding_size)
    ids = torch.from_numpy(_random_ids(config, config.train_batch_size))
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
        "labels": torch.arange(len(ids)) % _LABELS,
    }
    return transformers.ElectraForSequenceClassification(sizes), inputs


def pytorch_finetuning(config: PretrainingConfig, compute_dtype: str) -> Steps:
    """The same update, eager; input costs it nothing."""
    network, inputs = _classifier(config)
    parameters = list(network.train().parameters())
    return _pytorch_updates(parameters, lambda: network(**inputs).loss, compute_dtype)


def pytorch_prediction(config: PretrainingConfig, compute_dtype: str) -> Steps:
    import torch

    network, inputs = _classifier(config)
    network.eval()
    del inputs["labels"]

    def run(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                with _autocast(compute_dtype):
                    network(**inputs).logits.float().numpy()

    return run


def _electra_config(network: TransformerConfig, embedding_size: int):
    import transformers

    names = {field.name for field in dataclasses.fields(network)}
    return transformers.ElectraConfig(
        **{name: getattr(network, name) for name in names},
        embedding_size=embedding_size,
        layer_norm_eps=1e-12,
    )
