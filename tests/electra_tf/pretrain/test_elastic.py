"""A run that moves to another number of devices goes on as if it had stayed.

Virtual CPU devices have to be configured before TensorFlow starts, so this file runs
itself in a process of its own.
"""

import collections
import json
import os
import sys
from unittest import mock

import pytest
from helpers import processes

BATCH, RECORDS, STEPS = 8, 48, 40
# Devices, and the step at which the run is stopped.
MOVES = ((1, 13), (4, 26), (2, STEPS))
CONFIG = {
    "train_batch_size": BATCH,
    "learning_rate": 2e-3,
    "iterations_per_loop": 1,
    "save_checkpoints_steps": 1000,
    "eval_every_n_steps": 0,
}
# Destroying an iterator over several devices blocks for up to a minute: none is.
ITERATORS = []
OVERRIDES = {
    "num_hidden_layers": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@pytest.fixture(scope="module")
def runs(data_dir, tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("runs")
    ended = processes.check(__file__, data_dir, folder, STEPS, warm=True)
    return json.loads(ended.out.splitlines()[-1])


def test_the_losses_are_those_of_one_device(runs):
    steady, moved = runs["steady"]["losses"], runs["moved"]["losses"]
    assert len(steady) == len(moved) == STEPS
    differences = [abs(b / a - 1) for a, b in zip(steady, moved, strict=True)]
    assert max(differences) < 1e-4
    assert steady[-1] < 0.8 * steady[0]  # something was learnt meanwhile


def test_every_record_is_read_once_an_epoch_at_the_same_step(runs):
    assert runs["moved"]["numbers"] == runs["steady"]["numbers"]
    numbers = sum(runs["moved"]["numbers"], [])
    assert len(numbers) == STEPS * BATCH
    for first in range(0, len(numbers) - RECORDS, RECORDS):
        epoch = numbers[first : first + RECORDS]
        assert collections.Counter(epoch) == collections.Counter(range(RECORDS))


def test_devices_that_cannot_share_the_batch_are_refused_in_words(runs):
    advice = "multiple of 3 replicas: use 6 or 9, or run on 2 or 4 replicas"
    assert "train_batch_size=8" in runs["refused"] and advice in runs["refused"]


def main(data_dir: str, folder: str, steps: int) -> None:
    import tensorflow as tf
    from helpers import tiny

    from common.errors import UserError
    from electra_tf.model import compiled_ops
    from electra_tf.pretrain import masking

    # As in TensorFlow's build for TPUs: compiling for each device takes minutes.
    compiled_ops.has_compiler = lambda: False
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 4
    tf.config.set_logical_device_configuration(cpu, logical)
    seen: list[list[int]] = []

    def recorded_mask(inputs, *given):
        """Masks that are a function of the rows, whichever replica has them."""
        tf.py_function(
            lambda ids: seen.append(tiny.example_numbers(ids.numpy())),
            [inputs.input_ids],
            [],
        )
        return tiny.fed_mask(inputs, *given)

    masking.mask, masking.sample = recorded_mask, tiny.fed_sample
    scale = steps / STEPS
    runs = {}
    for name, moves in {"steady": [(1, STEPS)], "moved": MOVES}.items():
        model_dir, numbers, begin = f"{folder}/{name}", [], 0
        for replicas, stop in moves:
            seen.clear()
            end = round(stop * scale)
            train(data_dir, model_dir, replicas, end, steps)
            # Others are held-out records, and rows that fill up a batch of them.
            trained = [each for each in seen if 0 <= min(each) <= max(each) < RECORDS]
            parts = iter(trained)
            numbers += [
                sorted(sum((next(parts) for _ in range(replicas)), []))
                for _ in range(end - begin)
            ]
            assert next(parts, None) is None
            begin = end
        runs[name] = {"losses": losses(model_dir), "numbers": numbers}
    try:
        train(data_dir, f"{folder}/moved", 3, steps, steps)
    except UserError as error:
        runs["refused"] = str(error)
    print(json.dumps(runs), flush=True)
    os._exit(0)


def train(data_dir: str, model_dir: str, replicas: int, stop: int, steps: int) -> None:
    """The trainer on some devices; it is asked to stop once it has logged a step."""
    from helpers import tiny

    from electra_tf.devices import strategies
    from electra_tf.devices.flags import Devices
    from electra_tf.pretrain import run
    from electra_tf.pretrain.run_log import MetricsLog
    from electra_tf.pretrain.stop_request import StopRequest
    from electra_tf.weights.flags import InitialWeights

    write, request = MetricsLog.write, StopRequest()

    def write_and_stop(self, kind, step, values):
        write(self, kind, step, values)
        if kind == "train" and step == stop < steps:
            request.received = True

    distribute = strategies.distribute

    def kept(*given):
        ITERATORS.append(iter(distribute(*given)))
        return ITERATORS[-1]

    config = tiny.config(OVERRIDES, **CONFIG, num_train_steps=steps)
    with (
        mock.patch.object(strategies, "make_strategy", lambda _: strategy(replicas)),
        mock.patch.object(strategies, "distribute", kept),
        mock.patch.object(MetricsLog, "write", write_and_stop),
    ):
        run.train(config, data_dir, model_dir, Devices(), InitialWeights(), request)


def strategy(replicas: int):
    import tensorflow as tf

    if replicas == 1:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    # Collectives between virtual CPUs of one process mix up their instances.
    adds = tf.distribute.ReductionToOneDevice()
    devices = [f"/cpu:{i}" for i in range(replicas)]
    return tf.distribute.MirroredStrategy(devices, adds)


def losses(model_dir: str) -> list[float]:
    from electra_tf.pretrain.run_log import read_log

    lines = read_log(f"{model_dir}/metrics.jsonl")
    return [line["loss"] for line in lines if line["kind"] == "train"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
