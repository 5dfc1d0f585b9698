"""Names of variables and of transformers' parameters, there and back."""

import re

import pytest
from helpers import small, tiny

from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights import parameter_names
from electra_tf.weights.parameter_names import DISCRIMINATOR, original_name

CONFIGS = {
    "small-like": tiny.config(generator_hidden_size=0.25),
    "base-like": tiny.config(embedding_size=32),
    "untied embeddings": tiny.config(untied_generator_embeddings=True),
    "tied": tiny.config(untied_generator=False),
    "uniform": tiny.config(uniform_generator=True),
    "masked LM": tiny.config(electra_objective=False, embedding_size=32),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_of_every_network_has_its_name_back(name):
    config = CONFIGS[name]
    variables = PretrainingModel(config).named_variables
    for kind in parameter_names.networks(config):
        pattern = parameter_names.network_variables(config, kind)
        originals = [name for name in variables if pattern.match(name)]
        names = {n: parameter_names.pytorch_name(n, kind) for n in originals}
        assert names and len(set(names.values())) == len(names)
        for original, theirs in names.items():
            # A folder holds one network: which of the two it is, no name says.
            expected = re.sub("^generator/", "electra/", original)
            assert original_name(theirs) == expected


@pytest.mark.parametrize("kind", small.ROWS)
def test_every_parameter_of_a_finetuned_model_has_its_name_back(kind):
    for name in small.model(kind).named_variables:
        theirs = parameter_names.pytorch_name(name, DISCRIMINATOR)
        assert original_name(theirs) == name


def test_names_are_those_of_transformers():
    layer, theirs = "encoder/layer_11/output", "encoder.layer.11.output"
    for kind, original, expected in [
        (
            "discriminator",
            f"electra/{layer}/dense/kernel",
            f"electra.{theirs}.dense.weight",
        ),
        ("generator", f"generator/{layer}/dense/bias", f"electra.{theirs}.dense.bias"),
        ("generator", "generator_predictions/output_bias", "generator_lm_head.bias"),
        ("masked_lm", "generator_predictions/output_bias", "cls.predictions.bias"),
        (
            "masked_lm",
            f"electra/{layer}/LayerNorm/gamma",
            f"bert.{theirs}.LayerNorm.weight",
        ),
        (
            "masked_lm",
            "generator_predictions/LayerNorm/beta",
            "cls.predictions.transform.LayerNorm.bias",
        ),
    ]:
        assert parameter_names.pytorch_name(original, kind) == expected
