"""Folders that transformers loads, with one network each."""

import os
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from common import files
from common.errors import UserError
from data_prep.vocab import tokenizer_source
from electra_tf.export.hf_config import network_config, tokenizer_files
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights.parameter_names import (
    chosen_networks,
    network_variables,
    state_dict,
)

WEIGHTS_FILE, BIN_FILE = "model.safetensors", "pytorch_model.bin"
CONFIG_FILE = "config.json"


def write_folders(
    model: PretrainingModel, vocab_file: str, output_dir: str, only: str = ""
) -> None:
    """Writes one folder per network.

    Args:
      only: the one network to write; empty for all.

    Raises:
      UserError: a variable belongs to no network.
    """
    config, tokenizer = model.config, tokenizer_source.load_beside(vocab_file)
    patterns = [network_variables(config, kind) for kind in chosen_networks(config)]
    names = model.named_variables
    if rest := [n for n in names if not any(p.match(n) for p in patterns)]:
        raise UserError(f"no network contains the variables {', '.join(rest)}")
    for kind, transformer in chosen_networks(config, only).items():
        write(
            os.path.join(output_dir, kind),
            state_dict(model.named_variables, config, kind),
            network_config(config, transformer, kind),
            tokenizer_files(tokenizer, config.max_seq_length, kind),
        )


def write(
    folder: str,
    state: dict[str, np.ndarray],
    settings: dict[str, Any],
    tokenizer: dict[str, str],
) -> None:
    """Writes one network: its parameters, its config.json and its tokenizer's files."""
    files.makedirs(folder)
    with files.atomic_writer(os.path.join(folder, WEIGHTS_FILE)) as handle:
        handle.write(save(state, metadata={"format": "pt"}))
    files.write_json(os.path.join(folder, CONFIG_FILE), settings)
    for name, text in tokenizer.items():
        files.write_text(os.path.join(folder, name), text)


def write_bin(folder: str) -> None:
    """Writes a folder's parameters as pytorch_model.bin too, and reads them back.

    Raises:
      UserError: torch is not installed, or reads something else.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError(
            "pytorch_model.bin needs torch: pip install 'korean-electra-tf[verify]', "
            "or omit --write_bin"
        ) from error
    path = os.path.join(folder, BIN_FILE)
    state = load_file(os.path.join(folder, WEIGHTS_FILE))
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    torch.save(tensors, path)
    written = torch.load(path, weights_only=True, mmap=True)
    same = written.keys() == tensors.keys() and all(
        torch.equal(value, written[name]) for name, value in tensors.items()
    )
    if not same:
        raise UserError(f"{path}: torch reads values other than those written")
