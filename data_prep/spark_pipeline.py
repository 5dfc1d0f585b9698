"""The stages clean_corpus and build_tfrecords on Apache Spark.

The flags and the output are those of the two scripts, to the byte. On Dataproc, submit
this file as a PySpark job; elsewhere name a master.

  python -m data_prep.spark_pipeline --stage=clean_corpus --master=spark://host:7077 \\
      --input='gs://B/raw/*.jsonl.gz' --text_field=text --output_dir=gs://B/W/clean
"""

from absl import flags

from common import cli
from data_prep.clean import pipeline
from data_prep.clean.settings import CleanSettings
from data_prep.records import pipeline as record_pipeline
from data_prep.records.pipeline import RecordSettings
from data_prep.stages import spark_executor

_STAGE = flags.DEFINE_enum(
    "stage", None, ["clean_corpus", "build_tfrecords"], "Which stage to run."
)
_MASTER = flags.DEFINE_string(
    "master", "", "The cluster, such as spark://host:7077; empty: as submitted."
)
_INPUT = flags.DEFINE_list("input", [], "clean_corpus: files to read.")
_INPUT_DIR = flags.DEFINE_string("input_dir", "", "build_tfrecords: clean text.")
_VOCAB_DIR = flags.DEFINE_string("vocab_dir", "", "build_tfrecords: the vocabulary.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
cli.define_flags(CleanSettings)
cli.define_flags(RecordSettings)
flags.mark_flags_as_required(["stage", "output_dir"])


def spark_pipeline() -> None:
    output = (_OUTPUT_DIR.value, _OVERWRITE.value)
    with spark_executor.session(_MASTER.value) as spark:
        executor = spark_executor.SparkExecutor(spark)
        if _STAGE.value == "clean_corpus":
            settings = cli.from_flags(CleanSettings)
            pipeline.run(settings, _INPUT.value, *output, executor)
        else:
            settings = cli.from_flags(RecordSettings)
            inputs = (_INPUT_DIR.value, _VOCAB_DIR.value)
            record_pipeline.run(settings, *inputs, *output, executor)


if __name__ == "__main__":
    cli.run(spark_pipeline)
