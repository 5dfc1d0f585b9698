"""A pretrained network -> a model of a labelled task, and its score.

The best epoch is chosen on dev, test is scored once, for each of --seeds. Writes
results.json and the best seed's model, a folder that transformers loads. The same
command again goes on with the seeds that are missing.

  python -m electra_tf.run_finetuning --task=nsmc --data_dir=nsmc \\
      --init_from=W/hf/discriminator --output_dir=runs/nsmc

Rows of one's own, here with several labels each:

  python -m electra_tf.run_finetuning --task=custom --kind=multi_label \\
      --train_file=a.tsv --dev_file=b.tsv --text_column=review --label_column=aspects \\
      --init_from=W/hf/discriminator --output_dir=runs/aspects

Probabilities for rows without labels:

  python -m electra_tf.run_finetuning --mode=predict --init_from=runs/nsmc/model \\
      --input=comments.tsv --text_column=comment --output=scored.tsv
"""

import os
import time

from absl import flags, logging

from common import cli, files
from common.cli import UserError
from data_prep.stages import manifest
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.finetune import model_folder, protocol, results, start
from electra_tf.finetune import predict as predictions
from electra_tf.finetune.data import readers, splits, tasks
from electra_tf.finetune.data.rows import Kind
from electra_tf.finetune.data.tasks import Task
from electra_tf.finetune.settings import Settings

_CUSTOM = "custom"

