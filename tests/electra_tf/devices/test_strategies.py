"""Which strategy a name means here, and what it refuses."""

import json
import types

import pytest
import tensorflow as tf
from helpers import processes

from common.errors import UserError
from electra_tf.devices import strategies
from electra_tf.devices import tpu as tpu_strategy
from electra_tf.devices.flags import Devices


@pytest.fixture
def machine(monkeypatch):
    """Pretends that the machine has some devices."""

    def has(gpus: int = 0, chips: bool = False, workers: int = 0) -> None:
        kinds = {"GPU": ["gpu"] * gpus, "TPU_SYSTEM": ["tpu"]}
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda k: kinds[k])
        found = ["/dev/accel0"] if chips else []
        monkeypatch.setattr(tpu_strategy, "chips", lambda: found)
        addresses = [f"host{i}:1" for i in range(workers)]
        config = {"cluster": {"worker": addresses}, "task": {"index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config) if workers else "")

    return has


@pytest.mark.parametrize(
    ("devices", "tpu", "expected"),
    [
        ({}, "", "cpu"),
        ({"gpus": 1}, "", "gpu"),
        ({"gpus": 4}, "", "mirrored"),
        ({"gpus": 4}, "name", "tpu"),
        ({"gpus": 4, "chips": True}, "", "tpu"),
        ({"workers": 1}, "", "cpu"),
        ({"workers": 2, "gpus": 1}, "", "multiworker"),
    ],
    ids=str,
)
def test_auto_takes_what_there_is(machine, devices, tpu, expected):
    machine(**devices)
    assert strategies.best_strategy(tpu) == expected


def test_one_device_reads_its_batches_itself():
    # No thread copies them ahead, which an iterator's end would wait for.
    seen = []

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        seen.append((context.num_input_pipelines, context.num_replicas_in_sync))
        return tf.data.Dataset.range(3)

    strategy = strategies.make_strategy(Devices("cpu"))
    distributed = strategies.distribute(strategy, batches)
    assert isinstance(distributed, tf.data.Dataset) and seen == [(1, 1)]
    values = [int(strategy.run(lambda x: x + 1, (x,))) for x in distributed]
    assert values == [1, 2, 3]
    gpu = tf.distribute.OneDeviceStrategy("/gpu:0")
    assert isinstance(strategies.distribute(gpu, batches), tf.data.Dataset)


@pytest.mark.parametrize("name", ["gpu", "mirrored"])
def test_gpu_that_is_not_there_is_refused(machine, name):
    machine()
    with pytest.raises(
        UserError, match=f"--strategy={name}, but TensorFlow sees no GPU"
    ):
        strategies.make_strategy(Devices(name))


def test_workers_must_be_named(machine, monkeypatch):
    machine()
    with pytest.raises(UserError, match='needs TF_CONFIG.*"cluster"'):
        strategies.make_strategy(Devices("multiworker"))
    monkeypatch.setenv("TF_CONFIG", "{cluster}")
    with pytest.raises(UserError, match="TF_CONFIG is not valid JSON"):
        strategies.make_strategy(Devices("auto"))


def test_chips_that_tensorflow_does_not_see_are_mentioned(machine, monkeypatch, caplog):
    machine(chips=True)
    monkeypatch.setattr(tpu_strategy, "is_here", lambda: False)
    assert strategies.best_strategy("") == "cpu"
    assert "run with --tpu=local for details" in caplog.text


@pytest.mark.parametrize(
    ("tpu", "expected"), [("", "local"), ("mine", "mine")], ids=["local", "named"]
)
def test_tpu_is_found_by_name_zone_and_project(monkeypatch, tpu, expected):
    monkeypatch.setattr(tpu_strategy, "make_strategy", lambda *where: where)
    made = strategies.make_strategy(Devices("tpu", tpu, "europe-west4-a", "project"))
    assert made == (expected, "europe-west4-a", "project")


def tpu_of(master: str) -> tf.distribute.TPUStrategy:
    strategy = object.__new__(tf.distribute.TPUStrategy)
    resolver = types.SimpleNamespace(master=lambda: master)
    strategy._extended = types.SimpleNamespace(_tpu_cluster_resolver=resolver)
    return strategy


def test_a_tpu_elsewhere_reads_records_from_a_bucket(cpu):
    elsewhere = tpu_of("grpc://10.0.0.2:8470")
    with pytest.raises(UserError, match="--data_dir=w is on this machine.*cp -r w gs:"):
        strategies.check_data_dir(elsewhere, "w")
    strategies.check_data_dir(elsewhere, "gs://bucket/w")
    strategies.check_data_dir(tpu_of(""), "w")
    strategies.check_data_dir(cpu, "w")


def test_fine_tuning_needs_a_tpu_of_its_own_machine(cpu):
    with pytest.raises(UserError, match="on the TPU VM itself, with --tpu=local"):
        strategies.check_reads_here(tpu_of("grpc://10.0.0.2:8470"))
    strategies.check_reads_here(tpu_of(""))
    strategies.check_reads_here(cpu)


# The weights that attention has after softmax, by values that are all 1: 1 again.
_MIXED = """
import tensorflow as tf
from common.errors import UserError
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
scores = tf.random.stateless_normal([2, 4, 512, 512], [1, 2])
weights = tf.cast(tf.nn.softmax(scores), tf.bfloat16)
mixed = tf.einsum("BNFT,BTND->BFND", weights, tf.ones([2, 512, 4, 32], tf.bfloat16))
print(float(tf.reduce_mean(tf.cast(mixed, tf.float32))))
try:
    cpu = strategies.make_strategy(Devices("cpu"))
    print(strategies.resolve_dtype(cpu, "bfloat16"))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_bfloat16_is_refused_where_products_lose_what_they_add_up(onednn):
    env = processes.environment(TF_ENABLE_ONEDNN_OPTS=onednn)
    mixed, answer = processes.check("-c", _MIXED, env=env).out.splitlines()
    if onednn == "0":  # as on CPUs without AVX-512, for which oneDNN has no bfloat16
        assert float(mixed) < 0.99
    if float(mixed) < 0.99:
        assert "adds up" in answer and "float32" in answer
    else:
        assert answer == "bfloat16"


def test_bfloat16_is_for_tpus_unless_said_otherwise(cpu):
    assert strategies.resolve_dtype(cpu, "auto") == "float32"
    tpu = object.__new__(tf.distribute.TPUStrategy)
    assert strategies.resolve_dtype(tpu, "auto") == "bfloat16"
    assert strategies.resolve_dtype(tpu, "float32") == "float32"


def test_one_process_is_the_chief_and_asks_itself(cpu):
    assert strategies.is_chief(cpu)
    assert strategies.over_workers(cpu, 7) == [7]
    assert strategies.device_kind(cpu) == "cpu"


@pytest.mark.parametrize(
    ("size", "pieces", "message"),
    [
        (256, 1, None),
        (256, 4, None),
        (100, 1, r"size=100 .* 8 replicas: use 96 or 104, or run on 5 or 10 replicas$"),
        (96, 8, r"96 .*8 replicas x 8 accum.*: use 64 or 128, or run on 6 or 12 repl"),
        (4, 1, r"train_batch_size=4 .*: use 8, or run on 4 replicas$"),
        (7, 2, r"train_batch_size=7 .*: use 16$"),
    ],
    ids=str,
)
def test_global_batch_must_be_shared_equally(size, pieces, message):
    strategy = types.SimpleNamespace(num_replicas_in_sync=8)
    given = strategy, "train_batch_size", size, pieces
    if message is None:
        strategies.check_batch_size(*given)
        return
    with pytest.raises(UserError, match=message):
        strategies.check_batch_size(*given)
