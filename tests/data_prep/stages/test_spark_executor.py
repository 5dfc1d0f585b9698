"""The same output from Spark, byte for byte."""

import shutil
import sys

import pytest
from helpers.clean_runs import EVERYTHING, corpus, documents, run, snapshot

from common.output_folder import Output
from data_prep.clean import pipeline, repeats
from data_prep.clean.settings import CleanSettings
from data_prep.raw.reader import Reader, bundles
from data_prep.raw.records import ReadSettings
from data_prep.records import pipeline as records
from data_prep.records.shard import RecordSettings
from data_prep.stages import execution, executors, parallel
from data_prep.stages.execution import Execution
from data_prep.vocab import vocabulary

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")
if not shutil.which("java"):
    pytest.skip("Spark needs Java", allow_module_level=True)

from data_prep.stages import spark_executor  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def submitted():
    """As under spark-submit: its arguments name the master."""
    with pytest.MonkeyPatch.context() as patch:
        # Jobs of milliseconds do not repay the optimizing compiler.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYSPARK_SUBMIT_ARGS", "--master local[2] pyspark-shell")
        yield


def test_the_master_is_the_flag_s():
    with execution.start(Execution(spark_master="local[1]")) as executor:
        assert executor.map("numbers", abs, [-1, 2]) == [1, 2]
        context = pyspark.SparkContext.getOrCreate()
        assert context.master == "local[1]"


@pytest.fixture(scope="module")
def executor():
    with execution.start(Execution(spark_master="cluster")) as executor:
        assert pyspark.SparkContext.getOrCreate().master == "local[2]"
        yield executor


def test_spark_writes_what_one_process_writes(executor, write, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "MEBIBYTE", 1 << 14)
    monkeypatch.setattr(repeats, "MOST_ROWS", 300)
    monkeypatch.setattr(spark_executor, "_TASK_BYTES", 1 << 14)
    paths = [write(f"raw{i}.jsonl", corpus(i, 150)) for i in range(2)]
    run(paths, tmp_path / "local", **EVERYTHING)
    output = Output(str(tmp_path / "spark"))
    pipeline.run(CleanSettings(**EVERYTHING), paths, output, executor)
    assert len(documents(tmp_path / "spark")) > 20
    assert snapshot(tmp_path / "spark") == snapshot(tmp_path / "local")


def test_records_from_spark_are_those_of_one_process(executor, write, tmp_path):
    paths = [write(f"raw{i}.jsonl", corpus(i, 150)) for i in range(2)]
    clean, vocab = str(tmp_path / "clean"), tmp_path / "vocab"
    run(paths, clean, **EVERYTHING)
    text = "".join(line for lines in documents(clean) for line in lines)
    letters = sorted(set(text))
    vocab.mkdir()
    tokens = [*letters, *("##" + letter for letter in letters)]
    vocabulary.save(str(vocab), [*vocabulary.SPECIAL_TOKENS, *tokens])
    settings = RecordSettings(eval_fraction=0.2)
    with parallel.Workers(1) as pool:
        local = executors.LocalExecutor(pool)
        for name, used in (("local", local), ("spark", executor)):
            output = Output(str(tmp_path / name))
            records.run(settings, clean, str(vocab), output, used)
    assert snapshot(tmp_path / "spark") == snapshot(tmp_path / "local")


def test_a_large_file_is_shared_by_tasks(executor, write, monkeypatch):
    monkeypatch.setattr(spark_executor, "_TASK_BYTES", 300)
    reader = Reader(ReadSettings(txt_documents="line"), slice_bytes=50)
    (bundle,) = bundles([write("a.txt", "가나다\n" * 90)], 50)

    def name_and_task(part) -> str:
        return f"{part.name} {pyspark.TaskContext.get().partitionId()}"

    results = executor.map_parts(reader, [bundle], name_and_task)
    names, tasks = zip(*(result.split() for result in results), strict=True)
    assert list(names) == [part.name for part in reader.parts(bundle)]
    assert set(tasks) == {"0", "1", "2", "3"}
