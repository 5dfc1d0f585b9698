"""The hyperparameters of a TF1 checkpoint: its shapes, beside the original's JSON."""

from collections.abc import Sequence
from typing import Any

from absl import logging

from common.cli import UserError
from electra_tf import config as config_lib
from electra_tf import hparams as hparams_lib
from electra_tf.config import PretrainingConfig
from electra_tf.weights.parameter_names import DISCRIMINATOR, GENERATOR, MASKED_LM
from electra_tf.weights.shown_sizes import shown_sizes

Shapes = dict[str, list[int]]

_HEADS = {
    DISCRIMINATOR: "discriminator_predictions/dense/kernel",
    GENERATOR: "generator_predictions/output_bias",
    MASKED_LM: "generator_predictions/output_bias",
}


def original_hparams(config: PretrainingConfig) -> dict[str, Any]:
    """A config as the original reads it: its names alone, every size said."""
    values = config.to_dict() | {
        "embedding_size": config.resolved_embedding_size,
        "vocab_size": config.discriminator().vocab_size,
    }
    default = PretrainingConfig()
    for name in sorted(hparams_lib.names(PretrainingConfig, original=False)):
        if values.pop(name) != getattr(default, name):
            logging.info("the original has no %s: left out of its hparams", name)
    return values


def _sizes(shapes: Shapes, scope: str, names: Sequence[str]) -> dict[str, int]:
    found = shown_sizes(shapes, scope)
    if missing := [name for name in names if name not in found]:
        raise UserError(
            f"the checkpoint's variables under {scope}/ do not show the "
            f"{', '.join(missing)}: some are missing, or not in the known shape"
        )
    return {name: found[name] for name in names}


def _encoder_sizes(shapes: Shapes, scope: str) -> dict[str, int]:
    """Sizes of one encoder; empty if the checkpoint has none in this scope."""
    if not shown_sizes(shapes, scope)["num_hidden_layers"]:
        return {}
    names = ("hidden_size", "num_hidden_layers", "intermediate_size")
    return _sizes(shapes, scope, names)


def _embedding_sizes(shapes: Shapes, scope: str) -> dict[str, int]:
    names = ("embedding_size", "max_position_embeddings", "type_vocab_size")
    return _sizes(shapes, scope, ("vocab_size", *names))


def read_config(
    shapes: Shapes, hparams: dict[str, Any], only: str = ""
) -> PretrainingConfig:
    """The config of a checkpoint: what the hparams do not say, its shapes do.

    Args:
      hparams: the original's JSON.
      only: the one network that is wanted; empty for all.

    Raises:
      UserError: the hparams are bad or contradict the shapes, or a network is missing.
    """
    if hparams.get("electric_objective"):
        raise UserError("transformers has no class for the electric objective")
    unsaid = {n for n in ("vocab_size", "embedding_size") if not hparams.get(n)}
    hparams = {name: value for name, value in hparams.items() if name not in unsaid}
    small = _encoder_sizes(shapes, "generator")
    has_discriminator = _HEADS[DISCRIMINATOR] in shapes
    is_electra = bool(has_discriminator or small or only in (DISCRIMINATOR, GENERATOR))
    hparams = {"electra_objective": is_electra, **hparams}
    _check_networks(shapes, hparams, only)
    values = {
        **_of_shapes(shapes),
        **hparams,
        "model_hparam_overrides": _overrides(shapes, hparams),
    }
    if small:
        values = {**_fractions(small, values), **values}
    config = config_lib.from_dict(values, "--hparams")
    _check_sizes(shapes, config)
    _log_heads(config, values["model_hparam_overrides"])
    return config


