"""Names of TPU slices, and what follows from them."""

import pytest

from common.errors import UserError
from tools.tpu import topology as tpu_topology


@pytest.mark.parametrize(
    ("name", "replicas", "hbm_gib"),
    [("v2-8", 8, 8), ("v3-8", 8, 16), ("v3-32", 32, 16), ("v4-8", 4, 32)]
    + [("v5e-4", 4, 16), ("v5litepod-8", 8, 16)],
)
def test_replicas_as_tensorflow_counts_them(name, replicas, hbm_gib):
    topology = tpu_topology.parse(name)
    assert (topology.replicas, topology.chip.hbm_gib) == (replicas, hbm_gib)


@pytest.mark.parametrize(
    ("name", "told"),
    [("v3", "v5litepod"), ("a100-8", "v3-8"), ("v3-12", "multiples of 8")]
    + [("v5e-0", "multiples of 1"), ("v3-8x", "v3-8")],
)
def test_unknown_slices_are_refused(name, told):
    with pytest.raises(UserError, match=told):
        tpu_topology.parse(name)


def test_rows():
    topology = tpu_topology.parse("v3-8")
    assert topology.rows(256) == 32
    with pytest.raises(UserError, match="use 96 or 104"):
        topology.rows(100)
    with pytest.raises(UserError, match="use 8$"):
        topology.rows(4)


@pytest.mark.parametrize(
    ("name", "devices"),
    [("v3-8", 8), ("v3-32", 8), ("v4-8", 4), ("v5e-1", 1), ("v5litepod-8", 4)],
)
def test_one_hosts_devices_are_compiled_for(name, devices):
    assert tpu_topology.parse(name).compiled_replicas == devices


def test_one_chip_sends_nothing():
    assert tpu_topology.parse("v5e-1").all_reduce_seconds(1e9) == 0.0


def test_all_reduce():
    # four chips send 3/2 of the gradients over two links of 82 GB/s
    assert tpu_topology.parse("v3-8").all_reduce_seconds(4e8) == pytest.approx(
        6e8 / 164e9
    )
