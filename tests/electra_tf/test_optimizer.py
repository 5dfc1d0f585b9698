"""The schedule against recordings, decay groups, and Adam against float64."""

import json

import numpy as np
import pytest
import tensorflow as tf
from helpers import GOLDEN, tiny

from electra_tf import optimizer as optimization
from electra_tf.pretrain.model import PretrainingModel

SCHEDULES = json.loads((GOLDEN / "schedules.json").read_text())["schedules"]


@pytest.mark.parametrize("recorded", SCHEDULES, ids=lambda r: str(r["num_train_steps"]))
def test_learning_rate_is_the_recorded_one(recorded):
    steps = recorded["num_train_steps"]
    warmup = max(steps * recorded["warmup_proportion"], recorded["warmup_steps"])
    config = tiny.config(
        learning_rate=recorded["learning_rate"],
        num_train_steps=steps,
        num_warmup_steps=int(warmup),
        lr_decay_power=recorded["power"],
    )
    ours = [
        float(optimization.learning_rate(tf.constant(step, tf.int64), config))
        for step in recorded["steps"]
    ]
    # near the end 1 - step/N keeps few digits in float32
    bound = np.finfo(np.float32).eps * recorded["learning_rate"]
    np.testing.assert_allclose(ours, recorded["values"], rtol=1e-6, atol=bound)
    assert ours[0] == 0.0 and max(ours) > 0.0


def test_without_warmup_the_rate_begins_in_full():
    config = tiny.config(num_warmup_steps=0, learning_rate=0.5)
    rate = float(optimization.learning_rate(tf.constant(0), config))
    assert rate == 0.5


def test_a_second_warmup_begins_at_its_step():
    config = tiny.config(
        learning_rate=0.5,
        num_train_steps=100,
        num_warmup_steps=10,
        warmup_again_at=50,
    )
    rates = {
        step: float(optimization.learning_rate(tf.constant(step, tf.int64), config))
        for step in (5, 49, 50, 51, 55, 60, 80)
    }
    shares = {5: 0.5, 49: 1, 50: 0, 51: 0.1, 55: 0.5, 60: 1, 80: 1}
    expected = {s: 0.5 * (1 - s / 100) * share for s, share in shares.items()}
    assert rates == pytest.approx(expected)
    assert float(optimization.learning_rate(55, config)) == rates[55]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"untied_generator_embeddings": True},
        {"electra_objective": False},
        {"uniform_generator": True, "embedding_size": 32},
    ],
    ids=str,
)
def test_every_variable_is_in_the_group_of_its_kind(changes):
    names = list(PretrainingModel(tiny.config(**changes)).named_variables)
    decayed = {name for name in names if optimization.decays(name)}
    others = set(names) - decayed
    assert decayed and others
    assert all(n.rsplit("/", 1)[1] == "kernel" or "_embeddings" in n for n in decayed)
    kinds = {name.rsplit("/", 1)[1] for name in others}
    assert kinds == {"beta", "gamma", "bias"} | (
        {"output_bias"} if "generator_predictions/output_bias" in names else set()
    )


@pytest.mark.parametrize(
    ("name", "groups"), [("electra/scale", 0), ("x/bias_tower/kernel", 2)]
)
def test_variable_in_no_or_two_groups_is_refused(name, groups):
    with pytest.raises(ValueError, match=f"{name}.* in {groups} decay groups"):
        optimization.decays(name)


START = {
    "a/kernel": np.array([[1.0, -2.0], [0.5, 3.0]]),
    "a/bias": np.array([0.3, -0.7]),
    "b/LayerNorm/gamma": np.array([1.0, 1.2, 0.8]),
    "b/word_embeddings": np.array([[0.1], [-0.2], [0.0]]),
}


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_adam_against_float64(rate):
    variables = {
        name: tf.Variable(tf.constant(value, tf.float32), name=name)
        for name, value in START.items()
    }
    optimizer = optimization.AdamWeightDecay(variables, rate)
    expected = {name: value.copy() for name, value in START.items()}
    m = {name: np.zeros_like(value) for name, value in START.items()}
    v = {name: np.zeros_like(value) for name, value in START.items()}
    rng = np.random.RandomState(0)
    for step in range(5):
        lr = 0.1 / (step + 1)
        gradients = {name: rng.standard_normal(p.shape) for name, p in START.items()}
        gradients["b/word_embeddings"][2] = 0.0  # an embedding no token looked up
        optimizer.apply(
            [tf.constant(gradients[name], tf.float32) for name in variables],
            tf.constant(lr),
        )
        for name, g in gradients.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g * g
            update = m[name] / (np.sqrt(v[name]) + 1e-6)
            if name in ("a/kernel", "b/word_embeddings"):
                update += rate * expected[name]
            expected[name] -= lr * update
    for name, variable in variables.items():
        np.testing.assert_allclose(variable, expected[name], rtol=1e-5, atol=1e-6)
        slots = optimizer.named_slots
        np.testing.assert_allclose(slots[f"{name}/adam_m"], m[name], atol=1e-6)
        np.testing.assert_allclose(slots[f"{name}/adam_v"], v[name], atol=1e-6)


def test_rate_0_updates_the_slots_only():
    variables = {"a/kernel": tf.Variable([[1.0]], name="a/kernel")}
    optimizer = optimization.AdamWeightDecay(variables, 0.1)
    optimizer.apply([tf.constant([[2.0]])], tf.constant(0.0))
    assert variables["a/kernel"].numpy() == 1.0
    np.testing.assert_allclose(optimizer.named_slots["a/kernel/adam_m"], [[0.2]])


def test_layerwise_rates_are_the_recorded_ones():
    path = GOLDEN / "schedules.json"
    recorded = json.loads(path.read_text())["layer_lrs"]
    names = {
        "/embeddings/": "electra/embeddings/word_embeddings",
        "/embeddings_project/": "electra/embeddings_project/kernel",
        "task_specific/": "task_specific/nsmc/logits/kernel",
    }
    for i in range(12):
        name = f"electra/encoder/layer_{i}/attention/self/query/kernel"
        names[f"encoder/layer_{i}/"] = name
    assert set(names) == set(recorded)
    rates = optimization.layerwise_rates(names.values(), 12, 0.8, double_top_decay=True)
    for key, rate in zip(names, rates, strict=True):
        assert rate == pytest.approx(recorded[key], rel=1e-6)


def test_corrected_layerwise_rates_take_the_factor_once_a_layer():
    names = ["classifier/kernel", *(f"electra/encoder/layer_{i}/x" for i in (2, 1, 0))]
    names += ["electra/embeddings_project/kernel", "electra/embeddings/LayerNorm/beta"]
    rates = optimization.layerwise_rates(names, num_layers=3, decay=0.5)
    assert rates == [1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625]


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_without_layerwise_decay_every_layer_learns_at_the_same_rate(decay):
    names = ["classifier/kernel", "electra/encoder/layer_0/x", "electra/embeddings/x"]
    for double in (False, True):
        rates = optimization.layerwise_rates(names, 1, decay, double)
        assert rates == [1.0, 1.0, 1.0]


def test_a_variables_rate_scales_its_whole_update():
    updates = []
    for rate in (1.0, 0.25):
        variable = tf.Variable([1.0, -2.0], name="a/kernel")
        adam = optimization.AdamWeightDecay({"a/kernel": variable}, 0.01, rates=[rate])
        adam.apply([tf.constant([0.5, 0.1])], tf.constant(0.1))
        updates.append(variable.numpy() - [1.0, -2.0])
    np.testing.assert_allclose(updates[1], 0.25 * updates[0], rtol=1e-5)
