"""Several replicas make the update that one device makes.

Eight virtual CPU devices have to be configured before TensorFlow starts any, so this
file runs itself in a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import PYTHONPATH, ROOT

REPLICAS, BATCH = 8, 16
SCENARIOS = {"global": {}, "per_replica": {"per_replica_loss": True}}
# Ending an iterator over eight devices takes up to a minute: none is ended.
ITERATORS = []


@pytest.fixture(scope="module")
def results(data_dir) -> dict[str, dict]:
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    process = subprocess.run(
        [sys.executable, __file__, str(data_dir)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_eight_replicas_give_the_loss_and_update_of_one(results):
    assert results["global"]["loss_difference"] < 1e-5
    assert results["global"]["update_difference"] < 1e-5


def test_per_replica_loss_is_the_mean_of_the_cores_own_updates(results):
    assert results["per_replica"]["gradient_difference"] < 1e-5
    # Unequal token counts make it another update than the global one.
    assert results["per_replica"]["update_difference"] > 1e-4


def test_eight_replicas_go_on_like_one_for_50_steps(results):
    assert results["run"]["ids_are_equal"]
    assert len(results["run"]["loss_differences"]) == 50
    assert max(results["run"]["loss_differences"]) < 1e-4
    # Something was learnt meanwhile.
    assert results["run"]["last_loss"] < 0.8 * results["run"]["first_loss"]


def test_every_replica_begins_from_the_same_weights(results):
    assert results["imported"] == {"copies": REPLICAS, "differing": []}


def main(data_dir: str) -> None:
    import tensorflow as tf

    from electra_tf.model import compiled_ops

    # As in TensorFlow's build for TPUs: compiling for eight devices takes minutes.
    compiled_ops.has_compiler = lambda: False
    # Optimising eight copies of a graph takes longer than running them as they are.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    tf.config.set_logical_device_configuration(cpu, logical)
    found = {name: compare(changes) for name, changes in SCENARIOS.items()}
    found["imported"] = import_everywhere()
    found["run"] = compare_runs(data_dir)
    print(json.dumps(found), flush=True)
    os._exit(0)


def strategies() -> tuple:
    """One device, and eight."""
    import tensorflow as tf

    devices = [f"/cpu:{i}" for i in range(REPLICAS)]
    # Collectives between virtual CPUs of one process mix up their instances.
    adds = tf.distribute.ReductionToOneDevice()
    one = tf.distribute.OneDeviceStrategy("/cpu:0")
    return one, tf.distribute.MirroredStrategy(devices, adds)


def import_everywhere() -> dict:
    """How often a variable is there, and which copies are not the weights given."""
    from helpers import tiny

    from electra_tf.pretrain.model import PretrainingModel
    from electra_tf.weights import initialise, read

    config = tiny.config({"num_hidden_layers": 1})
    source_model = PretrainingModel(config)
    tiny.set_random_values(source_model.named_variables)
    weights = {name: v.numpy() for name, v in source_model.named_variables.items()}
    tokens, said = tuple(tiny.tokens()), read.configured_sizes(config)
    source = read.Source("memory", weights, said, tokens, "", "")
    _, mirrored = strategies()
    with mirrored.scope():
        variables = PretrainingModel(config).named_variables
    initialise.initialise(variables, source, config, tokens)
    copies = {n: mirrored.experimental_local_results(v) for n, v in variables.items()}
    differing = [
        name
        for name, values in copies.items()
        if not all(np.array_equal(value.numpy(), weights[name]) for value in values)
    ]
    return {"copies": min(map(len, copies.values())), "differing": differing}


def compare_runs(data_dir: str) -> dict:
    """50 steps from records, fed with masks and samples that the rows decide."""
    from helpers import tiny

    from electra_tf.pretrain import compiled_steps, masking

    masking.mask, masking.sample = tiny.fed_mask, tiny.fed_sample
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = tiny.config(no_dropout | {"num_hidden_layers": 1}, learning_rate=5e-4)
    found = []
    for strategy in strategies():
        running = compiled_steps.Trainer(config, strategy)
        numbers = global_batches(running, data_dir)
        found.append((numbers, losses_of_run(running, data_dir)))
    (one_ids, one), (eight_ids, eight) = found
    return {
        "ids_are_equal": one_ids == eight_ids,
        "loss_differences": [abs(b / a - 1) for a, b in zip(one, eight, strict=True)],
        "first_loss": one[0],
        "last_loss": one[-1],
    }


def host_batches(running, data_dir: str) -> Iterator:
    """What the strategy's replicas read."""
    from electra_tf.pretrain import input_pipeline

    config = running.config
    found = input_pipeline.read_manifest(data_dir, config)
    batches = running.distribute(
        lambda context: input_pipeline.train_batches(
            data_dir, found, config, 0, context
        )
    )
    ITERATORS.append(iter(batches))
    return ITERATORS[-1]


def global_batches(running, data_dir: str) -> list[list[int]]:
    """Record numbers of the first batches, over all replicas."""
    from helpers import tiny

    numbers, iterator = [], host_batches(running, data_dir)
    for _ in range(20):
        ids = running.strategy.experimental_local_results(next(iterator)["input_ids"])
        numbers.append(sum((tiny.example_numbers(part.numpy()) for part in ids), []))
    return numbers


def losses_of_run(running, data_dir: str) -> list[float]:
    """The total loss of 50 steps."""
    from electra_tf.pretrain import metrics

    iterator, losses = host_batches(running, data_dir), []
    for step in range(50):
        sums = running.train_steps(iterator, step, 1).sums
        losses.append(metrics.finalize(sums, 1.0, 50.0)["loss"])
    return losses


