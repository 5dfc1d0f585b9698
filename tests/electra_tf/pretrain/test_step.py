"""Accumulated gradients, the losses' denominators, and bfloat16."""

import collections
import functools

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from data_prep.vocab.vocabulary import CLS_ID, MASK_ID, SEP_ID
from electra_tf.optimizer import AdamWeightDecay
from electra_tf.pretrain import masking, objective
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.pretrain.step import ReplicaStep, Seeds, step_seeds

ROWS = 32
LENGTHS = [4 + 12 * i // (ROWS - 1) for i in range(ROWS)]  # unequal token counts
ONE_LAYER = {"num_hidden_layers": 1}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def fed(monkeypatch):
    """Masks and samples that depend on each row's tokens alone."""
    monkeypatch.setattr(masking, "mask", tiny.fed_mask)
    monkeypatch.setattr(masking, "sample", tiny.fed_sample)


def make(
    overrides=None, is_continuation=None, **changes
) -> tuple[ReplicaStep, PretrainingModel]:
    # Networks of one size share their compiled parts.
    changes = {"generator_hidden_size": 1.0, **changes}
    config = tiny.config(overrides, train_batch_size=ROWS, **changes)
    model = PretrainingModel(config)
    tiny.set_random_values(model.named_variables)
    optimizer = AdamWeightDecay(model.named_variables, config.weight_decay_rate)
    return ReplicaStep(config, model, optimizer, is_continuation), model


def seeds() -> Seeds:
    return Seeds(*(tf.constant([1, i]) for i in range(3)))


def norm(arrays) -> float:
    return float(np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays)))


VARIANTS = {
    "electra": {},
    "masked_lm": {"electra_objective": False},
    "electric": {"electra_objective": False, "electric_objective": True},
    "own_embeddings": {"untied_generator_embeddings": True},
}


@pytest.mark.parametrize("variant", ["electra", "electric"])
def test_four_pieces_of_eight_rows_give_the_update_of_32(fed, variant):
    inputs, results = tiny.inputs(LENGTHS), []
    for pieces in (1, 4):
        changes = VARIANTS[variant] | {"gradient_accumulation_steps": pieces}
        step, model = make(overrides=NO_DROPOUT | ONE_LAYER, **changes)

        @functools.partial(tf.function, autograph=False)
        def update(masked, step=step):
            gradients, sums = step.gradients(inputs, masked, seeds())
            step.apply_gradients(gradients, tf.constant(1e-3))
            return gradients, sums

        before = [v.numpy() for v in model.named_variables.values()]
        gradients, sums = update(tiny.fed_mask(inputs, model.config, None))
        after = [v.numpy() for v in model.named_variables.values()]
        moved = [a - b for a, b in zip(after, before, strict=True)]
        results.append(([g.numpy() for g in gradients], moved, sums))
    (whole, update, sums), (pieced, pieced_update, pieced_sums) = results
    for ours, theirs in ((pieced, whole), (pieced_update, update)):
        difference = [a - b for a, b in zip(ours, theirs, strict=True)]
        assert norm(difference) < 1e-5 * norm(theirs)
    assert sums.keys() == pieced_sums.keys()
    for name, expected in sums.items():
        ours = pieced_sums[name].numpy()
        if name.endswith("_bins"):  # rounding may move a token into the next bin
            assert ours.sum() == np.sum(expected) > 0, name
            assert np.abs(ours - expected).sum() <= 2, name
        elif name.endswith("_loss"):
            assert ours == pytest.approx(float(expected), rel=1e-5), name
        else:  # counts of tokens
            assert ours == expected, name


OPTIONS = {
    "whole_words": {"whole_word_mask": True},
    "without_replacement": {"mask_without_replacement": True},
    "packed": {"pack_documents": True},
    "all": {
        "whole_word_mask": True,
        "mask_without_replacement": True,
        "pack_documents": True,
        "gradient_accumulation_steps": 2,
    },
}


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS)
def test_options_work_in_a_compiled_step(changes):
    is_continuation = np.arange(tiny.VOCAB_SIZE) % 3 == 0
    step, model = make(ONE_LAYER, is_continuation, **changes)
    packed = tiny.packed(tiny.inputs([5, 7, 4]))
    batch = {name: tf.repeat(x, 32, 0) for name, x in packed._asdict().items()}
    before = model.electra.layers[0].output.kernel.numpy()
    sums = tf.function(step, autograph=False)(batch, tf.constant(100, tf.int64))
    assert float(sums["tokens"]) == 32 * 16
    assert 32 < float(sums["mlm_weight"]) <= 32 * 2
    assert np.isfinite([float(sums[n]) for n in ("mlm_loss", "disc_loss")]).all()
    assert not np.array_equal(model.electra.layers[0].output.kernel, before)
    assert float(step.evaluate(batch, tf.constant(0))["tokens"]) == 32 * 16


