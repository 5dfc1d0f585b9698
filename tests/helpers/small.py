"""A small network with the tokenizer of `questions`, and rows of every kind of task."""

import numpy as np

from data_prep.records.ragged import Ragged
from data_prep.vocab import tokenizer_source
from electra_tf.config import TransformerConfig
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.base import Reading
from electra_tf.finetune.kinds.encoding import Features
from electra_tf.finetune.kinds.rows import Answer, Row, Unit
from electra_tf.finetune.model_folder import READING_SETTINGS, TaskDescription
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.pretrained import Pretrained
from electra_tf.finetune.settings import Settings
from helpers import questions, tiny

# No two sizes are equal: a matrix turned or mistaken for another has a wrong shape.
NETWORK = TransformerConfig(
    vocab_size=len(questions.TOKENS),
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.3,
)
EMBEDDING_SIZE = 12
LENGTH = 16

LABELS = {
    kinds.CLASSIFICATION: ("없음", "혐오"),
    kinds.MULTI_LABEL: ("값", "맛", "양"),
    kinds.REGRESSION: (),
    kinds.MULTIPLE_CHOICE: (),
    kinds.TAGGING: ("O", "B-LC", "I-LC"),
    kinds.QUESTION_ANSWERING: (),
}
ROWS = {
    kinds.CLASSIFICATION: [
        Row("a", "서울은 한국의 수도 다 .", label="혐오"),
        Row("b", "부산", label="없음"),
    ],
    kinds.MULTI_LABEL: [
        Row("a", "서울은 한국의 수도 다 .", label=("값", "양")),
        Row("b", "부산", label=()),
    ],
    kinds.REGRESSION: [
        Row("a", "서울은 수도 다", "한국의 수도 ?", label=2.5),
        Row("b", "부산", "서울", label=-1.0),
    ],
    kinds.MULTIPLE_CHOICE: [
        Row("a", "한국의 수도 는", choices=("서울 이 다 .", "부산"), label=0),
        Row("b", "1 2", choices=("3", "a b"), label=1),
    ],
    kinds.TAGGING: [
        Row("a", "서울에 이", label=(Unit(0, 3, "B-LC"), Unit(4, 5, "O"))),
        Row("b", "1", label=(Unit(0, 1, "O"),)),
    ],
    kinds.QUESTION_ANSWERING: [
        Row("a", "한국의 수도 는 서울 이 다", "수도 ?", label=(Answer("서울", 9),)),
        Row("b", "부산 이 다 .", "?", label=(Answer("부산", 0),)),
    ],
}


def tokenizer() -> tokenizer_source.TokenizerFiles:
    text = questions.tokenizer().to_str()
    return tokenizer_source.TokenizerFiles(text, tuple(questions.TOKENS))


def settings(**changes) -> Settings:
    given = {
        "max_seq_length": LENGTH,
        "max_query_length": 4,
        "doc_stride": 4,
        "train_batch_size": 8,
        "predict_batch_size": 8,
        "num_train_epochs": 3,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "compute_dtype": "float32",
    }
    return Settings(**{**given, **changes})


def reading(
    kind: kinds.Kind, labels: tuple[str, ...] | None = None, **changes
) -> Reading:
    labels = LABELS[kind] if labels is None else labels
    return Reading(labels, tokenizer().tokenizer_json, settings(**changes))


def described(kind: kinds.Kind) -> TaskDescription:
    reading = {name: getattr(settings(), name) for name in READING_SETTINGS}
    has_pairs = ROWS[kind][0].text_pair is not None
    return TaskDescription("custom", kind, LABELS[kind], has_pairs, reading)


def pretrained(weights: dict[str, np.ndarray] | None = None) -> Pretrained:
    """In memory; `weights` None gives none at all."""
    return Pretrained(
        "memory", NETWORK, EMBEDDING_SIZE, weights or {}, tokenizer(), None, "0" * 64
    )


def new_model(kind: kinds.Kind, seed: int = 0) -> FinetuningModel:
    return FinetuningModel(kind, NETWORK, EMBEDDING_SIZE, len(LABELS[kind]), seed)


def model(kind: kinds.Kind, seed: int = 0) -> FinetuningModel:
    """With weights large enough that a wrong one shows in the logits."""
    made = new_model(kind, seed)
    tiny.set_random_values(made.named_variables, seed)
    return made


def values(model: FinetuningModel) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in model.named_variables.items()}


def features(rows: list[list[int]], targets, group: int = 1) -> Features:
    """Of sequences of ids, all of segment 0."""
    ids = Ragged.from_rows(rows)
    segments = Ragged(np.zeros(len(ids.values), np.int32), ids.offsets)
    return Features(ids, segments, targets, group)
