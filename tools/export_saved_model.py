"""A run's checkpoint -> a SavedModel with text in and scores out.

Its signatures are replaced_tokens (serving_default too) and embeddings. The text is
cleaned by those rules of the corpus's recipe that TensorFlow's operations can carry
out; the log names the others. Before it is put in its place, the SavedModel is loaded
and compared with the trained model on real text.

  python tools/export_saved_model.py --model_dir=W/model --output_dir=W/serving/1
"""

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from absl import flags, logging

from data_prep import cli, files, manifest, vocab
from electra_tf import checkpoints
from electra_tf.interchange import (
    clean_steps,
    hf_check,
    hf_folder,
    saved_model,
    tf_cleaning,
)
from electra_tf.interchange.text_input import TextInput


def cleaning(data: Mapping[str, Any]) -> tf_cleaning.Operation:
    """What a run says of its corpus's cleaning, as far as operations can do it."""
    rules = clean_steps.rules_of_run(data)
    if rules is None:
        logging.warning(
            "the run does not say how its corpus was cleaned: no rule is included"
        )
    operation, included, omitted = tf_cleaning.operations(rules or ())
    logging.info("cleaning included: %s", ", ".join(included) or "none")
    if omitted:
        logging.warning(
            "cleaning NOT included: %s. Clean the text before it is sent (cleaning.py "
            "beside the converted model does), or the model sees what it never saw in "
            "training",
            ", ".join(omitted),
        )
    return operation


def export(model_dir: str, output_dir: str, step: int | None) -> None:
    """Writes the SavedModel, checks it, and only then puts it in its place."""
    model, step = checkpoints.load_model(model_dir, step)
    _, data = checkpoints.read_run(model_dir)
    tokenizer_file = os.path.join(model_dir, vocab.TOKENIZER_FILE)
    length = model.config.max_seq_length
    tokenizer_json = files.read_text(tokenizer_file)
    text_input = TextInput(tokenizer_file, tokenizer_json, length, cleaning(data))
    outputs = saved_model.pretrained_outputs(model)
    networks = [model.embeddings, model.encoder, model.discriminator_head]
    with tempfile.TemporaryDirectory() as folder:
        vocab_file = os.path.join(folder, vocab.VOCAB_FILE)
        files.write_text(vocab_file, "\n".join([*text_input.tokens, ""]))
        whole = saved_model.TextModel(text_input, outputs, networks, vocab_file)
        saved_dir = os.path.join(folder, "saved_model")
        default = next(iter(outputs))
        saved_model.save(whole, default, saved_dir)
        samples = hf_check.read_samples(model_dir)
        worst = saved_model.check(saved_dir, outputs, samples, length)
        logging.info("loaded again: outputs differ by at most %.1e", worst)
        hf_folder.publish(saved_dir, output_dir)
    logging.info("step %d -> %s: %s", step, output_dir, ", ".join(outputs))


def main() -> None:
    output_dir, overwrite = flags.FLAGS.output_dir, flags.FLAGS.overwrite
    manifest.check_output_dir(output_dir, overwrite)
    checkpoints.read_run(flags.FLAGS.model_dir)
    manifest.prepare_output_dir(output_dir, overwrite)
    export(flags.FLAGS.model_dir, output_dir, flags.FLAGS.step)


if __name__ == "__main__":
    # Defined only here: importing the module must not claim such common flag names.
    flags.DEFINE_string("model_dir", None, "A run's folder, made by run_pretraining.")
    flags.DEFINE_string(
        "output_dir", None, "Folder to write, new or empty; Serving wants a number."
    )
    flags.DEFINE_integer("step", None, "Checkpoint to export; default: the newest.")
    flags.DEFINE_bool("overwrite", False, "Remove what --output_dir holds.")
    flags.mark_flags_as_required(["model_dir", "output_dir"])
    cli.run(main)
