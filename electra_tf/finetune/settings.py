"""How a task is learnt; the flags of run_finetuning."""

import dataclasses

from common.cli import flag
from electra_tf.config import COMPUTE_DTYPES


@dataclasses.dataclass(frozen=True)
class Settings:
    """Defaults are the original's, for small and base."""

    learning_rate: float = flag(1e-4, "Of the head; 5e-5 suits large.", at_least=0.0)
    layerwise_lr_decay: float = flag(
        0.8,
        "A layer learns by this factor slower than the one above it; 0.9 suits large.",
        at_least=0.0,
        at_most=1.0,
    )
    double_top_decay: bool = flag(
        False,
        "Give the top layer the factor twice, as google-research/electra does by "
        "mistake.",
    )
    weight_decay_rate: float = flag(0.01, "Decoupled weight decay.", at_least=0.0)
    hidden_dropout_prob: float = flag(
        0.1, "While learning, whatever pretraining had.", at_least=0.0, at_most=0.9
    )
    attention_probs_dropout_prob: float = flag(
        0.1, "Likewise, of attention.", at_least=0.0, at_most=0.9
    )
    warmup_proportion: float = flag(
        0.1, "Of all steps, the learning rate goes up.", at_least=0.0, at_most=1.0
    )
    num_train_epochs: int = flag(
        0, "The best one on dev counts. 0: the task's own number.", at_least=0
    )
    train_batch_size: int = flag(32, "Rows of an update, all devices.", at_least=1)
    predict_batch_size: int = flag(32, "Rows at a time without learning.", at_least=1)
    max_seq_length: int = flag(
        0, "Tokens with [CLS] and [SEP]. 0: the task's own number.", at_least=0
    )
    compute_dtype: str = flag(
        "auto", "Of activations; auto: bfloat16 on TPUs.", choices=COMPUTE_DTYPES
    )
    doc_stride: int = flag(
        128, "Tokens from one part of a text to the next.", at_least=1
    )
    max_query_length: int = flag(64, "Tokens of a question.", at_least=1)
    n_best_size: int = flag(20, "Answers that are weighed for a question.", at_least=1)
    max_answer_length: int = flag(30, "Tokens of an answer.", at_least=1)
