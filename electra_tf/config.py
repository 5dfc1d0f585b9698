"""Hyperparameters under the original's names, checked as they are built."""

import dataclasses
import typing
from typing import Any

from absl import logging

from common.cli import UserError
from electra_tf import checks

COMPUTE_DTYPES = ("auto", "float32", "bfloat16")

_MODEL_SIZES = {
    "small": {"hidden_size": 256, "num_hidden_layers": 12},
    "base": {"hidden_size": 768, "num_hidden_layers": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24},
}

# Hyperparameters of the original that are said elsewhere here. They are accepted, so
# that its JSON files load unchanged, and logged as unused.
_SAID_ELSEWHERE = {
    "model_name": "--model_dir",
    "do_train": "run_pretraining trains and evaluates",
    "do_eval": "run_pretraining trains and evaluates",
    "debug": "absl's --verbosity",
    "do_lower_case": "the vocabulary, which is always cased",
    "vocab_file": "--data_dir",
    "data_dir": "--data_dir",
    "pretrain_tfrecords": "--data_dir",
    "model_dir": "--model_dir",
    "results_txt": "--model_dir",
    "results_pkl": "--model_dir",
    "use_tpu": "--strategy",
    "num_tpu_cores": "--strategy",
    "tpu_job_name": "--tpu",
    "tpu_name": "--tpu",
    "tpu_zone": "--tpu_zone",
    "gcp_project": "--gcp_project",
}


