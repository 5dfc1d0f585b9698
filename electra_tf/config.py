"""Hyperparameters under the original's names, checked as they are built."""

import dataclasses
import functools
from dataclasses import MISSING
from typing import Any

from absl import logging

from common.errors import UserError
from electra_tf import hparams
from electra_tf.hparams import (
    DROPOUT,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    TEMPERATURE,
    hparam,
)

# Declares what the original does not have.
added = functools.partial(hparam, original=False)
# Declares what a resumed run may change: it alters nothing trained so far.
resumable = functools.partial(hparam, may_change=True)

COMPUTE_DTYPES = ("auto", "float32", "bfloat16")

_MODEL_SIZES = {
    "small": {"hidden_size": 256, "num_hidden_layers": 12},
    "base": {"hidden_size": 768, "num_hidden_layers": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24},
}

# What replaces some of the original's hyperparameters here. They are accepted, so that
# its JSON files load unchanged, and logged as unused.
_REPLACED_BY = {
    "--model_dir": ("model_name", "model_dir", "results_txt", "results_pkl"),
    "--data_dir": ("vocab_file", "data_dir", "pretrain_tfrecords"),
    "--strategy": ("use_tpu", "num_tpu_cores"),
    "--tpu": ("tpu_job_name", "tpu_name"),
    "--tpu_zone": ("tpu_zone",),
    "--gcp_project": ("gcp_project",),
    "absl's --verbosity": ("debug",),
    "the vocabulary, which is always cased": ("do_lower_case",),
    "run_pretraining trains and evaluates": ("do_train", "do_eval"),
}


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """One encoder. Names and defaults are those of the original's BertConfig."""

    vocab_size: int = hparam(MISSING, "Tokens of the vocabulary.", NOT_NEGATIVE)
    hidden_size: int = hparam(MISSING, "Width of the hidden states.", POSITIVE)
    num_hidden_layers: int = hparam(MISSING, "Layers.", POSITIVE)
    num_attention_heads: int = hparam(
        MISSING, "Attention heads; hidden_size / 64 if not given.", POSITIVE
    )
    intermediate_size: int = hparam(
        MISSING, "Width of the feed-forward layers; 4 x hidden_size.", POSITIVE
    )
    hidden_act: str = hparam("gelu", "Activation: the exact GELU.", choices=("gelu",))
    hidden_dropout_prob: float = hparam(0.1, "Dropout of hidden states.", DROPOUT)
    attention_probs_dropout_prob: float = hparam(
        0.1, "Dropout of attention weights.", DROPOUT
    )
    max_position_embeddings: int = hparam(
        512, "Positions, the length of the longest possible row.", POSITIVE
    )
    type_vocab_size: int = hparam(2, "Kinds of segments.", POSITIVE)
    initializer_range: float = hparam(
        0.02, "Standard deviation of the initial weights.", POSITIVE
    )

    def __post_init__(self) -> None:
        hparams.check_values(self)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """Every hyperparameter of a pretraining run, under the original's names."""

    # Objective
    electra_objective: bool = hparam(
        True, "Train a generator and a discriminator; false: a masked LM alone."
    )
    electric_objective: bool = hparam(
        False, "Train Electric instead: energies by noise-contrastive estimation."
    )
    gen_weight: float = hparam(1.0, "Weight of the generator's loss.", NOT_NEGATIVE)
    disc_weight: float = hparam(
        50.0, "Weight of the discriminator's loss.", NOT_NEGATIVE
    )
    mask_prob: float = hparam(0.15, "Share of the tokens to mask.", SHARE)
    whole_word_mask: bool = added(False, "Mask all tokens of a word or none.")
    mask_without_replacement: bool = added(
        False, "Draw no token twice; whole words never are."
    )
    temperature: float = hparam(
        1.0, "Temperature at which the generator's tokens are sampled.", TEMPERATURE
    )
    disallow_correct: bool = hparam(False, "Never sample the original token.")
    # Networks
    model_size: str = hparam(
        "small", "Default sizes of the networks.", choices=tuple(_MODEL_SIZES)
    )
    model_hparam_overrides: dict[str, Any] = hparam(
        {}, "Hyperparameters of the encoder that differ from model_size's."
    )
    embedding_size: int = hparam(
        0, "Width of the embeddings; 0: 128 for small, else hidden_size.", NOT_NEGATIVE
    )
    vocab_size: int = hparam(
        0, "Tokens of the vocabulary; 0: as the records have it.", NOT_NEGATIVE
    )
    generator_hidden_size: float = hparam(
        0.25, "Width of the generator, as a share of the discriminator's.", POSITIVE
    )
    generator_layers: float = hparam(
        1.0, "Layers of the generator, as a share of the discriminator's.", POSITIVE
    )
    uniform_generator: bool = hparam(
        False, "Sample uniformly from the vocabulary instead of training a generator."
    )
    untied_generator: bool = hparam(
        True, "The generator has an encoder of its own; false: one encoder for both."
    )
    untied_generator_embeddings: bool = hparam(
        False, "The generator has embeddings of its own."
    )
    two_tower_generator: bool = hparam(
        False, "The generator reads left and right context apart; Electric always does."
    )
    # Optimizer
    learning_rate: float = hparam(5e-4, "Peak of the learning rate.", NOT_NEGATIVE)
    lr_decay_power: float = hparam(
        1.0, "Power of the decay to 0 at num_train_steps; 1 is linear.", POSITIVE
    )
    weight_decay_rate: float = hparam(0.01, "Decoupled weight decay.", NOT_NEGATIVE)
    num_warmup_steps: int = hparam(
        10_000, "Steps in which the learning rate rises from 0.", NOT_NEGATIVE
    )
    per_replica_loss: bool = added(
        False,
        "Normalise losses and clip gradients on each core before averaging, as the "
        "original does on TPUs, instead of once for all cores.",
    )
    # Run
    compute_dtype: str = resumable(
        "auto",
        "Type of the activations; auto: bfloat16 on TPUs, else float32.",
        choices=COMPUTE_DTYPES,
        original=False,
    )
    max_seq_length: int = hparam(
        128, "Tokens of a row; the records must have the same.", POSITIVE
    )
    pack_documents: bool = added(
        False, "Documents share rows; the records must have the same."
    )
    train_batch_size: int = hparam(
        128, "Rows of one update, on all devices together.", POSITIVE
    )
    gradient_accumulation_steps: int = resumable(
        1, "Pieces of a device's rows of an update.", POSITIVE, original=False
    )
    gradient_checkpointing: bool = resumable(
        False, "Compute layers twice to save memory.", original=False
    )
    eval_batch_size: int = resumable(
        128, "Rows of an evaluation's batch, on all devices together.", POSITIVE
    )
    num_train_steps: int = resumable(
        1_000_000, "Updates; the learning rate is 0 at their end.", POSITIVE
    )
    warmup_again_at: int = resumable(
        0,
        "Step from which the learning rate rises from 0 again, over num_warmup_steps; "
        "0: never. For a run that goes on after its end.",
        NOT_NEGATIVE,
        original=False,
    )
    num_eval_steps: int = resumable(100, "Most batches of an evaluation.", POSITIVE)
    eval_every_n_steps: int = resumable(
        10_000,
        "Steps between evaluations; 0: only at the start and the end.",
        NOT_NEGATIVE,
        original=False,
    )
    iterations_per_loop: int = resumable(
        200, "Steps between lines of the log; SIGTERM waits for the next one.", POSITIVE
    )
    save_checkpoints_steps: int = resumable(
        1_000, "Steps between checkpoints; 0: only minutes count.", NOT_NEGATIVE
    )
    save_checkpoints_minutes: float = resumable(
        0.0,
        "Minutes between checkpoints, if they pass first; 0: only steps count.",
        NOT_NEGATIVE,
        original=False,
    )
    keep_checkpoint_max: int = resumable(
        5, "Newest checkpoints to keep; 0: all.", NOT_NEGATIVE
    )
    keep_checkpoint_every_n_steps: int = resumable(
        0, "Keep checkpoints at its multiples for good.", NOT_NEGATIVE, original=False
    )
    seed: int = added(0, "Seed of weights, masks, dropout and record order.")

    def __post_init__(self) -> None:
        hparams.check_values(self)
        self._check_choices()
        self._check_lengths()
        if not self.save_checkpoints_steps and not self.save_checkpoints_minutes:
            raise UserError(
                "save_checkpoints_steps and save_checkpoints_minutes are both 0: a run "
                "that never saves cannot resume. Set one of them"
            )
        if self.uses_small_generator:
            self.generator()

    def _check_choices(self) -> None:
        hparams.typed(
            TransformerConfig, self.model_hparam_overrides, "model_hparam_overrides"
        )
        if self.electra_objective and self.electric_objective:
            raise UserError(
                "electra_objective and electric_objective exclude each other"
            )
        if self.two_tower_generator and not self.electric_objective:
            raise UserError("two_tower_generator belongs to electric_objective")
        if self.electric_objective and not self.uses_small_generator:
            raise UserError(
                "electric_objective needs its two-tower generator: leave "
                "untied_generator true and uniform_generator false"
            )

    def _check_lengths(self) -> None:
        longest = self.discriminator().max_position_embeddings
        if self.max_seq_length > longest:
            raise UserError(
                f"max_seq_length={self.max_seq_length} is longer than "
                f"max_position_embeddings={longest}; the latter is set in "
                "model_hparam_overrides"
            )
        if self.max_predictions_per_seq < 1:
            raise UserError(
                f"max_seq_length={self.max_seq_length} with mask_prob={self.mask_prob} "
                "masks no position at all: raise one of them"
            )

    @property
    def max_predictions_per_seq(self) -> int:
        """P: slots for masked positions in a row."""
        slots = int((self.mask_prob + 0.005) * self.max_seq_length)
        return min(slots, self.max_seq_length)

    @property
    def has_discriminator(self) -> bool:
        return self.electra_objective or self.electric_objective

    @property
    def uses_small_generator(self) -> bool:
        """Whether the generator is a network of its own."""
        return (
            self.has_discriminator
            and self.untied_generator
            and not self.uniform_generator
        )

    def discriminator(self) -> TransformerConfig:
        """The encoder called `electra`: the only one if just a masked LM is trained."""
        args = _MODEL_SIZES[self.model_size] | self.model_hparam_overrides
        args = {"vocab_size": self.vocab_size, **_by_width(args["hidden_size"]), **args}
        return TransformerConfig(**args)

    def generator(self) -> TransformerConfig:
        """The small encoder called `generator`."""
        full = self.discriminator()
        width = round(full.hidden_size * self.generator_hidden_size)
        layers = round(full.num_hidden_layers * self.generator_layers)
        return dataclasses.replace(full, num_hidden_layers=layers, **_by_width(width))

    @property
    def resolved_embedding_size(self) -> int:
        """E."""
        is_small = self.model_size == "small"
        default = 128 if is_small else self.discriminator().hidden_size
        return self.embedding_size or default

    @property
    def generator_embedding_size(self) -> int:
        """E of the generator: its hidden size if its embeddings are its own."""
        has_own = self.uses_small_generator and self.untied_generator_embeddings
        return self.generator().hidden_size if has_own else self.resolved_embedding_size

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _by_width(hidden_size: int) -> dict[str, int]:
    return {
        "hidden_size": hidden_size,
        "num_attention_heads": max(1, hidden_size // 64),
        "intermediate_size": 4 * hidden_size,
    }


def from_dict(values: dict[str, Any], where: str) -> PretrainingConfig:
    """Checks names and types, then builds the config.

    Raises:
      UserError: an unknown name, a value of the wrong type, or out of range.
    """
    given = dict(values)
    for replacement, names in _REPLACED_BY.items():
        for name in given.keys() & names:
            logging.info("%s: %s is not used: see %s", where, name, replacement)
            del given[name]
    max_predictions = given.pop("max_predictions_per_seq", None)
    config = PretrainingConfig(**hparams.typed(PretrainingConfig, given, where))
    if max_predictions not in (None, config.max_predictions_per_seq):
        raise UserError(
            f"{where}: max_predictions_per_seq={max_predictions} follows from "
            f"mask_prob and max_seq_length: it is {config.max_predictions_per_seq}"
        )
    return config