def _check_networks(shapes: Shapes, hparams: dict[str, Any], only: str) -> None:
    """Refuses a checkpoint that lacks a network.

    Raises:
      UserError: names the network, and how to convert the others.
    """
    wanted = {DISCRIMINATOR, GENERATOR}
    if hparams.get("uniform_generator"):
        wanted = {DISCRIMINATOR}
    if not hparams["electra_objective"]:
        wanted = {MASKED_LM}
    there = [kind for kind, head in _HEADS.items() if head in shapes]
    for kind in sorted({only} if only else wanted):
        if kind not in there:
            other = [
                k for k in there if (k == MASKED_LM) != hparams["electra_objective"]
            ]
            hint = "".join(f"; --only={k} converts the {k}" for k in other)
            raise UserError(
                f"the checkpoint holds no {kind} ({_HEADS[kind]} is missing){hint}"
            )


def _of_shapes(shapes: Shapes) -> dict[str, Any]:
    tables = _embedding_sizes(shapes, _embeddings_scope(shapes))
    return {
        "vocab_size": tables["vocab_size"],
        "embedding_size": tables["embedding_size"],
        "uniform_generator": _HEADS[GENERATOR] not in shapes,
        "untied_generator": bool(_encoder_sizes(shapes, "generator")),
        "untied_generator_embeddings": "generator/embeddings/word_embeddings" in shapes,
    }


def _embeddings_scope(shapes: Shapes) -> str:
    shared = "electra/embeddings/word_embeddings" in shapes
    return "electra" if shared else "generator"


def _overrides(shapes: Shapes, hparams: dict[str, Any]) -> dict[str, Any]:
    """model_hparam_overrides, with every size that the hparams leave open."""
    tables = _embedding_sizes(shapes, _embeddings_scope(shapes))
    # A generator alone tells nothing of the other encoder: any that suits it will do.
    sizes = _encoder_sizes(shapes, "electra") or _encoder_sizes(shapes, "generator")
    sizes |= {n: tables[n] for n in ("max_position_embeddings", "type_vocab_size")}
    if "model_size" in hparams:
        del sizes["hidden_size"], sizes["num_hidden_layers"]
    return sizes | (hparams.get("model_hparam_overrides") or {})


def _fractions(small: dict[str, int], values: dict[str, Any]) -> dict[str, float]:
    """The generator's sizes as the original says them: as parts of the other's."""
    names = ("model_size", "model_hparam_overrides", "max_seq_length")
    known = {name: values[name] for name in names if name in values}
    alone = config_lib.from_dict({**known, "uniform_generator": True}, "--hparams")
    full = alone.discriminator()
    return {
        "generator_hidden_size": small["hidden_size"] / full.hidden_size,
        "generator_layers": small["num_hidden_layers"] / full.num_hidden_layers,
    }


def _check_sizes(shapes: Shapes, config: PretrainingConfig) -> None:
    """Refuses hparams that say other sizes than the checkpoint has.

    Raises:
      UserError: names each size, as found and as said.
    """
    full = config.discriminator()
    said = {"electra": vars(full) | {"embedding_size": config.resolved_embedding_size}}
    if config.uses_small_generator:
        small = config.generator()
        said["generator"] = vars(small) | {"embedding_size": small.hidden_size}
    tables = _embeddings_scope(shapes)
    wrong = []
    for scope, sizes in said.items():
        found = _encoder_sizes(shapes, scope)
        found |= _embedding_sizes(shapes, scope) if scope == tables else {}
        wrong += [
            f"{scope}'s {name} is {value} there, {sizes[name]} by the hparams"
            for name, value in found.items()
            if sizes[name] != value
        ]
    if wrong:
        raise UserError(f"hparams contradict the checkpoint: {'; '.join(wrong)}")


def _log_heads(config: PretrainingConfig, overrides: dict[str, Any]) -> None:
    """Shapes do not show the number of heads, so a wrong one is not found."""
    rule = "the original's max(1, hidden_size // 64)"
    source = "the hparams" if "num_attention_heads" in overrides else rule
    full = config.discriminator()
    logging.info("num_attention_heads: %d, by %s", full.num_attention_heads, source)
    if config.uses_small_generator:
        heads = config.generator().num_attention_heads
        logging.info("num_attention_heads of the generator: %d, by %s", heads, rule)