def test_pieces_have_draws_of_their_own():
    whole, model = make(ONE_LAYER)
    half = tiny.inputs(LENGTHS[::2])
    masked = masking.mask(half, model.config, tf.constant([5, 5]))
    pieces = []
    for i in range(2):
        own = Seeds(*(tf.random.fold_in(seed, i) for seed in seeds()))
        pieces.append(whole.gradients(half, masked, own)[0])
    difference = [a - b for a, b in zip(*pieces, strict=True)]
    assert norm(difference) > 0.01 * norm(pieces[0])

    in_two, _ = make(ONE_LAYER, gradient_accumulation_steps=2)
    twice = (type(x)(*(tf.concat([y, y], 0) for y in x)) for x in (half, masked))
    gradients, _ = in_two.gradients(*twice, seeds())
    mean = [(a + b) / 2 for a, b in zip(*pieces, strict=True)]
    difference = [a - b for a, b in zip(gradients, mean, strict=True)]
    assert norm(difference) < 1e-5 * norm(mean)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_each_loss_is_a_mean_over_its_positions(changes):
    step, model = make(ONE_LAYER, **changes)
    inputs = tiny.inputs(LENGTHS)
    masked = masking.mask(inputs, model.config, tf.constant([1, 2]))
    ids = inputs.input_ids.numpy()
    slots = int(masked.masked_lm_weights.numpy().sum())
    if model.config.electric_objective:
        is_special = np.isin(ids, [CLS_ID, SEP_ID, MASK_ID])
        slots = int(((inputs.input_mask.numpy() > 0) & ~is_special).sum())
    denominators = step.denominators(inputs, masked)
    assert [float(x) for x in denominators] == [slots, sum(LENGTHS)]
    output = objective.forward(model, inputs, masked, sampled_ids=masked.masked_lm_ids)
    config = model.config
    expected = config.gen_weight * float(output.generator_loss) / slots
    if output.discriminator is not None:
        losses = output.discriminator.losses.numpy()
        assert (losses > 0).sum() == sum(LENGTHS)
        expected += config.disc_weight * losses.sum() / sum(LENGTHS)
    loss = objective.loss(output, denominators, config)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_bfloat16_is_near_float32_and_keeps_parameters_and_losses_in_float32(bfloat16):
    inputs = tiny.inputs(LENGTHS)
    results = {}
    for dtype in ("float32", bfloat16):
        step, model = make(overrides=NO_DROPOUT, compute_dtype=dtype)
        masked = masking.mask(inputs, model.config, tf.constant([1, 2]))
        sampled = masked.masked_lm_ids
        output = objective.forward(model, inputs, masked, sampled_ids=sampled)
        gradients, _ = step.gradients(inputs, masked, seeds())
        logits = [output.mlm_logits, output.discriminator.logits]
        assert {x.dtype for x in logits} == {tf.float32}
        assert {v.dtype for v in model.named_variables.values()} == {tf.float32}
        assert {g.dtype for g in gradients} == {tf.float32}
        results[dtype] = [x.numpy() for x in logits], gradients
    (exact, exact_gradients), (rough, rough_gradients) = results.values()
    for a, b in zip(exact, rough, strict=True):
        assert 1e-5 < norm([a - b]) / norm([a]) < 0.03
    difference = [a - b for a, b in zip(exact_gradients, rough_gradients, strict=True)]
    assert norm(difference) < 0.1 * norm(exact_gradients)


def test_bfloat16_multiplies_in_bfloat16_and_normalises_in_float32():
    step, _ = make(ONE_LAYER, compute_dtype="bfloat16")
    batch = tiny.inputs(LENGTHS)._asdict()
    traced = tf.function(step).get_concrete_function(batch, tf.constant(0, tf.int64))
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    kinds = collections.defaultdict(set)
    for node in nodes:
        if node.attr["T"].type:
            kinds[node.op].add(tf.as_dtype(node.attr["T"].type))
    assert kinds["Einsum"] == {tf.bfloat16}
    assert kinds["Exp"] == {tf.float32}  # of attention and of the losses
    assert kinds["Rsqrt"] == {tf.float32}


def test_keyed_by_seed_step_and_stream():
    drawn = {
        tuple(value.numpy().tolist())
        for seed in (0, 1)
        for step in (0, 1, 2)
        for value in step_seeds(seed, tf.constant(step))
    }
    assert len(drawn) == 2 * 3 * 3
