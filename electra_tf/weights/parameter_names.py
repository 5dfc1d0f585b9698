"""Which variables make a network, and what transformers calls them."""

import re
from collections.abc import Iterable

import numpy as np

from common.cli import UserError
from electra_tf.config import PretrainingConfig, TransformerConfig

DISCRIMINATOR, GENERATOR, MASKED_LM = "discriminator", "generator", "masked_lm"

# TensorFlow name, without its scope -> PyTorch name, in this order: a network's own
# scopes, then what all share. Kernels are transposed.
_ELECTRA_SCOPES = (
    (r"^(electra|generator)/", "electra/"),
    (
        r"^discriminator_predictions/dense_1/",
        "discriminator_predictions/dense_prediction/",
    ),
    (r"^generator_predictions/output_bias$", "generator_lm_head/bias"),
)
_BERT_SCOPES = (
    (r"^electra/", "bert/"),
    (r"^generator_predictions/output_bias$", "cls/predictions/bias"),
    (r"^generator_predictions/", "cls/predictions/transform/"),
)
_RENAMES = (
    (r"/layer_(\d+)/", r"/layer/\1/"),
    (r"_embeddings$", "_embeddings/weight"),
    (r"/kernel$", "/weight"),
    (r"/gamma$", "/weight"),
    (r"/beta$", "/bias"),
    (r"/", "."),
)


def pytorch_name(name: str, kind: str) -> str:
    """The transformers parameter a variable of one network becomes."""
    scopes = _BERT_SCOPES if kind == MASKED_LM else _ELECTRA_SCOPES
    for pattern, replacement in (*scopes, *_RENAMES):
        name = re.sub(pattern, replacement, name)
    return name


def network_variables(config: PretrainingConfig, kind: str) -> re.Pattern:
    """Matches the variables of one network, embeddings and head included."""
    if kind == DISCRIMINATOR:
        return re.compile("^(electra|discriminator_predictions)/")
    if kind == MASKED_LM or not config.uses_small_generator:  # one encoder serves both
        return re.compile("^(electra|generator_predictions)/")
    if config.untied_generator_embeddings:
        return re.compile("^(generator|generator_predictions)/")
    return re.compile("^(electra/embeddings|generator|generator_predictions)/")


def networks(config: PretrainingConfig) -> dict[str, TransformerConfig]:
    """Which folders a run gives.

    Raises:
      UserError: transformers cannot express the run's networks.
    """
    if config.electric_objective:
        raise UserError("transformers has no class for the electric objective")
    full = config.discriminator()
    if not config.electra_objective:
        _check_bert(config)
        return {MASKED_LM: full}
    found = {DISCRIMINATOR: full}
    if not config.uniform_generator:
        found[GENERATOR] = config.generator() if config.uses_small_generator else full
    return found


def _check_bert(config: PretrainingConfig) -> None:
    size, hidden_size = (
        config.resolved_embedding_size,
        config.discriminator().hidden_size,
    )
    if size != hidden_size:
        raise UserError(
            f"a masked LM becomes a BertForMaskedLM, whose embeddings are as wide as "
            f"its hidden states: embedding_size is {size}, hidden_size {hidden_size}"
        )


def chosen_networks(
    config: PretrainingConfig, only: str = ""
) -> dict[str, TransformerConfig]:
    """`networks`, or the one of them that is asked for.

    Raises:
      UserError: as `networks`, or the run has no such network.
    """
    found = networks(config)
    if only and only not in found:
        raise UserError(f"--only={only}: there is {' and '.join(found)} here")
    return {kind: net for kind, net in found.items() if only in ("", kind)}


def parameter_names(
    variables: Iterable[str], config: PretrainingConfig, kind: str
) -> dict[str, str]:
    """The original's names of one network's variables -> transformers' names."""
    pattern = network_variables(config, kind)
    return {name: pytorch_name(name, kind) for name in variables if pattern.match(name)}


def state_dict(
    variables: dict[str, np.ndarray], config: PretrainingConfig, kind: str
) -> dict[str, np.ndarray]:
    """One network's parameters under transformers' names."""
    return {
        theirs: parameter(name, variables[name])
        for name, theirs in parameter_names(variables, config, kind).items()
    }


def parameter(name: str, value: np.ndarray) -> np.ndarray:
    """A variable of this (TensorFlow) name as PyTorch holds it."""
    value = value.T if is_transposed(name) else value
    return np.ascontiguousarray(value, np.float32)


def is_transposed(name: str) -> bool:
    """Whether PyTorch holds a variable of this (TensorFlow) name the other way."""
    return name.endswith("/kernel")
