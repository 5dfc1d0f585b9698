"""A TPU is started within a time, or a user is told why not."""

import os
import socket
import time
import types

import pytest
import tensorflow as tf
from helpers import processes

from electra_tf.devices import tpu as tpu_strategy
from electra_tf.devices import tpu_node


@pytest.fixture
def devices(monkeypatch):
    """Pretends that this machine has some chips, seen by TensorFlow or not."""

    def has(chips: list[str], seen: bool) -> None:
        monkeypatch.setattr(tpu_strategy, "chips", lambda: chips)
        kinds = {"TPU_SYSTEM": ["tpu"] if seen else []}
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda k: kinds[k])

    return has


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """Stands for TensorFlow's TPUs; holds what was called."""
    made: list[str] = []

    def resolver(tpu, **where):
        made.append(f"resolver {tpu} {where}")
        return types.SimpleNamespace()

    def called(name):
        return lambda _: made.append(name)

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", called("connect"))
    monkeypatch.setattr(
        tf.tpu.experimental, "initialize_tpu_system", called("initialize")
    )
    monkeypatch.setattr(tf.distribute, "TPUStrategy", called("strategy"))
    return made


def test_local_tpu_is_started_without_a_connection(devices, calls):
    devices(["/dev/accel0"], seen=True)
    tpu_strategy.make_strategy("local")
    assert calls == [
        "resolver local {'zone': None, 'project': None}",
        "initialize",
        "strategy",
    ]


def test_named_tpu_is_checked_then_connected(calls, monkeypatch):
    class Node:
        def __init__(self, *where):
            calls.append(f"node {where}")

        def check(self, version):
            calls.append(f"check {version}")

    monkeypatch.setattr(tpu_node, "Node", Node)
    tpu_strategy.make_strategy("mine", "a-zone", "a-project")
    assert calls == [
        "node ('mine', 'a-zone', 'a-project')",
        f"check {tf.__version__}",
        "resolver mine {'zone': 'a-zone', 'project': 'a-project'}",
        "connect",
        "initialize",
        "strategy",
    ]


def test_failed_start_names_the_doctor(devices, calls, monkeypatch):
    def fail(_):
        raise tf.errors.NotFoundError(None, None, "TPUs not found")

    devices(["/dev/accel0"], seen=True)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", fail)
    message = "TPU local: does not start.*TPUs not found.*tpu_doctor --tpu=local"
    with pytest.raises(tpu_node.NotWell, match=message):
        tpu_strategy.make_strategy("local")


def test_machine_without_a_tpu(devices):
    devices([], seen=False)
    assert not tpu_strategy.is_here()
    with pytest.raises(tpu_node.NotWell, match="this machine has none.*--tpu=NAME"):
        tpu_strategy.make_strategy("local")


def test_process_that_holds_the_chips_is_named(devices, tmp_path):
    chip = tmp_path / "accel0"
    chip.touch()
    devices([str(chip)], seen=False)
    assert not tpu_strategy.is_here()
    with pytest.raises(tpu_node.NotWell, match="make setup-tpu; or sudo lsof"):
        tpu_strategy.make_strategy("local")
    with chip.open(), pytest.raises(tpu_node.NotWell, match=f"or kill {os.getpid()}$"):
        tpu_strategy.make_strategy("local")


def test_tpu_that_never_answers_is_given_up():
    """TensorFlow hangs in a thread; the process must end all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        code = "from electra_tf.devices import tpu; tpu.START_SECONDS = 1; "
        code += f"tpu.make_strategy({address!r})"
        done = processes.run("-c", code)
    assert done.code == 1
    assert f"TPU {address}: does not start (TimeoutError: no answer in 1 s)" in (
        done.err
    )


def test_within_hands_on_results_and_errors():
    assert tpu_strategy.within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        tpu_strategy.within(60, lambda: 1 / 0)
    with pytest.raises(TimeoutError, match="no answer in 0 s"):
        tpu_strategy.within(0.01, lambda: time.sleep(1))


def test_accelerator_type(cloud, monkeypatch):
    monkeypatch.delenv("TPU_ACCELERATOR_TYPE", raising=False)
    assert tpu_strategy.accelerator_type() == "v3-8"
    monkeypatch.setenv("TPU_ACCELERATOR_TYPE", "v4-8")
    assert tpu_strategy.accelerator_type() == "v4-8"
    monkeypatch.setenv("TPU_ACCELERATOR_TYPE", "")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    assert tpu_strategy.accelerator_type() == "tpu"
