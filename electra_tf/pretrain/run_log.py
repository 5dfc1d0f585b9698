"""A run's log: metrics.jsonl, TensorBoard files, and lines on the console."""

import json
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from absl import logging

from common import files
from electra_tf.config import PretrainingConfig
from electra_tf.optimizer import learning_rate
from electra_tf.pretrain import flops, metrics
from electra_tf.pretrain.compiled_steps import Interval

METRICS_FILE = "metrics.jsonl"
TENSORBOARD_DIR = "tensorboard"
# The console shows these metrics, in this order; the files have all of them.
_ON_CONSOLE = """
    loss masked_lm_loss disc_loss masked_lm_accuracy replaced_rate disc_auc disc_recall
    grad_norm learning_rate steps_per_second tokens_per_second mfu input_wait_share
    eta_seconds
""".split()


def interval_metrics(
    config: PretrainingConfig, step: int, interval: Interval
) -> dict[str, float]:
    """A line of the training log, of the interval that ends at `step`."""
    count, seconds, sums = interval.steps, interval.seconds, interval.sums
    values = metrics.finalize(sums, config.gen_weight, config.disc_weight)
    per_second = count / seconds
    return values | {
        "grad_norm": float(sums["grad_norm"]) / count,
        "clipped_share": float(sums["clipped"]) / count,
        "learning_rate": float(learning_rate(tf.constant(step - 1), config)),
        "steps_per_second": per_second,
        "examples_per_second": config.train_batch_size * per_second,
        "tokens_per_second": float(sums["tokens"]) / seconds,
        "flops_per_second": flops.train_step_flops(config) * per_second,
        "input_wait_share": interval.input_wait_seconds / seconds,
        "interval_seconds": seconds,
        "eta_seconds": (config.num_train_steps - step) / per_second,
    }


def read_log(path: str) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without a last line that a kill cut short."""
    records = []
    for line in files.read_text(path).splitlines() if files.exists(path) else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            logging.warning("%s: ignoring a truncated line: %s", path, line)
    return records


def _events(path: str) -> Iterator[bytes]:
    """The records of a TensorBoard file, without a last one that a kill cut short."""
    try:
        for record in tf.data.TFRecordDataset(path):
            yield record.numpy()
    except tf.errors.DataLossError:
        logging.warning("%s: ignoring a truncated event", path)


def _drop_events_past(folder: str, step: int) -> None:
    """Rewrites TensorBoard files without the events later than `step`."""
    # A name that neither TensorBoard nor the next resume takes for a file of events.
    temporary = os.path.join(folder, "rewritten.tmp")
    for path in files.glob(os.path.join(folder, "*", "events.out.tfevents.*")):
        events = list(_events(path))
        kept = [e for e in events if tf.compat.v1.Event.FromString(e).step <= step]
        if not kept:  # object stores make no file of nothing
            files.remove(path)
            continue
        with tf.io.TFRecordWriter(temporary) as writer:
            for event in kept:
                writer.write(event)
        files.rename(temporary, path)


class MetricsLog:
    """Writes a run's log. A resumed run drops the lines past its checkpoint.

    A run that starts at step 0 drops all of them.

    Attributes:
      trained: the lines of training that were kept.
    """

    def __init__(self, model_dir: str, step: int):
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._path = os.path.join(model_dir, METRICS_FILE)
        self._tensorboard = os.path.join(model_dir, TENSORBOARD_DIR)
        records = read_log(self._path) if step else []
        records = [record for record in records if record["step"] <= step]
        text = "".join(json.dumps(record) + "\n" for record in records)
        files.write_text(self._path, text)
        self._size = len(text)
        self.trained = [line for line in records if line["kind"] == "train"]
        if step:
            _drop_events_past(self._tensorboard, step)
        elif files.exists(self._tensorboard):
            files.remove(self._tensorboard)

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Metrics of the kind "train" or "eval", to both files and the console."""
        self._append({"kind": kind, "step": step, **values})
        if kind not in self._writers:
            folder = os.path.join(self._tensorboard, kind)
            self._writers[kind] = tf.summary.create_file_writer(folder)
        with self._writers[kind].as_default(step):
            for name, value in values.items():
                _write_scalar(name, value)
        self._writers[kind].flush()
        logging.info("%s step %d: %s", kind, step, _line(values))

    def warn(self, step: int, rule: str, sentence: str) -> None:
        record = {"kind": "warning", "step": step, "rule": rule, "text": sentence}
        self._append(record)
        logging.warning("step %d: %s", step, sentence)

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record) + "\n"  # of ASCII alone
        files.append_text(self._path, line)
        self._size += len(line)

    def is_untouched(self) -> bool:
        """Whether no other process has cut or continued it."""
        return files.exists(self._path) and files.size(self._path) == self._size


def write_evaluation(model_dir: str, step: int, values: dict[str, float]) -> None:
    """One checkpoint's metrics go to eval-STEP.json, not into the run's log."""
    files.write_json(os.path.join(model_dir, f"eval-{step}.json"), values)
    logging.info("eval step %d: %s", step, _line(values))


def _line(values: dict[str, float]) -> str:
    shown = {name: values[name] for name in _ON_CONSOLE if name in values}
    return " ".join(f"{name} {value:.4g}" for name, value in shown.items())


def _write_scalar(name: str, value: float) -> None:
    # tf.summary.scalar does the same, but needs the tensorboard package.
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    )
    tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
