"""Which devices train, as a tf.distribute strategy, and what their replicas share."""

import functools
import json
import os
from collections.abc import Callable, Iterable

import tensorflow as tf
from absl import logging

from common.errors import UserError
from electra_tf.devices import tpu as tpu_strategy
from electra_tf.devices.flags import Devices

# Of 512 times the number of bfloat16 next to 0.003; bfloat16 has this number too.
_SUM = 1.5390625
# What a host reads: its batches, an element a replica in turn.
HostBatches = Callable[[tf.distribute.InputContext], tf.data.Dataset]


def make_strategy(devices: Devices) -> tf.distribute.Strategy:
    """The strategy of these flags; call it before TensorFlow computes anything.

    Raises:
      UserError: there is no such device.
    """
    name = devices.strategy
    name = best_strategy(devices.tpu) if name == "auto" else name
    if name == "multiworker":
        return _multi_worker_strategy()
    if name == "tpu":
        tpu = devices.tpu or tpu_strategy.LOCAL
        return tpu_strategy.make_strategy(tpu, devices.tpu_zone, devices.gcp_project)
    if name == "cpu":
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    if not tf.config.list_physical_devices("GPU"):
        raise UserError(
            f"--strategy={name}, but TensorFlow sees no GPU: check that nvidia-smi "
            "lists a GPU"
        )
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.OneDeviceStrategy("/gpu:0")


def best_strategy(tpu: str) -> str:
    """What "auto" is: several workers, else a TPU, else GPUs, else the CPU."""
    if len(_workers()) > 1:
        return "multiworker"
    if tpu or tpu_strategy.is_here():
        return "tpu"
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus:
        return "mirrored" if gpus > 1 else "gpu"
    if tpu_strategy.chips():
        logging.warning(
            "TPU chips were found but cannot be used; run with --tpu=local for details"
        )
    return "cpu"


def _workers() -> list[str]:
    """host:port of each worker that TF_CONFIG names."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        cluster = json.loads(text).get("cluster", {})
        return [*cluster.get("chief", []), *cluster.get("worker", [])]
    except (ValueError, AttributeError) as error:
        raise UserError(f"TF_CONFIG is not valid JSON: {text}") from error


def _multi_worker_strategy() -> tf.distribute.Strategy:
    if not _workers():
        raise UserError(
            "--strategy=multiworker needs TF_CONFIG, on every machine: "
            '{"cluster": {"worker": ["host1:port", "host2:port"]}, '
            '"task": {"type": "worker", "index": 0}}, with each machine\'s own index'
        )
    logging.info("waiting for the workers %s", ", ".join(_workers()))
    return tf.distribute.MultiWorkerMirroredStrategy()


def distribute(strategy: tf.distribute.Strategy, batches: HostBatches) -> Iterable:
    """The batches, distributed to the strategy's replicas."""
    if isinstance(strategy, tf.distribute.OneDeviceStrategy):
        # Destroying the prefetching iterator blocks until tf.data's tuner wakes, up to
        # a minute (as in input_pipeline.keep_ready). A batch is a few hundred kB: a
        # GPU hardly waits for its copy.
        return batches(tf.distribute.InputContext())
    return strategy.distribute_datasets_from_function(batches)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files."""
    return strategy.extended.should_checkpoint


def over_workers(strategy: tf.distribute.Strategy, value: int) -> list[int]:
    """Each replica's process' value, the same list in every process."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return [value]

    gathered = _gather(strategy)(tf.constant([value], tf.int64))
    return strategy.experimental_local_results(gathered)[0].numpy().tolist()


