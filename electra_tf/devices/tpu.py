"""TPUs: the one this machine has, or one given by name or address."""

import concurrent.futures
import contextlib
import glob
import os
import threading
from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf
from absl import logging

from electra_tf.devices import tpu_node
from electra_tf.devices.tpu_node import NotWell

LOCAL = "local"
# A pod takes minutes to start; a broken one hangs without an error.
START_SECONDS = 600

Result = TypeVar("Result")


def chips() -> list[str]:
    """Device files of this machine's TPU chips; other devices may look alike."""
    return sorted(glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*"))


def is_here() -> bool:
    """Whether this machine has a TPU that TensorFlow can use."""
    # The library lists a TPU system on any machine: the chips' device files decide.
    return bool(chips() and tf.config.list_physical_devices("TPU_SYSTEM"))


def make_strategy(
    tpu: str, zone: str = "", project: str = ""
) -> tf.distribute.TPUStrategy:
    """Connects to a TPU, starts it, and trains on all of its cores, a pod's too.

    Raises:
      NotWell: the TPU is missing, unhealthy, of another version, or silent.
    """
    if tpu == LOCAL:
        _check_local()
    else:
        tpu_node.Node(tpu, zone, project).check(tf.__version__)
    logging.info("starting the TPU %s", tpu)
    try:
        resolver = within(START_SECONDS, lambda: _started(tpu, zone, project))
    except (TimeoutError, ValueError, RuntimeError, tf.errors.OpError) as error:
        fix = f"for details: python -m tools.tpu_doctor --tpu={tpu}; a TPU that hangs "
        fix += "or whose last process was killed often needs: sudo reboot"
        reason = f"does not start ({type(error).__name__}: {error})"
        raise NotWell(f"TPU {tpu}", reason, fix) from error
    return tf.distribute.TPUStrategy(resolver)


def _check_local() -> None:
    if not chips():
        raise NotWell(
            f"TPU {LOCAL}",
            "this machine has none (no /dev/accel*, no /dev/vfio/N)",
            "run this on a TPU VM, or pass --tpu=NAME --tpu_zone=ZONE "
            "--gcp_project=PROJECT",
        )
    if tf.config.list_physical_devices("TPU_SYSTEM"):
        return
    kill = f"kill {' '.join(_holders())}" if _holders() else "sudo lsof -w /dev/accel*"
    raise NotWell(
        f"TPU {LOCAL}",
        f"TensorFlow {tf.__version__} does not see {', '.join(chips())}: the package "
        "is not tensorflow-tpu, or another process holds the chips",
        f"make setup-tpu; or {kill}",
    )


def _holders() -> list[str]:
    """Ids of this user's processes that have the chips open."""
    processes = set()
    for handle in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # another user's, or closed meanwhile
            if os.readlink(handle) in chips():
                processes.add(handle.split("/")[2])
    return sorted(processes, key=int)


def _started(tpu: str, zone: str, project: str):
    """A resolver; a local TPU needs no connection."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
        tpu, zone=zone or None, project=project or None
    )
    if tpu != LOCAL:
        tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return resolver


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """The call's result; a call that hangs is left running in a thread.

    Raises:
      TimeoutError: it took longer. Also raises what the call raises.
    """
    answer: concurrent.futures.Future = concurrent.futures.Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not concurrent.futures.wait([answer], seconds).done:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    return answer.result()


def accelerator_type() -> str:
    """This TPU VM's, such as "v3-8"; "tpu" if unknown."""
    name = os.environ.get("TPU_ACCELERATOR_TYPE", "")
    return name or tpu_node.metadata("instance/attributes/accelerator-type") or "tpu"