_TRANSFORMER_RANGES = {
    checks.POSITIVE: (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
    ),
    checks.DROPOUT: ("hidden_dropout_prob", "attention_probs_dropout_prob"),
}
_PRETRAINING_RANGES = {
    checks.POSITIVE: (
        "max_seq_length",
        "train_batch_size",
        "gradient_accumulation_steps",
        "eval_batch_size",
        "num_train_steps",
        "num_eval_steps",
        "iterations_per_loop",
        "temperature",
        "generator_hidden_size",
        "generator_layers",
        "lr_decay_power",
    ),
    checks.NOT_NEGATIVE: (
        "learning_rate",
        "weight_decay_rate",
        "num_warmup_steps",
        "eval_every_n_steps",
        "save_checkpoints_steps",
        "save_checkpoints_minutes",
        "keep_checkpoint_max",
        "keep_checkpoint_every_n_steps",
        "embedding_size",
        "vocab_size",
    ),
    checks.SHARE: ("mask_prob",),
}


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """One encoder. Names and defaults are those of the original's BertConfig."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        checks.check_ranges(self, _TRANSFORMER_RANGES)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        if self.hidden_act != "gelu":
            raise UserError(
                f"hidden_act={self.hidden_act!r}: only 'gelu' (erf) is known"
            )


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """Every setting of a pretraining run, under the original's names.

    `per_replica_loss` normalises and clips on each core before averaging, as the
    original does on TPU; otherwise several replicas make the update that one would.
    `electric_objective` implies `two_tower_generator`. `vocab_size` 0 means the
    vocabulary's own; `embedding_size` 0 means 128 for small and the hidden size
    otherwise. `compute_dtype` is that of the networks' activations; "auto" is bfloat16
    on TPUs and float32 elsewhere.

    `whole_word_mask` draws all tokens of a word or none; `mask_without_replacement`
    draws no token twice, which holds for whole words anyway. The original does neither.
    `pack_documents` must be what the records were built with.

    `train_batch_size` counts the rows of one update on all devices together; each
    device goes through its part in `gradient_accumulation_steps` pieces, and with
    `gradient_checkpointing` its backward pass computes each layer a second time instead
    of keeping it.
    `iterations_per_loop` steps run on the devices between two lines of the log; a
    request to stop waits for their end. `eval_every_n_steps` 0 evaluates at the start
    and the end alone. A checkpoint is due after `save_checkpoints_steps` or
    `save_checkpoints_minutes`, whichever comes first (0: never by that measure); the
    `keep_checkpoint_max` newest stay (0: all), and for good those at multiples of
    `keep_checkpoint_every_n_steps`.
    """

    # Objective
    electra_objective: bool = True
    electric_objective: bool = False
    gen_weight: float = 1.0
    disc_weight: float = 50.0
    mask_prob: float = 0.15
    whole_word_mask: bool = False
    mask_without_replacement: bool = False
    temperature: float = 1.0
    disallow_correct: bool = False
    # Networks
    model_size: str = "small"
    model_hparam_overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    embedding_size: int = 0
    vocab_size: int = 0
    generator_hidden_size: float = 0.25
    generator_layers: float = 1.0
    uniform_generator: bool = False
    untied_generator: bool = True
    untied_generator_embeddings: bool = False
    two_tower_generator: bool = False
    # Optimizer
    learning_rate: float = 5e-4
    lr_decay_power: float = 1.0
    weight_decay_rate: float = 0.01
    num_warmup_steps: int = 10_000
    per_replica_loss: bool = False
    # Run
    compute_dtype: str = "auto"
    max_seq_length: int = 128
    pack_documents: bool = False
    train_batch_size: int = 128
    gradient_accumulation_steps: int = 1
    gradient_checkpointing: bool = False
    eval_batch_size: int = 128
    num_train_steps: int = 1_000_000
    num_eval_steps: int = 100
    eval_every_n_steps: int = 10_000
    iterations_per_loop: int = 200
    save_checkpoints_steps: int = 1_000
    save_checkpoints_minutes: float = 0.0
    keep_checkpoint_max: int = 5
    keep_checkpoint_every_n_steps: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        checks.check_ranges(self, _PRETRAINING_RANGES)
        self._check_choices()
        self._check_lengths()
        if not self.save_checkpoints_steps and not self.save_checkpoints_minutes:
            raise UserError(
                "save_checkpoints_steps and save_checkpoints_minutes are both 0: "
                "a run that never saves cannot go on after a stop"
            )
        if self.uses_small_generator:
            self.generator()

    def _check_choices(self) -> None:
        checks.check_choice("model_size", self.model_size, _MODEL_SIZES)
        checks.check_choice("compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        types = typing.get_type_hints(TransformerConfig)
        where = "model_hparam_overrides"
        checks.check_names(self.model_hparam_overrides, set(types), where)
        for name, value in self.model_hparam_overrides.items():
            checks.typed(name, value, types[name], where)
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
        return int((self.mask_prob + 0.005) * self.max_seq_length)

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
        args = {**_MODEL_SIZES[self.model_size], **self.model_hparam_overrides}
        hidden_size = args["hidden_size"]
        heads = {
            "num_attention_heads": max(1, hidden_size // 64),
            "intermediate_size": 4 * hidden_size,
        }
        return TransformerConfig(**{"vocab_size": self.vocab_size, **heads, **args})

    def generator(self) -> TransformerConfig:
        """The small encoder called `generator`."""
        full = self.discriminator()
        hidden_size = int(round(full.hidden_size * self.generator_hidden_size))
        return dataclasses.replace(
            full,
            hidden_size=hidden_size,
            num_hidden_layers=int(
                round(full.num_hidden_layers * self.generator_layers)
            ),
            num_attention_heads=max(1, hidden_size // 64),
            intermediate_size=4 * hidden_size,
        )

    @property
    def resolved_embedding_size(self) -> int:
        """E."""
        default = (
            128 if self.model_size == "small" else self.discriminator().hidden_size
        )
        return self.embedding_size or default

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def from_dict(values: dict[str, Any], where: str) -> PretrainingConfig:
    """Checks names and types, then builds the config.

    Raises:
      UserError: an unknown name, a value of the wrong type, or out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(PretrainingConfig)}
    elsewhere = {name for name in values if name in _SAID_ELSEWHERE}
    for name in sorted(elsewhere):
        logging.info("%s: %s is not used, see %s", where, name, _SAID_ELSEWHERE[name])
    given = {name: value for name, value in values.items() if name not in elsewhere}
    max_predictions = given.pop("max_predictions_per_seq", None)
    checks.check_names(given, set(fields), where)
    defaults = PretrainingConfig()
    given = {
        name: checks.typed(name, value, type(getattr(defaults, name)), where)
        for name, value in given.items()
    }
    config = PretrainingConfig(**given)
    if max_predictions not in (None, config.max_predictions_per_seq):
        raise UserError(
            f"{where}: max_predictions_per_seq={max_predictions} follows from "
            f"mask_prob and max_seq_length: it is {config.max_predictions_per_seq}"
        )
    return config