@functools.cache
def _gather(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    def gather(value: tf.Tensor) -> tf.Tensor:
        here = tf.identity(value)  # on the replica's device
        return tf.distribute.get_replica_context().all_gather(here, axis=0)

    return tf.function(lambda value: strategy.run(gather, (value,)))


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether shapes must be static."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def resolve_dtype(strategy: tf.distribute.Strategy, compute_dtype: str) -> str:
    """The dtype of "auto" on these devices; TPUs always multiply in bfloat16.

    Raises:
      UserError: bfloat16 on a CPU that is not exact enough.
    """
    if compute_dtype == "auto":
        return "bfloat16" if is_tpu(strategy) else "float32"
    if compute_dtype == "bfloat16" and device_kind(strategy) == "cpu":
        total = bfloat16_sum()
        if total != _SUM:
            raise UserError(
                "compute_dtype=bfloat16: on this CPU TensorFlow adds up products in "
                f"bfloat16, and 512 times 0.003 gives {total:.2f} instead of "
                """1.54. Use float32: --hparams='{"compute_dtype": "float32"}' for """
                "pretraining, --compute_dtype=float32 for fine-tuning"
            )
    return compute_dtype


@functools.cache
def bfloat16_sum() -> float:
    """What a batched product of bfloat16 on this CPU makes of 512 x 0.003 x 1.

    _SUM where oneDNN multiplies, which needs AVX-512. TensorFlow's own kernel is wrong
    by up to a fifth here, and attention over 512 tokens keeps 0.95 of its weight.
    """
    with tf.device("/cpu:0"):
        weights = tf.fill([1, 4, 512, 8], tf.constant(0.003, tf.bfloat16))
        ones = tf.ones([1, 512, 4, 8], tf.bfloat16)
        sums = tf.einsum("BNTF,BTND->BFND", weights, ones)
    return float(sums[0, 0, 0, 0])


def device_kind(strategy: tf.distribute.Strategy) -> str:
    """The accelerator's model, such as "NVIDIA A100-SXM4-40GB" or "v3-8"; or "cpu"."""
    if is_tpu(strategy):
        return tpu_strategy.accelerator_type()
    used = strategy.extended.worker_devices[0]
    if "gpu" not in used.lower():
        return "cpu"
    gpu = tf.config.list_physical_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu).get("device_name", "gpu")


def _is_tpu_elsewhere(strategy: tf.distribute.Strategy) -> bool:
    return is_tpu(strategy) and bool(strategy.cluster_resolver.master())


def check_reads_here(strategy: tf.distribute.Strategy) -> None:
    """Refuses a TPU given by name where this process makes the batches.

    Raises:
      UserError: names the machine to run on instead.
    """
    if _is_tpu_elsewhere(strategy):
        raise UserError(
            "fine-tuning makes its batches in this process, which a TPU given by name "
            "cannot read: run it on the TPU VM itself, with --tpu=local"
        )


def check_data_dir(strategy: tf.distribute.Strategy, data_dir: str) -> None:
    """Refuses records on this machine's disk if the TPU's own hosts read them.

    Raises:
      UserError: names the folder and where to put it.
    """
    if _is_tpu_elsewhere(strategy) and "://" not in data_dir:
        raise UserError(
            f"--data_dir={data_dir} is on this machine, but a TPU given by name reads "
            "the records on its own hosts: gcloud storage cp -r "
            f"{data_dir} gs://BUCKET/, then --data_dir=gs://BUCKET/..."
        )


def check_batch_size(
    strategy: tf.distribute.Strategy,
    name: str,
    size: int,
    gradient_accumulation_steps: int = 1,
) -> None:
    """Refuses a global batch that the replicas cannot share equally.

    Raises:
      UserError: gives the size's name, and what it must be a multiple of.
    """
    replicas = strategy.num_replicas_in_sync
    parts = replicas * gradient_accumulation_steps
    if size % parts:
        times = f" x {parts // replicas} accumulation steps" * (parts > replicas)
        nearest = {size // parts * parts, (size // parts + 1) * parts} - {0}
        advice = f"use {' or '.join(map(str, sorted(nearest)))}"
        # A run that resumes keeps its batch.
        pieces = gradient_accumulation_steps
        fitting = [n for n in range(1, size + 1) if size % (n * pieces) == 0]
        if fitting:
            smaller = [n for n in fitting if n < replicas][-1:]
            near = smaller + [n for n in fitting if n > replicas][:1]
            advice += f", or run on {' or '.join(map(str, near))} replicas"
        raise UserError(
            f"{name}={size} is the batch of all {replicas} replicas together and "
            f"must be a multiple of {replicas} replicas{times}: {advice}"
        )


def num_replicas() -> int:
    """Of the strategy in whose scope, or replica, this is called."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def all_reduce(tensors: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Sums each tensor over the replicas; call it in a replica."""

    def reduce(strategy: tf.distribute.Strategy, *tensors: tf.Tensor) -> tuple:
        pairs = [(tensor, tensor) for tensor in tensors]
        total = tf.distribute.ReduceOp.SUM
        return tuple(strategy.extended.batch_reduce_to(total, pairs))

    context = tf.distribute.get_replica_context()
    return list(context.merge_call(reduce, args=tuple(tensors)))
