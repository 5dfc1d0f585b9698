"""How a task is learnt, and how its texts are read; flags of run_finetuning."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from common.cli import flag
from common.errors import UserError
from electra_tf.config import COMPUTE_DTYPES


@dataclasses.dataclass(frozen=True)
class Settings:
    """Fine-tuning; defaults are ELECTRA's for small and base models."""

    learning_rate: float = flag(
        1e-4, "Learning rate of the head; 5e-5 suits large models.", at_least=0.0
    )
    layerwise_lr_decay: float = flag(
        0.8,
        "Factor between the learning rate of a layer and of the one above it; 0.9 "
        "suits large models, 0 and 1 give all layers the same rate.",
        at_least=0.0,
        at_most=1.0,
    )
    double_top_decay: bool = flag(
        False,
        "Apply the factor twice to the top layer, as google-research/electra does by "
        "mistake.",
    )
    weight_decay_rate: float = flag(0.01, "Decoupled weight decay.", at_least=0.0)
    hidden_dropout_prob: float = flag(
        0.1, "Dropout, whatever pretraining used.", at_least=0.0, at_most=0.9
    )
    attention_probs_dropout_prob: float = flag(
        0.1, "Attention dropout.", at_least=0.0, at_most=0.9
    )
    warmup_proportion: float = flag(
        0.1, "Share of the steps that warm up.", at_least=0.0, at_most=1.0
    )
    num_train_epochs: int = flag(
        0, "Epochs; the best on dev is kept (0: the task's number).", at_least=0
    )
    train_batch_size: int = flag(32, "Rows per update, over all devices.", at_least=1)
    predict_batch_size: int = flag(
        32, "Rows per batch when scoring or predicting.", at_least=1
    )
    max_seq_length: int = flag(
        0,
        "Tokens per row, [CLS] and [SEP] included (0: the task's number).",
        at_least=0,
    )
    compute_dtype: str = flag(
        "auto", "Type of activations; auto: bfloat16 on TPUs.", choices=COMPUTE_DTYPES
    )
    doc_stride: int = flag(
        128, "Tokens between the beginnings of two parts of a context.", at_least=1
    )
    max_query_length: int = flag(64, "Maximum tokens of a question.", at_least=1)
    n_best_size: int = flag(20, "Answers kept for each question.", at_least=1)
    max_answer_length: int = flag(30, "Maximum tokens of an answer.", at_least=1)


def given(*groups: Any) -> list[str]:
    """The flags of these dataclasses that do not have their default, in order."""
    return [
        field.name
        for group in groups
        for field in dataclasses.fields(group)
        if getattr(group, field.name) != field.default
    ]


def numbers(flag_name: str, texts: Sequence[str]) -> list[int]:
    """The different numbers in a flag's list, ascending.

    Raises:
      UserError: one is not a whole number from 0.
    """
    if not texts or not all(t.isdecimal() and int(t) < 2**31 for t in texts):
        raise UserError(
            f"--{flag_name}={','.join(texts)} must be whole numbers, such as 0,1,2"
        )
    return sorted({int(text) for text in texts})
