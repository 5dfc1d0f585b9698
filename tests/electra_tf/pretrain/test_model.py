"""Which variables there are, who shares them, who trains them; and transformers."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.export import hf_config
from electra_tf.model.batch import Inputs
from electra_tf.pretrain import masking, objective
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights import parameter_names

CLASSES = {"discriminator": "ElectraForPreTraining", "generator": "ElectraForMaskedLM"}


def forward(model: PretrainingModel, inputs: Inputs) -> objective.Output:
    masked = masking.mask(inputs, model.config, tf.constant([1, 2]))
    return objective.forward(model, inputs, masked, tf.constant([3, 4]))


def prefixes(names) -> set[str]:
    return {name.split("/")[0] for name in names}


def test_both_networks_read_one_embedding_table(model):
    assert model.generator.encoder.embeddings is model.electra.embeddings
    tables = [name for name in model.named_variables if "word_embeddings" in name]
    assert tables == ["electra/embeddings/word_embeddings"]


def test_changing_the_table_changes_both_networks():
    model = PretrainingModel(tiny.config())
    inputs = tiny.inputs([16])
    kinds = (model.discriminator_logits, model.generator_logits)
    before = [logits(inputs).numpy() for logits in kinds]
    table = model.named_variables["electra/embeddings/word_embeddings"]
    table.assign(tf.reverse(table, [0]))
    for logits, old in zip(kinds, before, strict=True):
        assert not np.allclose(logits(inputs), old, atol=1e-5)


def test_untied_embeddings_are_two_tables():
    model = PretrainingModel(tiny.config(untied_generator_embeddings=True))
    shapes = {n: v.shape.as_list() for n, v in model.named_variables.items()}
    assert shapes["electra/embeddings/word_embeddings"] == [40, 16]
    assert shapes["generator/embeddings/word_embeddings"] == [40, 16]
    assert model.generator.encoder.embeddings is not model.electra.embeddings


def test_untied_embeddings_have_the_width_of_the_generator():
    config = tiny.config(untied_generator_embeddings=True, generator_hidden_size=0.75)
    model = PretrainingModel(config)
    shapes = {n: v.shape.as_list() for n, v in model.named_variables.items()}
    assert shapes["generator/embeddings/word_embeddings"] == [40, 24]
    assert "generator/embeddings_project/kernel" not in shapes


def test_names_and_shapes(model):
    shapes = {n: tuple(v.shape) for n, v in model.named_variables.items()}
    layer = "electra/encoder/layer_1"
    expected = {
        "electra/embeddings/word_embeddings": (40, 16),
        "electra/embeddings/token_type_embeddings": (2, 16),
        "electra/embeddings/position_embeddings": (32, 16),
        "electra/embeddings/LayerNorm/beta": (16,),
        "electra/embeddings/LayerNorm/gamma": (16,),
        "electra/embeddings_project/kernel": (16, 32),
        "electra/embeddings_project/bias": (32,),
        f"{layer}/attention/self/query/kernel": (32, 32),
        f"{layer}/attention/self/key/bias": (32,),
        f"{layer}/attention/self/value/kernel": (32, 32),
        f"{layer}/attention/output/dense/kernel": (32, 32),
        f"{layer}/attention/output/LayerNorm/gamma": (32,),
        f"{layer}/intermediate/dense/kernel": (32, 128),
        f"{layer}/output/dense/kernel": (128, 32),
        f"{layer}/output/LayerNorm/beta": (32,),
        "generator/encoder/layer_0/intermediate/dense/kernel": (16, 64),
        "generator_predictions/dense/kernel": (16, 16),
        "generator_predictions/LayerNorm/gamma": (16,),
        "generator_predictions/output_bias": (40,),
        "discriminator_predictions/dense/kernel": (32, 32),
        "discriminator_predictions/dense_1/kernel": (32, 1),
        "discriminator_predictions/dense_1/bias": (1,),
    }
    assert {name: shapes.get(name) for name in expected} == expected
    # 5 embeddings; 16 per layer; projections where widths differ; the heads
    assert len(shapes) == 5 + 2 * 16 * 2 + 2 + 5 + 4


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        (
            {"electra_objective": False},
            {"electra", "generator_predictions"},
        ),
        (
            {"untied_generator": False},
            {"electra", "generator_predictions", "discriminator_predictions"},
        ),
        (
            {"uniform_generator": True},
            {"electra", "discriminator_predictions"},
        ),
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_variants_have_the_networks_they_need(changes, scopes):
    assert prefixes(PretrainingModel(tiny.config(**changes)).named_variables) == scopes


def test_same_seed_same_start_other_seed_other_start():
    def start(seed):
        variables = PretrainingModel(tiny.config(seed=seed)).named_variables
        return {name: variable.numpy() for name, variable in variables.items()}

    first, again, other = start(1), start(1), start(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    kernels = [name for name in first if name.endswith("kernel")]
    assert not any(np.array_equal(first[name], other[name]) for name in kernels)


def test_which_variables_start_uniform_and_which_truncated_normal():
    model = PretrainingModel(tiny.config({"hidden_size": 48}))
    kinds = set()
    for name, variable in model.named_variables.items():
        largest, shape = np.abs(variable.numpy()).max(), variable.shape
        if name.endswith("bias") or name.endswith("beta"):
            assert largest == 0.0
        elif "embeddings_project" in name or "predictions/dense_1" in name:
            kinds.add(name.split("/")[0])
            assert 0.8 < largest / np.sqrt(6.0 / sum(shape)) <= 1.0, name
        elif not name.endswith("gamma"):
            assert 0.03 < largest <= 2 * 0.02, name
    assert kinds == {"electra", "generator", "discriminator_predictions"}


def test_discriminator_loss_trains_the_embeddings_but_not_the_generator(model):
    variables = model.named_variables
    with tf.GradientTape() as tape:
        output = forward(model, tiny.inputs([16, 12, 16]))
        loss = output.discriminator.loss
    gradients = tape.gradient(loss, variables)
    untouched = {name for name, gradient in gradients.items() if gradient is None}
    assert prefixes(untouched) == {"generator", "generator_predictions"}
    assert prefixes(set(variables) - untouched) == {
        "electra",
        "discriminator_predictions",
    }
    table = tf.convert_to_tensor(gradients["electra/embeddings/word_embeddings"])
    assert tf.norm(table) > 1e-3


def test_generator_loss_trains_the_embeddings_but_not_the_discriminator(model):
    variables = model.named_variables
    with tf.GradientTape() as tape:
        loss = forward(model, tiny.inputs([16, 12, 16])).mlm_loss
    gradients = tape.gradient(loss, variables)
    reached = {name for name, gradient in gradients.items() if gradient is not None}
    assert {n for n in reached if n.startswith("electra/")} == {
        n for n in variables if n.startswith("electra/embeddings/")
    }
    assert "discriminator_predictions" not in prefixes(reached)
    assert {n for n in variables if n.startswith("generator")} <= reached


def test_padding_and_unused_slots_have_no_loss(model):
    inputs = tiny.inputs([5, 16])
    output = forward(model, inputs)
    losses = output.discriminator.losses.numpy()
    assert not losses[inputs.input_mask == 0].any()
    assert (losses[inputs.input_mask == 1] > 0).all()
    masked = masking.mask(inputs, model.config, tf.constant([1, 2]))
    weights = masked.masked_lm_weights.numpy()
    assert 0 in weights
    expected = (output.mlm_losses.numpy() * weights).sum()
    np.testing.assert_allclose(output.mlm_loss, expected, rtol=1e-6)


def test_uniform_generator_is_as_likely_wrong_as_chance():
    model = PretrainingModel(tiny.config(uniform_generator=True))
    output = forward(model, tiny.inputs([16]))
    np.testing.assert_allclose(output.mlm_losses, np.log(40), rtol=1e-6)


PACKED = {
    "electra": {},
    "electric": {"electra_objective": False, "electric_objective": True},
    "masked_lm": {"electra_objective": False},
}


@pytest.mark.parametrize("changes", PACKED.values(), ids=PACKED)
def test_documents_of_one_row_are_to_the_model_what_they_are_alone(changes):
    alone = tiny.inputs([5, 7, 4])
    rows = {False: alone, True: padded(tiny.packed(alone))}
    drawn = {False: [[2], [3], [1]], True: [[2, 5 + 3, 12 + 1]]}
    found = []
    for is_packed, inputs in rows.items():
        model = PretrainingModel(tiny.config(pack_documents=is_packed, **changes))
        tiny.set_random_values(model.named_variables)
        masked = masked_at(drawn[is_packed], inputs)
        sampled = 45 - masked.masked_lm_ids
        output = objective.forward(model, inputs, masked, sampled_ids=sampled)
        # Electric's towers have no answer of their own at the ends of a document.
        inside = masking.candidates(inputs)
        sums = objective.denominators(inputs, masked, model.config)
        logits = tf.reshape(output.mlm_logits, [3, -1])
        found.append([logits, output.generator_loss, *sums])
        if output.discriminator is not None:
            found[-1] += [tf.boolean_mask(output.discriminator.losses, inside)]
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def padded(inputs: Inputs) -> Inputs:
    return Inputs(*(tf.pad(values, [[0, 0], [0, 3]]) for values in inputs))


def masked_at(positions: list[list[int]], inputs: Inputs) -> masking.Masked:
    positions = tf.constant(positions)
    ids = tf.gather(inputs.input_ids, positions, batch_dims=1)
    chosen = tf.reduce_any(
        tf.one_hot(positions, inputs.input_ids.shape[1], True, False), 1
    )
    hidden = tf.where(chosen, vocabulary.MASK_ID, inputs.input_ids)
    return masking.Masked(hidden, positions, ids, tf.ones(positions.shape))


def test_without_packing_documents_would_see_each_other():
    inputs = tiny.packed(tiny.inputs([5, 7, 4]))
    logits = []
    for is_packed in (False, True):
        model = PretrainingModel(tiny.config(pack_documents=is_packed))
        tiny.set_random_values(model.named_variables)
        logits.append(model.discriminator_logits(inputs).numpy())
    assert np.abs(logits[0] - logits[1]).max() > 0.01


BASE_LIKE = {"embedding_size": 64, "generator_hidden_size": 1.0}
SMALL_LIKE = {"embedding_size": 32, "generator_hidden_size": 0.25}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "changes",
    [BASE_LIKE, SMALL_LIKE, SMALL_LIKE | {"untied_generator_embeddings": True}],
    ids=["base_like", "small_like", "untied_embeddings"],
)
def test_transformers_computes_the_same_logits(changes, kind):
    config = tiny.config(overrides={"hidden_size": 64}, **changes)
    model = PretrainingModel(config)
    tiny.set_random_values(model.named_variables)
    inputs = tiny.inputs([16, 11])
    if kind == "discriminator":
        ours = model.discriminator_logits(inputs).numpy()
    else:
        ours = model.generator_logits(inputs).numpy()
    theirs = transformers_logits(config, model, kind, inputs)
    real = inputs.input_mask.numpy() == 1
    assert ours[real].std() > 0.1, "logits too small to tell"
    np.testing.assert_allclose(ours[real], theirs[real], atol=1e-4)


def transformers_logits(
    config: PretrainingConfig, model: PretrainingModel, kind: str, inputs
) -> np.ndarray:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    network = parameter_names.networks(config)[kind]
    settings = hf_config.network_config(config, network, kind)
    del settings["architectures"]
    theirs = getattr(transformers, CLASSES[kind])(
        transformers.ElectraConfig(**settings)
    )
    variables = {name: v.numpy() for name, v in model.named_variables.items()}
    state = {
        name: torch.tensor(value)
        for name, value in parameter_names.state_dict(variables, config, kind).items()
    }
    report = theirs.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    # made from others, not stored
    derived = {
        "electra.embeddings.position_ids",
        "electra.embeddings.token_type_ids",
        "generator_lm_head.weight",
    }
    assert set(report.missing_keys) <= derived
    if kind == "generator":
        table = theirs.electra.embeddings.word_embeddings.weight
        assert theirs.generator_lm_head.weight is table
    features = ("input_ids", "attention_mask", "token_type_ids")
    batch = {
        name: torch.tensor(values.numpy(), dtype=torch.long)
        for name, values in zip(features, inputs, strict=True)
    }
    with torch.no_grad():
        return theirs.eval()(**batch).logits.numpy()
