"""What a SavedModel serves: the networks of a run, or a fine-tuned model."""

import os
import tempfile
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from common import files
from common.errors import UserError
from data_prep.rules import recipes
from data_prep.vocab import tokenizer_source, vocabulary
from electra_tf.export import (
    hf_check,
    saved_model,
    tf_cleaning,
    trained,
)
from electra_tf.export.text_input import TextInput
from electra_tf.finetune import model_folder, pretrained
from electra_tf.finetune.heads import HEADS
from electra_tf.finetune.model_folder import TaskDescription
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.model.batch import Inputs
from electra_tf.run_folder import description


def cleaning(data: Mapping[str, Any]) -> tf_cleaning.Operation:
    """The cleaning of a run's corpus, as far as TensorFlow's operations can express it.

    Args:
      data: what config.json of the run records.
    """
    rules = recipes.rules_of_run(data)
    if rules is None:
        logging.warning(
            "the run did not record how its corpus was cleaned: no rule is included"
        )
    operation, included, omitted = tf_cleaning.operations(rules or ())
    logging.info("cleaning included: %s", ", ".join(included) or "none")
    if omitted:
        logging.warning(
            "cleaning NOT included: %s. Clean text before sending it (cleaning.py "
            "beside the converted model does), or the model reads what training never "
            "showed it",
            ", ".join(omitted),
        )
    return operation


def finetuned_outputs(
    model: FinetuningModel, labels: tuple[str, ...]
) -> dict[str, saved_model.Outputs]:
    """What a fine-tuned model returns, in a signature with the name of its kind.

    `probabilities` and `labels` are [B, C]; `score` is [B]. Tagging returns
    `probabilities` [B, T, C] for each token, of which only those at which a word (or
    another unit that was tagged) begins have been trained. B rows, T tokens of the
    longest row, C labels.
    """
    output = HEADS[model.kind.name].output

    def compute(input_ids, input_mask, segment_ids) -> dict[str, tf.Tensor]:
        logits = model(Inputs(input_ids, input_mask, segment_ids))
        return {output.name: output.compute(logits)}

    return {model.kind.name: saved_model.Outputs(compute, output.per_token, labels)}


def _export_run(model_dir: str, output_dir: str, step: int | None) -> None:
    networks = trained.load_run(model_dir, step)
    model, length = networks.model, networks.model.config.max_seq_length
    logging.info("%s: step %d", model_dir, networks.step)
    _, data = description.read_run(model_dir)
    tokenizer_json = tokenizer_source.load_beside(networks.vocab_file).tokenizer_json
    text_input = TextInput(model_dir, tokenizer_json, length, cleaning(data))
    outputs = saved_model.pretrained_outputs(model)
    parts = [model.electra, model.discriminator_head]
    _save(output_dir, text_input, outputs, parts, networks.samples)


def _export_finetuned(model_dir: str, output_dir: str) -> None:
    described, begin = model_folder.read(model_dir), pretrained.read([model_dir])
    sizes = begin.network, begin.embedding_size, len(described.labels)
    model = FinetuningModel(described.kind, *sizes)
    pretrained.fill(model.named_variables, begin, with_head=True)
    length = described.reading["max_seq_length"]
    text_input = TextInput(model_dir, begin.tokenizer.tokenizer_json, length)
    outputs = finetuned_outputs(model, described.labels)
    samples = hf_check.make_samples(begin.tokenizer)
    _save(output_dir, text_input, outputs, [model], samples)


def check(model_dir: str, step: int | None) -> None:
    """Refuses what cannot be exported.

    Raises:
      UserError: neither a run nor a fine-tuned model, or one that reads several texts.
    """
    if not _is_finetuned(model_dir):
        description.read_run(model_dir)
        return
    if step is not None:
        raise UserError(
            f"--step={step} is for a run's folder, {model_dir} is a fine-tuned model"
        )
    check_one_text(model_folder.read(model_dir))


def check_one_text(described: TaskDescription) -> None:
    """Refuses models that read more than one text.

    Raises:
      UserError: the rows are pairs, or have choices or questions.
    """
    if HEADS[described.kind.name].output is None or described.has_pairs:
        raise UserError(
            f"{described.task} ({described.kind.name}) reads two texts or more, but a "
            "SavedModel's signature reads one: use run_finetuning --mode=predict, or "
            "transformers, which loads the folder"
        )


def _is_finetuned(model_dir: str) -> bool:
    return files.exists(os.path.join(model_dir, model_folder.TASK_FILE))


def export(model_dir: str, output_dir: str, step: int | None) -> None:
    """Writes the SavedModel to a new local folder, and checks it."""
    if _is_finetuned(model_dir):
        _export_finetuned(model_dir, output_dir)
    else:
        _export_run(model_dir, output_dir, step)


def _save(
    output_dir: str,
    text_input: TextInput,
    outputs: Mapping[str, saved_model.Outputs],
    networks: list[tf.Module],
    samples: list[dict[str, Any]],
) -> None:
    """samples: real text with its ids, on which the SavedModel is checked."""
    with tempfile.TemporaryDirectory() as work_dir:
        vocab_file = os.path.join(work_dir, vocabulary.VOCAB_FILE)
        files.write_text(vocab_file, "\n".join([*text_input.tokens, ""]))
        whole = saved_model.TextModel(text_input, outputs, networks, vocab_file)
        saved_model.save(whole, next(iter(outputs)), output_dir)
    worst = saved_model.check(output_dir, outputs, samples, text_input.max_tokens)
    logging.info("loaded again: outputs differ by at most %.1e", worst)
    logging.info("signatures: %s", ", ".join(outputs))
