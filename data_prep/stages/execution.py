"""The flags that say where a stage runs, and its executor made from them."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

from common.cli import flag
from data_prep.stages import parallel
from data_prep.stages.executors import Executor, LocalExecutor

# The value of --spark_master that leaves the choice to spark-submit or Dataproc.
CLUSTER = "cluster"


@dataclasses.dataclass(frozen=True)
class Execution:
    """Where it runs."""

    num_workers: int = flag(os.cpu_count(), "Processes of this machine.", at_least=1)
    spark_master: str = flag(
        "",
        "Run on Apache Spark: spark://host:7077 or another master's address, or "
        f"'{CLUSTER}' for the one that spark-submit or Dataproc configured. Empty: "
        "processes of this machine.",
    )


@contextlib.contextmanager
def start(where: Execution) -> Iterator[Executor]:
    """The executor that the flags name; its processes end with the block."""
    if where.spark_master:
        from data_prep.stages import spark_executor

        master = None if where.spark_master == CLUSTER else where.spark_master
        with spark_executor.session(master) as spark:
            yield spark_executor.SparkExecutor(spark)
    else:
        with parallel.Workers(where.num_workers) as workers:
            yield LocalExecutor(workers)
