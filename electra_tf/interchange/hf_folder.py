"""Folders that transformers loads: one network each."""

import os
from collections.abc import Iterator

from safetensors.numpy import save_file

from data_prep import files
from data_prep.cli import UserError
from electra_tf.interchange.hf_config import electra_config, tokenizer_files
from electra_tf.interchange.names import network_variables, networks, state_dict
from electra_tf.pretraining_model import PretrainingModel


def write_folders(model: PretrainingModel, vocab_file: str, output_dir: str) -> None:
    """Writes one local folder per network.

    Raises:
      UserError: a variable would be left behind.
    """
    variables = {name: v.numpy() for name, v in model.named_variables.items()}
    config = model.config
    used = set()
    for kind, transformer in networks(config).items():
        used |= {n for n in variables if network_variables(config, kind).match(n)}
        folder = os.path.join(output_dir, kind)
        os.makedirs(folder)
        tensors = state_dict(variables, config, kind)
        path = os.path.join(folder, "model.safetensors")
        save_file(tensors, path, metadata={"format": "pt"})
        settings = electra_config(config, transformer, kind)
        files.write_json(os.path.join(folder, "config.json"), settings)
        for name, text in tokenizer_files(vocab_file, config.max_seq_length).items():
            files.write_text(os.path.join(folder, name), text)
    if left := sorted(set(variables) - used):
        raise UserError(f"no network takes the variables {', '.join(left)}")


def _walk(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), folder)


def publish(source: str, target: str) -> None:
    """Copies finished folders to their place, local or remote, each file whole."""
    for name in sorted(_walk(source)):
        path = os.path.join(target, name)
        files.makedirs(os.path.dirname(path))
        with (
            files.atomic_writer(path) as handle,
            open(os.path.join(source, name), "rb") as copy,
        ):
            while block := copy.read(1 << 24):
                handle.write(block)