_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "predict"],
    "predict reads --input with the fine-tuned model in --init_from.",
)
_TASK = flags.DEFINE_enum("task", None, [*tasks.TASKS, _CUSTOM], "What is learnt.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of the task's public files.")
_TRAIN_ROWS = flags.DEFINE_integer(
    "train_rows", 0, "Train on so many rows, drawn by a hash; 0: all.", lower_bound=0
)
_INIT_FROM = flags.DEFINE_list(
    "init_from",
    None,
    "The pretrained network: a folder of transformers (or discriminator/ in it), a "
    "model's name on the Hugging Face Hub, the prefix of a TF1 checkpoint, or a "
    "pretraining run's folder. With --mode=predict the folder of a fine-tuned model.",
)
_INIT_STEP = flags.DEFINE_integer(
    "init_step", None, "Which checkpoint of a run's folder; the newest by default."
)
_INIT_VOCAB = flags.DEFINE_string(
    "init_vocab", None, "vocab.txt of --init_from, if it is not beside the weights."
)
_RANDOM_INIT = flags.DEFINE_bool(
    "random_init",
    False,
    "Leave the network untrained: what pretraining is worth shows beside it.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to write: new, or of the same command."
)
_MODEL_NAME = flags.DEFINE_string(
    "model_name", "", "In tables; by default the last part of --init_from."
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "One score for each.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
_KIND = flags.DEFINE_enum(
    "kind", "classification", [kind.value for kind in Kind], "Of --task=custom."
)
_TRAIN_FILE = flags.DEFINE_string("train_file", "", "Of --task=custom.")
_DEV_FILE = flags.DEFINE_string("dev_file", "", "Without it some of train is dev.")
_TEST_FILE = flags.DEFINE_string("test_file", "", "Without it dev alone is scored.")
_TEXT_COLUMN = flags.DEFINE_string("text_column", "", "Of --task=custom and --input.")
_TEXT_PAIR_COLUMN = flags.DEFINE_string("text_pair_column", "", "The second text's.")
_LABEL_COLUMN = flags.DEFINE_string("label_column", "label", "Of --task=custom.")
_CHOICE_COLUMNS = flags.DEFINE_list("choice_columns", [], "Of multiple_choice.")
_LABEL_SEPARATOR = flags.DEFINE_string(
    "label_separator", ",", "Between the labels of multi_label."
)
_METRIC = flags.DEFINE_string("metric", "", "Chooses the epoch of --task=custom.")
_INPUT = flags.DEFINE_string("input", "", "With --mode=predict: .tsv, .jsonl or .txt.")
_OUTPUT = flags.DEFINE_string("output", "", "With --mode=predict: .tsv or .jsonl.")
cli.define_flags(Devices)
cli.define_flags(Settings)
flags.mark_flags_as_required(["init_from"])


def run_finetuning() -> None:
    if _MODE.value == "predict":
        predict()
    else:
        train()


def _custom(kind: Kind, train_file: str) -> Task:
    return tasks.custom(
        kind,
        train_file,
        _DEV_FILE.value,
        _TEST_FILE.value,
        _TEXT_COLUMN.value,
        _TEXT_PAIR_COLUMN.value,
        _LABEL_COLUMN.value,
        tuple(_CHOICE_COLUMNS.value),
        _LABEL_SEPARATOR.value,
        _METRIC.value,
    )


def train() -> None:
    if not _TASK.value or not _OUTPUT_DIR.value:
        raise UserError("--task and --output_dir are needed")
    seeds = _numbers(_SEEDS.value)
    is_custom = _TASK.value == _CUSTOM
    task = (
        _custom(Kind(_KIND.value), _TRAIN_FILE.value)
        if is_custom
        else tasks.TASKS[_TASK.value]
    )
    dataset = splits.load(task, _DATA_DIR.value, _TRAIN_ROWS.value)
    begin = start.read(_INIT_FROM.value, _INIT_VOCAB.value, _INIT_STEP.value)
    strategy = cli.from_flags(Devices).make_strategy()
    if strategies.is_chief(strategy):
        _prepare_output_dir(_OUTPUT_DIR.value)
    run = protocol.Run(
        task=task,
        dataset=dataset,
        start=begin,
        settings=protocol.resolved(cli.from_flags(Settings), task, strategy),
        strategy=strategy,
        output_dir=_OUTPUT_DIR.value,
        model_name=_MODEL_NAME.value or os.path.basename(begin.path.rstrip("/")),
        random_init=_RANDOM_INIT.value,
    )
    found = protocol.score(run, seeds)
    scored = results.summary(found)
    if not scored.succeeded:
        raise UserError(f"every seed failed, the first one so: {found.seeds[0].error}")
    logging.info(
        "%s: %s %.4f on %s, standard deviation %.4f over %d seeds, %d failed",
        *(task.name, task.metric, scored.mean, scored.split, scored.sd),
        *(scored.succeeded, scored.failed),
    )


def _prepare_output_dir(path: str) -> None:
    """Refuses a folder of something else; one with results of a run may go on."""
    inputs = [*_INIT_FROM.value, _DATA_DIR.value]
    inputs += [_TRAIN_FILE.value, _DEV_FILE.value, _TEST_FILE.value]
    has_results = files.exists(os.path.join(path, results.RESULTS_FILE))
    if _OVERWRITE.value or not has_results:
        manifest.prepare_output_dir(path, _OVERWRITE.value, filter(None, inputs))


def _numbers(seeds: list[str]) -> list[int]:
    if not seeds or not all(s.isdecimal() and int(s) < 2**31 for s in seeds):
        raise UserError(
            f"--seeds={','.join(seeds)}: whole numbers are needed, as 0,1,2"
        )
    return sorted({int(seed) for seed in seeds})


def predict() -> None:
    if not _INPUT.value or not _OUTPUT.value or len(_INIT_FROM.value) != 1:
        raise UserError("--input, --output and one folder in --init_from are needed")
    (model_dir,) = _INIT_FROM.value
    described = model_folder.read(model_dir)
    predictions.check_output(_OUTPUT.value, described.kind)
    known = tasks.TASKS.get(described.task)
    task = known if known and not _TEXT_COLUMN.value else _custom(described.kind, "-")
    rows = readers.unlabelled(task, _INPUT.value)
    begin = time.monotonic()
    predictor = predictions.Predictor(
        model_dir,
        cli.from_flags(Devices).make_strategy(),
        cli.from_flags(Settings).predict_batch_size,
    )
    with files.atomic_writer(_OUTPUT.value) as handle:
        for line in predictor.lines(_OUTPUT.value, rows):
            handle.write(line.encode("utf-8"))
    seconds = time.monotonic() - begin
    logging.info(
        "%d rows -> %s, %.0f rows/s, %d texts cut to %d tokens",
        *(len(rows), _OUTPUT.value, len(rows) / seconds),
        predictor.counts["truncated"],
        predictor.task_data.settings.max_seq_length,
    )


if __name__ == "__main__":
    cli.run(run_finetuning)
