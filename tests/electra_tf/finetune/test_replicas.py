"""Two replicas learn and predict what one device does.

Virtual CPU devices have to be configured before TensorFlow starts any, so this file
runs itself in a process of its own.
"""

import functools
import json

import numpy as np
import pytest
from helpers import processes

REPLICAS, ROWS, BATCH = 2, 11, 4


@pytest.fixture(scope="module")
def results() -> dict[str, float]:
    return json.loads(processes.check(__file__, warm=True).out.splitlines()[-1])


def test_two_replicas_learn_what_one_device_does(results):
    assert results["update"] > 1e-3
    assert results["loss"] < 1e-5
    # Adam divides by small numbers: rounding comes out larger than it was.
    assert results["weights"] < 1e-3 * results["update"]


def test_two_replicas_predict_every_row_in_order(results):
    assert results["logits_spread"] > 1e-2
    assert results["logits"] < 1e-5


def main() -> None:
    import tensorflow as tf

    from electra_tf.model import compiled_ops

    # As in TensorFlow's build for TPUs: compiling for each device takes long.
    compiled_ops.has_compiler = lambda: False
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    tf.config.set_logical_device_configuration(cpu, logical)
    # Collectives between virtual CPUs of one process mix up their instances.
    adds = tf.distribute.ReductionToOneDevice()
    one = learn(tf.distribute.OneDeviceStrategy("/cpu:0"))
    devices = [f"/cpu:{i}" for i in range(REPLICAS)]
    two = learn(tf.distribute.MirroredStrategy(devices, adds))
    found = {name: distance(one[name], two[name]) for name in ("weights", "logits")}
    found["loss"] = abs(one["loss"] / two["loss"] - 1.0)
    found["update"] = distance(one["before"], one["weights"])
    found["logits_spread"] = float(np.ptp(one["logits"]))
    print(json.dumps(found))


def distance(first: list, second: list) -> float:
    pairs = zip(first, second, strict=True)
    return float(max(np.abs(np.subtract(a, b)).max() for a, b in pairs))


def learn(strategy) -> dict:
    """An epoch, whose last batch has one row for the second replica."""
    from helpers import small

    from electra_tf.finetune.batches import Batches
    from electra_tf.finetune.kinds import table as kinds
    from electra_tf.finetune.training import Finetuner

    rng = np.random.RandomState(0)
    rows = [rng.randint(5, 30, rng.randint(1, 9)).tolist() for _ in range(ROWS)]
    data = small.features(rows, rng.standard_normal(ROWS).astype(np.float32))
    batches = Batches(data, [4, 8], BATCH)
    make_model = functools.partial(small.new_model, kinds.REGRESSION)
    settings = small.settings(learning_rate=0.01, warmup_proportion=0.0)
    learner = Finetuner(make_model, strategy, settings, 10, seed=0)
    before = list(learner.weights().values())
    loss = learner.train_epoch(batches, 0)
    weights = list(learner.weights().values())
    logits = learner.predict(batches)
    return {"before": before, "loss": loss, "weights": weights, "logits": logits}


if __name__ == "__main__":
    main()
