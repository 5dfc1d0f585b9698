"""The stages clean_corpus and build_tfrecords on Apache Spark.

The flags and the output are those of the two scripts, to the byte. On Dataproc, submit
this file as a PySpark job; elsewhere name a master.

  python -m data_prep.spark_pipeline --stage=clean_corpus --master=spark://host:7077 \\
      --input='gs://B/raw/*.jsonl.gz' --text_field=text --output_dir=gs://B/W/clean
"""

from absl import flags

from data_prep import clean_pipeline, cli, spark_executor
from data_prep.clean_settings import CleanSettings

_STAGE = flags.DEFINE_enum(
    "stage", None, ["clean_corpus", "build_tfrecords"], "Which stage to run."
)
_MASTER = flags.DEFINE_string(
    "master", "", "The cluster, such as spark://host:7077; empty: as submitted."
)
_INPUT = flags.DEFINE_list("input", [], "clean_corpus: files to read.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
cli.define_flags(CleanSettings)
flags.mark_flags_as_required(["stage", "output_dir"])


def spark_pipeline() -> None:
    with spark_executor.session(_MASTER.value) as spark:
        executor = spark_executor.SparkExecutor(spark)
        clean_pipeline.run(
            cli.from_flags(CleanSettings),
            _INPUT.value,
            _OUTPUT_DIR.value,
            _OVERWRITE.value,
            executor,
        )


if __name__ == "__main__":
    cli.run(spark_pipeline)
