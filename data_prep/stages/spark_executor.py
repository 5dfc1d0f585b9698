"""The phases on Apache Spark; deduplication goes through Spark's own shuffle.

Every worker must see the same paths: gs:// on Dataproc, a shared or local disk on a
cluster of one machine.
"""

import contextlib
import functools
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from common import files
from common.errors import UserError
from common.progress import Progress
from data_prep.raw.reader import Bundle, Part, Reader
from data_prep.stages.executors import Keys

_POLL_SECONDS = 1.0
# Several tasks share a large file: each reads all of it and cleans every n-th part.
_TASK_BYTES = 64 << 20
_MAX_TASKS = 16


@contextlib.contextmanager
def session(master: str | None) -> Iterator[Any]:
    """A Spark session whose workers can import this package.

    Args:
      master: its address; None: the one that spark-submit or Dataproc configured.

    Raises:
      UserError: pyspark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UserError(
            "--spark_master needs pyspark: pip install "
            "'korean-electra-tf[spark]', and install Java 17"
        ) from error
    builder = SparkSession.builder.appName("korean-electra-tf")
    if master:
        builder = builder.master(master)
    spark = builder.getOrCreate()
    root = pathlib.Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        for package in ("common", "data_prep"):
            archive = os.path.join(folder, package)
            zipped = shutil.make_archive(archive, "zip", root, package)
            spark.sparkContext.addPyFile(zipped)
        try:
            yield spark
        finally:
            spark.stop()


class SparkExecutor:
    """Tasks of a Spark cluster; see executors.Executor."""

    def __init__(self, spark: Any):
        self._spark = spark

    def map(self, name: str, function: Callable, items: Sequence) -> list[Any]:
        tasks = self._spark.sparkContext.parallelize(items, max(1, len(items)))
        return self._run(name, len(items), tasks.map(function).collect)

    def map_parts(
        self, reader: Reader, bundles: Sequence[Bundle], function: Callable[[Part], str]
    ) -> list[str]:
        tasks = []
        for bundle in bundles:
            size = sum(map(files.size, bundle.paths))
            count = min(_MAX_TASKS, 1 + size // _TASK_BYTES)
            tasks += [(bundle, remainder, count) for remainder in range(count)]
        work = functools.partial(_every_nth_part, reader, function)
        return sorted(sum(self.map("cleaning", work, tasks), []))

    def find_repeats(self, name: str, keys: Keys) -> None:
        count = keys.num_partitions
        rows = (
            self._spark.range(keys.num_parts, numPartitions=keys.num_parts)
            .mapInArrow(functools.partial(_read_keys, keys), _KEYS)
            .repartition(count, "key")
            .sortWithinPartitions("key", "part", "item")
            .mapInArrow(functools.partial(_write_repeats, keys), "partition int")
        )
        written = {row.partition for row in self._run(name, count, rows.collect)}
        for partition in set(range(count)) - written:  # that no key fell into
            keys.write_repeats(partition, *np.empty((3, 0), np.uint64))

    def _run(self, name: str, total: int, action: Callable[[], Any]) -> Any:
        """Runs an action and shows how many of its tasks are finished."""
        context = self._spark.sparkContext
        context.setJobGroup(name, name)
        tracker, finished = context.statusTracker(), threading.Event()

        def done() -> int:
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(name)]
            stages = [stage for job in jobs if job for stage in job.stageIds]
            infos = filter(None, map(tracker.getStageInfo, stages))
            return min(total, sum(info.numCompletedTasks for info in infos))

        def show(progress: Progress) -> None:
            while not finished.wait(_POLL_SECONDS):
                progress.update_to(done())

        with Progress(name, total, " tasks") as progress:
            thread = threading.Thread(target=show, args=[progress], daemon=True)
            thread.start()
            try:
                return action()
            finally:
                finished.set()
                thread.join()


def _every_nth_part(
    reader: Reader, function: Callable[[Part], str], task: tuple[Bundle, int, int]
) -> list[str]:
    """Applies the function to the parts whose index modulo `count` is `remainder`."""
    bundle, remainder, count = task
    parts = reader.parts(bundle)
    return [function(part) for part in parts if part.index % count == remainder]


_KEYS = "key long, part int, item int"


def _read_keys(keys: Keys, batches: Iterator) -> Iterator:
    """Record batches of part numbers -> record batches of these parts' keys."""
    import pyarrow

    for batch in batches:
        for part in batch.column(0).to_pylist():
            values, items = keys.read(part)
            columns = [
                pyarrow.array(values.view(np.int64)),
                pyarrow.array(np.full(len(values), part, np.int32)),
                pyarrow.array(items.astype(np.int32)),
            ]
            names = ["key", "part", "item"]
            yield pyarrow.RecordBatch.from_arrays(columns, names)


def _write_repeats(keys: Keys, batches: Iterator) -> Iterator:
    """Writes the repeats among the sorted keys of a partition."""
    import pyarrow
    from pyspark import TaskContext

    columns = [
        [batch.column(i).to_numpy(zero_copy_only=False) for i in range(3)]
        for batch in batches
    ]
    if columns:
        partition = TaskContext.get().partitionId()
        joined = (np.concatenate(column) for column in zip(*columns, strict=True))
        keys.write_repeats(partition, *joined)
        array = pyarrow.array([partition], pyarrow.int32())
        yield pyarrow.RecordBatch.from_arrays([array], ["partition"])
