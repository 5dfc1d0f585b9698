"""Which variables make a network, and what transformers calls them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from common.errors import UserError
from electra_tf.config import PretrainingConfig, TransformerConfig

DISCRIMINATOR, GENERATOR, MASKED_LM = "discriminator", "generator", "masked_lm"
KINDS = (DISCRIMINATOR, GENERATOR, MASKED_LM)

# The original's text and transformers', in which "." becomes "/"; ^ and $ stand for the
# ends of a name. Read to the right or to the left, each pair replaces text, in this
# order: first what only one family of networks has, then what all of them share.
_ELECTRA = (
    (
        "^discriminator_predictions/dense_1/",
        "^discriminator_predictions/dense_prediction/",
    ),
    ("^generator_predictions/output_bias$", "^generator_lm_head/bias$"),
)
_BERT = (
    ("^electra/", "^bert/"),
    ("^generator_predictions/output_bias$", "^cls/predictions/bias$"),
    ("^generator_predictions/", "^cls/predictions/transform/"),
)
_SHARED = (
    ("/layer_", "/layer/"),
    ("_embeddings$", "_embeddings/weight$"),
    ("/LayerNorm/gamma$", "/LayerNorm/weight$"),
    ("/LayerNorm/beta$", "/LayerNorm/bias$"),
    ("/kernel$", "/weight$"),
)


def pytorch_name(name: str, kind: str) -> str:
    """The transformers parameter that a variable of one network becomes."""
    name = re.sub("^generator/", "electra/", name)
    name = f"^{name}$"
    for original, theirs in (*(_BERT if kind == MASKED_LM else _ELECTRA), *_SHARED):
        name = name.replace(original, theirs)
    return name[1:-1].replace("/", ".")


def original_name(name: str) -> str:
    """The variable that a parameter of ELECTRA or BERT in transformers is.

    Those of an encoder, whichever network's, are electra/...
    """
    if name.startswith(("embeddings.", "embeddings_project.", "encoder.")):
        name = f"electra.{name}"  # a bare ElectraModel or BertModel
    name = f"^{name}$".replace(".", "/")
    for original, theirs in (*_BERT, *_ELECTRA, *_SHARED):
        name = name.replace(theirs, original)
    return name[1:-1]


def twins(names: Iterable[str]) -> dict[str, str]:
    """Variables of a generator's encoder -> those of the discriminator's."""
    pairs = {name: re.sub("^generator/", "electra/", name) for name in names}
    return {name: twin for name, twin in pairs.items() if name != twin}


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
    """The networks of a run, by kind: each is exported as a folder of that name.

    Raises:
      UserError: transformers cannot express the run's networks.
    """
    if config.electric_objective:
        raise UserError("transformers has no class for the electric objective")
    full = config.discriminator()
    if not config.electra_objective:
        _check_bert(config)
        return {MASKED_LM: full}
    kinds = {DISCRIMINATOR: full}
    if not config.uniform_generator:
        kinds[GENERATOR] = config.generator() if config.uses_small_generator else full
    return kinds


def _check_bert(config: PretrainingConfig) -> None:
    hidden_size = config.discriminator().hidden_size
    if config.resolved_embedding_size != hidden_size:
        raise UserError(
            "a masked LM becomes a BertForMaskedLM, whose embeddings are as wide as "
            f"its hidden states: embedding_size is {config.resolved_embedding_size}, "
            f"hidden_size {hidden_size}"
        )


def chosen_networks(
    config: PretrainingConfig, only: str = ""
) -> dict[str, TransformerConfig]:
    """`networks`, or only the one asked for.

    Raises:
      UserError: as `networks`, or the run has no such network.
    """
    kinds = networks(config)
    if only and only not in kinds:
        raise UserError(f"--only={only}: this model has {' and '.join(kinds)}")
    return {kind: net for kind, net in kinds.items() if only in ("", kind)}


def state_dict(
    variables: Mapping[str, Any], config: PretrainingConfig, kind: str
) -> dict[str, np.ndarray]:
    """One network's parameters under transformers' names.

    Args:
      variables: arrays, or TensorFlow variables, of all networks.
    """
    pattern = network_variables(config, kind)
    return {
        pytorch_name(name, kind): parameter(name, np.asarray(value))
        for name, value in variables.items()
        if pattern.match(name)
    }


def parameter(name: str, value: np.ndarray) -> np.ndarray:
    """A variable of this (TensorFlow) name as PyTorch holds it, or the reverse."""
    value = value.T if name.endswith("/kernel") else value
    return np.ascontiguousarray(value, np.float32)