def compare(changes: dict) -> dict[str, float]:
    """One update of one device and of eight, from the same masks and samples."""

    from electra_tf import config as config_lib
    from electra_tf.pretrain.compiled_steps import Trainer

    overrides = {
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 32,
    }
    config = config_lib.from_dict(
        {
            "model_size": "small",
            "model_hparam_overrides": overrides,
            "embedding_size": 32,
            "generator_hidden_size": 0.5,
            "vocab_size": 60,
            "max_seq_length": 24,
            "train_batch_size": BATCH,
            "num_warmup_steps": 0,
            "learning_rate": 0.01,
            **changes,
        },
        "test",
    )
    one, eight = (Trainer(config, strategy) for strategy in strategies())
    for name, variable in one.model.named_variables.items():
        other = eight.model.named_variables[name]
        np.testing.assert_array_equal(other.numpy(), variable.numpy())
    batch = draw(config)
    before = [v.numpy() for v in one.model.named_variables.values()]
    loss_one, gradients = step(one, batch)
    loss_eight, _ = step(eight, batch)
    after_one = [v.numpy() for v in one.model.named_variables.values()]
    after_eight = [v.numpy() for v in eight.model.named_variables.values()]
    result = {
        "loss_difference": abs(loss_one / loss_eight - 1.0),
        "update_difference": relative(before, after_one, after_eight),
    }
    if config.per_replica_loss:
        result["gradient_difference"] = mean_of_parts(
            config, batch, before, after_eight
        )
    return result


def draw(config) -> dict:
    """Rows of very different lengths, with masks and samples."""
    import tensorflow as tf

    from electra_tf.pretrain import masking

    rng = np.random.default_rng(0)
    lengths = np.linspace(6, 24, BATCH).astype(int)
    mask = (np.arange(24) < lengths[:, None]).astype(np.int32)
    ids = rng.integers(5, 60, [BATCH, 24]).astype(np.int32) * mask
    inputs = masking.Inputs(tf.constant(ids), tf.constant(mask), tf.zeros_like(mask))
    masked = masking.mask(inputs, config, tf.constant([1, 2]))
    sampled = rng.integers(5, 60, masked.masked_lm_positions.shape).astype(np.int32)
    return {"inputs": inputs, "masked": masked, "sampled": tf.constant(sampled)}


def shard(batch: dict, start: int, size: int) -> dict:
    import tensorflow as tf

    return tf.nest.map_structure(lambda x: x[start : start + size], batch)


def step(trainer, batch: dict) -> tuple[float, list]:
    """The update from given masks and samples; returns the loss and the gradients."""
    import tensorflow as tf

    strategy = trainer.strategy
    size = BATCH // strategy.num_replicas_in_sync
    variables = list(trainer.model.named_variables.values())

    def replica_step(part):
        with tf.GradientTape() as tape:
            output = trainer.model(
                part["inputs"], part["masked"], lambda logits: part["sampled"], None
            )
            weights = trainer.step.loss_weights(part["inputs"], part["masked"])
            loss = trainer.step.replica_loss(output, weights)
        gradients = list(map(tf.convert_to_tensor, tape.gradient(loss, variables)))
        trainer.step.apply_gradients(gradients, tf.constant(0.01))
        return loss, gradients

    def value(context):
        return shard(batch, context.replica_id_in_sync_group * size, size)

    parts = strategy.experimental_distribute_values_from_function(value)
    run = tf.function(lambda p: strategy.run(replica_step, (p,)), autograph=False)
    loss, gradients = run(parts)
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
    return float(total), gradients


def mean_of_parts(config, batch: dict, before: list, after: list) -> float:
    """Clips each core's gradient by itself, averages, updates: the original on TPU."""
    import tensorflow as tf

    from electra_tf.pretrain.compiled_steps import Trainer

    single = Trainer(config, tf.distribute.OneDeviceStrategy("/cpu:0"))
    size = BATCH // REPLICAS
    clipped = []
    for start in range(0, BATCH, size):
        variables = single.model.named_variables.values()
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        part = shard(batch, start, size)
        with tf.GradientTape() as tape:
            output = single.model(
                part["inputs"],
                part["masked"],
                lambda logits, p=part: p["sampled"],
                None,
            )
            weights = single.step.loss_weights(part["inputs"], part["masked"])
            loss = single.step.replica_loss(output, weights)
        gradients = tape.gradient(loss, list(variables))
        gradients = list(map(tf.convert_to_tensor, gradients))
        clipped.append(tf.clip_by_global_norm(gradients, 1.0)[0])
    means = [sum(parts) / REPLICAS for parts in zip(*clipped, strict=True)]
    expected = []
    for name, value, g in zip(single.model.named_variables, before, means, strict=True):
        m, v = 0.1 * g.numpy(), 0.001 * g.numpy() ** 2
        decay = 0.0 if "LayerNorm" in name or "bias" in name else 0.01
        expected.append(value - 0.01 * (m / (np.sqrt(v) + 1e-6) + decay * value))
    return relative(before, expected, after)


def relative(before: list, a: list, b: list) -> float:
    """The norm of the difference of two updates, relative to the update's.

    Not the largest element's: where a gradient is zero but for rounding, Adam's first
    update is that rounding divided by 1e-6.
    """

    def norm(xs: list, ys: list) -> float:
        return np.sqrt(sum(np.sum((x - y) ** 2.0) for x, y in zip(xs, ys, strict=True)))

    return float(norm(a, b) / norm(before, a))


if __name__ == "__main__":
    main(sys.argv[1])
