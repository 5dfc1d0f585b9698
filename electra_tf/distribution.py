"""Which devices train: one value, `--strategy`, names the tf.distribute strategy."""

import tensorflow as tf
from absl import logging

from data_prep.cli import UserError

STRATEGIES = ("auto", "cpu", "gpu", "tpu")


def make_strategy(name: str, tpu: str = "") -> tf.distribute.Strategy:
    """The strategy of this name.

    Args:
      name: "cpu"; "gpu" (every visible one); "tpu"; "auto" takes what there is, TPU
        first if `tpu` names one, then GPUs, then the CPU.
      tpu: name or address of a TPU, "local" on a TPU VM.

    Raises:
      UserError: the device asked for is not there.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "tpu" or (name == "auto" and tpu):
        return _tpu_strategy(tpu or "local")
    if name == "gpu" and not gpus:
        raise UserError(
            "--strategy=gpu, but TensorFlow sees no GPU: nvidia-smi shows any?"
        )
    if gpus and name in ("gpu", "auto"):
        if len(gpus) > 1:
            return tf.distribute.MirroredStrategy()
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    if name not in STRATEGIES:
        raise UserError(f"--strategy={name}: choose {', '.join(STRATEGIES)}")
    return tf.distribute.OneDeviceStrategy("/cpu:0")


def _tpu_strategy(tpu: str) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"the TPU {tpu!r} does not answer ({type(error).__name__}: {error}). On a "
            "TPU VM say --tpu=local and install tensorflow-tpu"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def check_batch_size(strategy: tf.distribute.Strategy, **batch_sizes: int) -> None:
    """Refuses a global batch that the replicas cannot share equally."""
    replicas = strategy.num_replicas_in_sync
    for name, size in batch_sizes.items():
        if size % replicas:
            raise UserError(
                f"{name}={size} is not a multiple of the {replicas} replicas"
            )
    logging.info("%s, %d replicas", type(strategy).__name__, replicas)
