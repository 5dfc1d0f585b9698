"""Exported folders, loaded by transformers and compared with the trained model."""

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from tokenizers import Tokenizer

from common import files
from common.errors import UserError
from data_prep.records import example
from data_prep.vocab.tokenizer_source import TokenizerFiles
from electra_tf.export.hf_config import ARCHITECTURES
from electra_tf.model.batch import Inputs
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.weights.parameter_names import DISCRIMINATOR, chosen_networks

_MAX_DIFFERENCE = 1e-4
_NUM_TEXTS = 32

# For checkpoints without text of their own: text that tokenizers disagree on.
_TEXTS = (
    "아버지가 방에 들어가신다.",
    "이 크림 진짜 촉촉하고 좋아요ㅎㅎ 재구매 의사 있습니다!!",
    "ㅋㅋㅋㅋ 뭐래ㅠㅠ 그건 아니지~",
    "BTS의 신곡이 Billboard HOT 100 1위에 올랐다 (2020-08-31)",
    "제12조(목적) 이 법은 大韓民國의 국민을 보호함을 목적으로 한다.",
    "가격은 12,900원이고 배송비는 3,000원...",
    "Café에서 만나요 👍🏽 10% 할인‼",
    "값어치 없는 넋두리를 앉아서 읊고 있다",
)
_NUM_TOKENS = 1024
_TOKENS_PER_LINE = 16


def read_samples(model_dir: str) -> list[dict[str, Any]]:
    """Held-out lines with the ids they had in training; a small corpus may have none.

    Raises:
      UserError: the file is missing or damaged.
    """
    path = os.path.join(model_dir, example.SAMPLES_FILE)
    try:
        return [json.loads(line) for line in files.read_text(path).splitlines()]
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            f"{path} is missing, or was cut short ({error}): copy it again, from "
            "tfrecords/ of the run's --data_dir"
        ) from error


def make_samples(source: TokenizerFiles) -> list[dict[str, Any]]:
    """Korean lines, and lines of the vocabulary's own words, with their ids."""
    tokenizer = Tokenizer.from_str(source.tokenizer_json)
    words = [t for t in source.tokens[5:] if not t.startswith("##")]
    words = words[:: max(1, len(words) // _NUM_TOKENS)]
    starts = range(0, len(words), _TOKENS_PER_LINE)
    lines = [" ".join(words[start : start + _TOKENS_PER_LINE]) for start in starts]
    texts = [text for pair in zip(_TEXTS, lines, strict=False) for text in pair]
    texts += [text for text in (*_TEXTS, *lines) if text not in texts]
    return [
        {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids}
        for text in texts
    ]


def verify(
    model: PretrainingModel,
    output_dir: str,
    samples: list[dict[str, Any]],
    only: str = "",
) -> dict[str, float]:
    """Loads the folders with transformers and compares them with the model.

    Returns:
      The largest absolute difference of logits, by network.

    Raises:
      UserError: token ids differ, parameters are missing or left over, or logits
        differ.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise UserError(
            f"checking needs {error.name}: pip install 'korean-electra-tf[verify]', or "
            "pass --noverify"
        ) from error
    differences = {}
    for kind in chosen_networks(model.config, only):
        folder = os.path.join(output_dir, kind)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        check_ids(tokenizer, samples, folder)
        batch = tokenizer(
            [sample["text"] for sample in samples[:_NUM_TEXTS]],
            padding=True,
            truncation=True,
            return_tensors="np",
        )
        difference = _difference(model, kind, folder, batch)
        if not difference < _MAX_DIFFERENCE:
            raise UserError(
                f"{folder}: logits differ from the trained model's by "
                f"{difference:.2e}, at most {_MAX_DIFFERENCE} is allowed"
            )
        logging.info(
            "%s: transformers loads it; %d texts give the same ids, logits differ by "
            "at most %.1e",
            *(kind, len(samples), difference),
        )
        differences[kind] = difference
    return differences


def _difference(
    model: PretrainingModel, kind: str, folder: str, batch: dict[str, np.ndarray]
) -> float:
    """The largest difference of logits on a batch of int [B, L] each."""
    is_discriminator = kind == DISCRIMINATOR
    logits = model.discriminator_logits if is_discriminator else model.generator_logits
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = Inputs(*(tf.constant(batch[name], tf.int32) for name in names))
    ours = logits(inputs).numpy()
    theirs = _their_logits(kind, folder, batch)
    return float(np.abs(ours - theirs)[batch["attention_mask"] > 0].max())


def _their_logits(kind: str, folder: str, batch: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of transformers' network, whose parameters must all be in the folder."""
    import torch
    import transformers

    loader = getattr(transformers, ARCHITECTURES[kind])
    network, info = loader.from_pretrained(folder, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[what]:
            raise UserError(f"{folder}: transformers reports {what}: {info[what]}")
    tensors = {name: torch.as_tensor(values) for name, values in batch.items()}
    with torch.no_grad():
        return network.eval()(**tensors).logits.numpy()


def check_ids(tokenizer: Any, samples: Iterable[dict[str, Any]], folder: str) -> None:
    """The reloaded tokenizer must give the ids used in training.

    Raises:
      UserError: it does not; shows the first text that differs.
    """
    for sample in samples:
        ids = tokenizer(sample["text"], add_special_tokens=False)["input_ids"]
        if ids != sample["ids"]:
            raise UserError(
                f"{folder}: the tokenizer gives {ids[:20]} for "
                f"{sample['text'][:80]!r}, training used {sample['ids'][:20]}"
            )
