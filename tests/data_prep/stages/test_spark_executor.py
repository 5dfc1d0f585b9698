"""The same output from Spark, byte for byte."""

import os
import shutil
import sys

import pytest
from helpers.clean_runs import EVERYTHING, corpus, documents, run, snapshot

from data_prep.clean import pipeline, repeats
from data_prep.clean.settings import CleanSettings

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")
if not shutil.which("java"):
    pytest.skip("Spark needs Java", allow_module_level=True)

from data_prep.stages import spark_executor  # noqa: E402


@pytest.fixture(scope="module")
def executor():
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with spark_executor.session("local[2]") as spark:
        yield spark_executor.SparkExecutor(spark)


def test_spark_writes_what_one_process_writes(executor, write, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "MEBIBYTE", 1 << 14)
    monkeypatch.setattr(repeats, "_PARTITION_ROWS", 300)
    monkeypatch.setattr(spark_executor, "_TASK_BYTES", 1 << 14)
    paths = [write(f"raw{i}.jsonl", corpus(i, 300)) for i in range(2)]
    run(paths, tmp_path / "local", **EVERYTHING)
    pipeline.run(
        CleanSettings(**EVERYTHING), paths, str(tmp_path / "spark"), False, executor
    )
    assert len(documents(tmp_path / "spark")) > 50
    assert snapshot(tmp_path / "spark") == snapshot(tmp_path / "local")


def test_a_large_file_is_shared_by_tasks(write, monkeypatch):
    monkeypatch.setattr(spark_executor, "_TASK_BYTES", 100)
    reader = pipeline.slices.Reader("line", slice_bytes=50)
    (bundle,) = pipeline.slices.bundles([write("a.txt", "가나다\n" * 90)], 50)
    turns = spark_executor._turns(bundle)
    assert turns == 10
    names = [
        spark_executor._every_nth_part(
            reader, lambda part: part.name, (bundle, t, turns)
        )
        for t in range(turns)
    ]
    assert all(names)
    every = [part.name for part in reader.parts(bundle)]
    assert sorted(sum(names, [])) == every
