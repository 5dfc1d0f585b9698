"""What transformers makes of exported folders, beside what was trained."""

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep import files, records
from data_prep.cli import UserError
from electra_tf.interchange.hf_config import ARCHITECTURES
from electra_tf.interchange.names import DISCRIMINATOR, GENERATOR, networks
from electra_tf.pretraining_model import PretrainingModel

_MAX_DIFFERENCE = 1e-4
_NUM_TEXTS = 32


def read_samples(model_dir: str) -> list[dict[str, Any]]:
    """Lines of real text with the ids they had in training."""
    text = files.read_text(os.path.join(model_dir, records.SAMPLES_FILE))
    return [json.loads(line) for line in text.splitlines()]


def verify(
    model: PretrainingModel, output_dir: str, samples: list[dict[str, Any]]
) -> dict[str, float]:
    """Loads the folders with transformers and compares them with the model.

    Returns:
      The largest absolute difference of logits, by network.

    Raises:
      UserError: token ids differ, parameters are missing or left over, or logits
        differ.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise UserError(
            f"checking needs {error.name}: pip install 'korean-electra-tf[verify]', or "
            "say --noverify"
        ) from error
    our_logits = {
        DISCRIMINATOR: model.discriminator_logits,
        GENERATOR: model.generator_logits,
    }
    differences = {}
    for kind in networks(model.config):
        folder = os.path.join(output_dir, kind)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        check_ids(tokenizer, samples, folder)
        loader = getattr(transformers, ARCHITECTURES[kind])
        theirs, info = loader.from_pretrained(folder, output_loading_info=True)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[what]:
                raise UserError(f"{folder}: transformers reports {what}: {info[what]}")
        batch = tokenizer(
            [sample["text"] for sample in samples[:_NUM_TEXTS]],
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            expected = theirs.eval()(**batch).logits.numpy()
        mask = batch["attention_mask"].numpy().astype(bool)
        ours = our_logits[kind](
            *(
                tf.constant(batch[name].numpy(), tf.int32)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            )
        ).numpy()
        differences[kind] = float(np.abs(ours - expected)[mask].max())
        if not differences[kind] < _MAX_DIFFERENCE:
            raise UserError(
                f"{folder}: logits differ from the trained model's by "
                f"{differences[kind]:.2e}, at most {_MAX_DIFFERENCE} is allowed"
            )
    return differences


def check_ids(tokenizer: Any, samples: Iterable[dict[str, Any]], folder: str) -> None:
    """The reloaded tokenizer must give the ids used in training.

    Raises:
      UserError: it does not, with the first line that differs.
    """
    for sample in samples:
        ids = tokenizer(sample["text"], add_special_tokens=False)["input_ids"]
        if ids != sample["ids"]:
            raise UserError(
                f"{folder}: the tokenizer gives {ids[:20]} for "
                f"{sample['text'][:80]!r}, training used {sample['ids'][:20]}"
            )
