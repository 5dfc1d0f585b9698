"""Eight replicas make the updates that one device makes.

Eight virtual CPU devices have to be configured before TensorFlow starts, so this file
runs itself in a process of its own.
"""

import functools
import json
import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import processes

REPLICAS, BATCH, STEPS = 8, 16, 20
CONFIG = {"train_batch_size": BATCH, "learning_rate": 2e-3, "num_warmup_steps": 0}
OVERRIDES = {
    "num_hidden_layers": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
# Destroying an iterator over eight devices blocks for up to a minute: none is.
ITERATORS = []


@pytest.fixture(scope="module")
def results(data_dir) -> dict[str, dict]:
    ended = processes.check(__file__, data_dir, warm=True)
    return json.loads(ended.out.splitlines()[-1])


def test_eight_replicas_give_the_loss_and_update_of_one(results):
    assert results["update"]["loss_difference"] < 1e-5
    assert results["update"]["update_difference"] < 1e-5


def test_per_replica_loss_is_the_mean_of_the_cores_own_updates(results):
    assert results["per_replica"]["difference_from_means"] < 1e-5
    # Unequal token counts make it another update than the global one.
    assert results["per_replica"]["difference_from_global"] > 1e-4


def test_eight_replicas_train_like_one(results):
    assert results["run"]["ids_are_equal"]
    assert len(results["run"]["loss_differences"]) == STEPS
    assert max(results["run"]["loss_differences"]) < 1e-4
    # Something was learnt meanwhile.
    assert results["run"]["last_loss"] < 0.8 * results["run"]["first_loss"]


def test_every_replica_starts_from_the_same_weights(results):
    assert results["imported"] == {"copies": REPLICAS, "differing": []}


def main(data_dir: str) -> None:
    import tensorflow as tf
    from helpers import tiny

    from electra_tf.model import compiled_ops
    from electra_tf.pretrain import masking

    # As in TensorFlow's build for TPUs: compiling for eight devices takes minutes.
    compiled_ops.has_compiler = lambda: False
    # Optimising eight copies of a graph takes longer than running them as they are.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    tf.config.set_logical_device_configuration(cpu, logical)
    # Masks and samples are a function of the rows, whichever replica has them.
    masking.mask, masking.sample = tiny.fed_mask, tiny.fed_sample
    one, eight = trainer(replicas=1), trainer(replicas=REPLICAS)
    cores = trainer(replicas=REPLICAS, per_replica_loss=True)
    start = [v.numpy() for v in one.model.named_variables.values()]
    means = update_of_means(one)
    (loss_one, of_one), (loss_eight, of_eight) = update(one), update(eight)
    _, of_cores = update(cores)
    results = {
        "update": {
            "loss_difference": abs(loss_one / loss_eight - 1.0),
            "update_difference": relative(start, of_one, of_eight),
        },
        "per_replica": {
            "difference_from_means": relative(start, means, of_cores),
            "difference_from_global": relative(start, of_one, of_cores),
        },
        "run": compare_runs(one, eight, data_dir),
        "imported": import_everywhere(cores),
    }
    print(json.dumps(results), flush=True)
    os._exit(0)


def trainer(replicas: int, **changes):
    import tensorflow as tf
    from helpers import tiny

    from electra_tf.pretrain.compiled_steps import Trainer

    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    if replicas > 1:
        devices = [f"/cpu:{i}" for i in range(replicas)]
        # Collectives between virtual CPUs of one process mix up their instances.
        adds = tf.distribute.ReductionToOneDevice()
        strategy = tf.distribute.MirroredStrategy(devices, adds)
    return Trainer(tiny.config(OVERRIDES, **CONFIG | changes), strategy)


def rows():
    """Of very different lengths."""
    from helpers import tiny

    return tiny.inputs(np.linspace(4, tiny.LENGTH, BATCH).astype(int).tolist())


def update(trainer) -> tuple[float, list[np.ndarray]]:
    """The loss of `rows`, and the variables after one update from them."""
    import tensorflow as tf
    from helpers import tiny

    from electra_tf.pretrain import input_pipeline

    dataset = tf.data.Dataset.from_tensors(rows()._asdict()).repeat()
    iterator = tiny.iterator(
        trainer, lambda context: input_pipeline.share(dataset, BATCH, context)
    )
    ITERATORS.append(iterator)
    loss = train(trainer, ITERATORS[-1], 0)
    return loss, [v.numpy() for v in trainer.model.named_variables.values()]


def train(trainer, iterator: Iterator, step: int) -> float:
    """The loss of one step."""
    from electra_tf.pretrain import metrics

    sums = trainer.train_steps(iterator, step, 1).sums
    config = trainer.config
    return metrics.finalize(sums, config.gen_weight, config.disc_weight)["loss"]


def update_of_means(one) -> list[np.ndarray]:
    """Clips each core's gradient by itself, averages, updates: the original on TPU."""
    import tensorflow as tf
    from helpers import tiny

    from electra_tf.model.batch import Inputs
    from electra_tf.pretrain.step import Seeds

    gradients = tf.function(one.replica_step.gradients, autograph=False)
    seeds = Seeds(*(tf.zeros([2], tf.int32) for _ in Seeds._fields))
    clipped, size = [], BATCH // REPLICAS
    for first in range(0, BATCH, size):
        part = Inputs(*(x[first : first + size] for x in rows()))
        own, _ = gradients(part, tiny.fed_mask(part, one.config, None), seeds)
        clipped.append(tf.clip_by_global_norm(own, 1.0)[0])
    means = [sum(parts) / REPLICAS for parts in zip(*clipped, strict=True)]
    lr, after = CONFIG["learning_rate"], []
    for (name, variable), g in zip(
        one.model.named_variables.items(), means, strict=True
    ):
        m, v = 0.1 * g.numpy(), 0.001 * g.numpy() ** 2
        decay = 0.0 if "LayerNorm" in name or "bias" in name else 0.01
        value = variable.numpy()
        after.append(value - lr * (m / (np.sqrt(v) + 1e-6) + decay * value))
    return after


def compare_runs(one, eight, data_dir: str) -> dict:
    """Some steps from records."""
    from helpers import tiny

    from electra_tf.pretrain.input_pipeline import Records

    numbers, losses = [], []
    for trainer in (one, eight):
        records = Records(data_dir, trainer.config)
        batches = functools.partial(records.train_batches, 0)

        shown, trained = (tiny.iterator(trainer, batches) for _ in range(2))
        ITERATORS.extend([shown, trained])
        local = trainer.strategy.experimental_local_results
        ids = [local(next(shown)["input_ids"]) for _ in range(8)]  # 3 are an epoch
        numbers.append(
            [tiny.example_numbers(np.concatenate([x.numpy() for x in i])) for i in ids]
        )
        losses.append([train(trainer, trained, step) for step in range(STEPS)])
    differences = [abs(b / a - 1) for a, b in zip(*losses, strict=True)]
    return {
        "ids_are_equal": numbers[0] == numbers[1],
        "loss_differences": differences,
        "first_loss": losses[0][0],
        "last_loss": losses[0][-1],
    }


def import_everywhere(mirrored) -> dict:
    """How many copies a variable has, and which are not the weights given."""
    from helpers import tiny

    from electra_tf.weights import initialise, read

    config, variables = mirrored.config, mirrored.model.named_variables
    rng = np.random.RandomState(0)
    weights = {
        name: rng.standard_normal(v.shape).astype(np.float32)
        for name, v in variables.items()
    }
    tokens, sizes = tuple(tiny.tokens()), read.configured_sizes(config)
    given = read.Weights("memory", weights, tokens, "", sizes)
    initialise.initialise(variables, given, config, tokens)
    local = mirrored.strategy.experimental_local_results
    copies = {name: local(v) for name, v in variables.items()}
    differing = [
        name
        for name, values in copies.items()
        if not all(np.array_equal(value.numpy(), weights[name]) for value in values)
    ]
    return {"copies": min(map(len, copies.values())), "differing": differing}


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
