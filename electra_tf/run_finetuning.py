"""A pretrained network -> a model of a labelled task, and its score.

Dev chooses the best epoch, test is scored once, for each of --seeds. Writes
results.json and the best seed's model, a folder that transformers loads. The same
command again resumes with the seeds that are missing.

  python -m electra_tf.run_finetuning --task=nsmc --data_dir=nsmc \\
      --init_from=W/hf/discriminator --output_dir=runs/nsmc

Your own rows, here with several labels each:

  python -m electra_tf.run_finetuning --task=custom --kind=multi_label \\
      --train_file=a.tsv --dev_file=b.tsv --text_column=review --label_column=aspects \\
      --init_from=W/hf/discriminator --output_dir=runs/aspects

Predictions for rows without labels:

  python -m electra_tf.run_finetuning --mode=predict --init_from=runs/nsmc/model \\
      --input=comments.tsv --text_column=comment --output=scored.tsv
"""

import dataclasses
import os
import time

from absl import logging

from common import cli, files
from common.cli import flag
from common.errors import UserError
from electra_tf.devices.flags import Devices
from electra_tf.finetune import results
from electra_tf.finetune.data import readers, splits, tasks
from electra_tf.finetune.data.tasks import CustomTask
from electra_tf.finetune.kinds.table import KINDS
from electra_tf.finetune.settings import Settings, given, numbers
from electra_tf.weights.flags import InitialWeights

_USED_TO_PREDICT = {
    *("mode", "init_from", "input", "output", "overwrite", "predict_batch_size"),
    *("text_column", "text_pair_column", "choice_columns"),
}


@dataclasses.dataclass(frozen=True)
class Run(InitialWeights):
    """What to fine-tune on what."""

    init_from: tuple[str, ...] = flag(
        (),
        "Pretrained network: a folder of transformers (or one with discriminator/ in "
        "it), a model's name on the Hugging Face Hub, the prefix of a TF1 checkpoint, "
        "or a pretraining run's folder. With --mode=predict: a fine-tuned model.",
        required=True,
        reads=True,
    )
    random_init: bool = flag(
        False, "Use random weights instead, to see what pretraining is worth."
    )
    mode: str = flag(
        "train", "train, or predict --input.", choices=("train", "predict")
    )
    task: str | None = flag(
        None, "Task to learn; custom: your own.", choices=(*tasks.TASKS, "custom")
    )
    data_dir: str = flag("", "Folder of the task's public files.", reads=True)
    train_rows: int = flag(0, "Rows to train on, drawn by a hash (0: all).", at_least=0)
    output_dir: str | None = flag(
        None,
        "Folder to write: new, or of an earlier run of this command.",
        writes="folder",
    )
    model_name: str = flag("", "Name in tables, else the last part of --init_from.")
    seeds: tuple[str, ...] = flag(("0", "1", "2", "3", "4"), "Seeds, each a score.")
    overwrite: bool = flag(
        False,
        "Replace an earlier result in --output_dir, once the new one is complete; or "
        "--output.",
    )


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Files of --mode=predict."""

    input: str = flag("", "Rows to predict: .txt, .tsv, .jsonl or .json.", reads=True)
    output: str = flag("", "File to write: .tsv or .jsonl.", writes="file")


def run_finetuning(
    run: Run,
    custom: CustomTask,
    prediction: Prediction,
    settings: Settings,
    devices: Devices,
) -> None:
    if run.mode == "predict":
        predict(run, custom, prediction, settings, devices)
        return
    if not run.task or not run.output_dir:
        raise UserError("--mode=train needs --task and --output_dir")
    _refuse_unused(run, custom, prediction, settings)
    seeds = numbers("seeds", run.seeds)
    task = custom.task() if run.task == "custom" else tasks.TASKS[run.task]
    dataset = splits.load(task, run.data_dir, run.train_rows)
    # TensorFlow takes seconds to import: first the errors that need none.
    from electra_tf.devices import strategies
    from electra_tf.finetune import pretrained, protocol

    begun_with = pretrained.read(run.init_from, run.init_vocab, run.init_step)
    strategy = strategies.make_strategy(devices)
    scored = protocol.score(
        protocol.Run(
            task=task,
            dataset=dataset,
            pretrained=begun_with,
            settings=protocol.resolved(settings, task, strategy),
            strategy=strategy,
            output_dir=run.output_dir,
            model_name=run.model_name or os.path.basename(begun_with.path.rstrip("/")),
            random_init=run.random_init,
            overwrite=run.overwrite,
        ),
        seeds,
    )
    if not strategies.is_chief(strategy):
        return
    summary = results.summary(scored)
    if not summary.succeeded:
        raise UserError(f"every seed failed, the first with: {scored.seeds[0].error}")
    logging.info(
        "%s: %s %.4f on %s, standard deviation %.4f over %d seeds, %d failed",
        *(task.name, task.metric, summary.mean, summary.split, summary.sd),
        *(summary.succeeded, summary.failed),
    )


def _refuse_unused(
    run: Run, custom: CustomTask, prediction: Prediction, settings: Settings
) -> None:
    """Refuses flags that the command would ignore."""
    names = given(run, custom, prediction, settings)
    if run.mode == "predict":
        unused, used_with = set(names) - _USED_TO_PREDICT, "--mode=predict"
    else:
        unused, used_with = {"input", "output"}, f"--mode=train --task={run.task}"
        if run.task != "custom":
            unused |= {field.name for field in dataclasses.fields(custom)}
        else:
            unused.add("data_dir")
            used_with += f" --kind={custom.kind}"
            if KINDS[custom.kind].file_format:
                unused |= {"text_column", "text_pair_column", "label_column"}
            if custom.kind != "multi_label":
                unused.add("label_separator")
    if refused := [f"--{name}" for name in names if name in unused]:
        verb, what = ("is", "it") if len(refused) == 1 else ("are", "them")
        raise UserError(
            f"{', '.join(refused)} {verb} not used with {used_with}: leave {what} out"
        )


def predict(
    run: Run,
    custom: CustomTask,
    prediction: Prediction,
    settings: Settings,
    devices: Devices,
) -> None:
    if not prediction.input or not prediction.output or len(run.init_from) != 1:
        raise UserError(
            "--mode=predict needs --input, --output and one folder in --init_from"
        )
    _refuse_unused(run, custom, prediction, settings)
    from electra_tf.devices import strategies
    from electra_tf.finetune import model_folder
    from electra_tf.finetune import predict as predictions

    (model_dir,) = run.init_from
    described = model_folder.read(model_dir)
    predictions.check_output(prediction.output, described.kind)
    task = custom.to_predict(described.task, described.kind, described.has_pairs)
    rows = readers.unlabelled(task, prediction.input)
    begin = time.monotonic()
    predictor = predictions.Predictor(
        model_dir, strategies.make_strategy(devices), settings.predict_batch_size
    )
    with files.atomic_writer(prediction.output) as handle:
        for line in predictor.lines(prediction.output, rows):
            handle.write(line.encode("utf-8"))
    seconds = time.monotonic() - begin
    logging.info(
        "%d rows -> %s, %.0f rows/s, %d texts cut to %d tokens",
        *(len(rows), prediction.output, len(rows) / seconds),
        predictor.counts["truncated"],
        predictor.reading.settings.max_seq_length,
    )


if __name__ == "__main__":
    cli.run(run_finetuning)
