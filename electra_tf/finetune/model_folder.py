"""Fine-tuned models as folders that transformers loads; the one form they are kept in.

Beside transformers' files, finetuning.json says what the outputs mean and how text
was read.
"""

import dataclasses
import os
from typing import Any

import numpy as np
from safetensors.numpy import save

from common import files
from common.cli import UserError
from data_prep.vocab import tokenizer_source
from electra_tf.export.hf_config import encoder_config, tokenizer_files
from electra_tf.export.hf_folder import WEIGHTS_FILE
from electra_tf.finetune.data.rows import Kind
from electra_tf.finetune.kinds.heads import num_outputs
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.start import Start
from electra_tf.weights.parameter_names import DISCRIMINATOR, parameter, pytorch_name

TASK_FILE = "finetuning.json"

ARCHITECTURES = {
    Kind.CLASSIFICATION: "ElectraForSequenceClassification",
    Kind.MULTI_LABEL: "ElectraForSequenceClassification",
    Kind.REGRESSION: "ElectraForSequenceClassification",
    Kind.MULTIPLE_CHOICE: "ElectraForMultipleChoice",
    Kind.TAGGING: "ElectraForTokenClassification",
    Kind.QUESTION_ANSWERING: "ElectraForQuestionAnswering",
}
_PROBLEM_TYPES = {
    Kind.CLASSIFICATION: "single_label_classification",
    Kind.MULTI_LABEL: "multi_label_classification",
    Kind.REGRESSION: "regression",
}
# What of the settings a fine-tuned model goes on with.
READING = (
    "max_seq_length",
    "doc_stride",
    "max_query_length",
    "n_best_size",
    "max_answer_length",
)


@dataclasses.dataclass(frozen=True)
class Described:
    """What finetuning.json says.

    Attributes:
      has_pairs: rows have a second text.
      reading: settings by which text is read.
    """

    task: str
    kind: Kind
    labels: tuple[str, ...]
    has_pairs: bool
    reading: dict[str, int]


def write(
    folder: str,
    model: FinetuningModel,
    weights: dict[str, np.ndarray],
    described: Described,
    tokenizer: tokenizer_source.Source,
) -> None:
    """Writes a folder; finetuning.json comes last.

    Args:
      weights: the model's variables by name, of the epoch that is to be kept.
    """
    files.makedirs(folder)
    state = {
        pytorch_name(name, DISCRIMINATOR): parameter(name, value)
        for name, value in weights.items()
    }
    with files.atomic_writer(os.path.join(folder, WEIGHTS_FILE)) as handle:
        handle.write(save(state, metadata={"format": "pt"}))
    config = _config(model, described.labels)
    files.write_json(os.path.join(folder, "config.json"), config)
    length = described.reading["max_seq_length"]
    texts = tokenizer_files(tokenizer, length, DISCRIMINATOR)
    for name, text in texts.items():
        files.write_text(os.path.join(folder, name), text)
    said = {
        "task": described.task,
        "kind": described.kind.value,
        "labels": list(described.labels),
        "has_pairs": described.has_pairs,
        **described.reading,
    }
    files.write_json(os.path.join(folder, TASK_FILE), said)


def _config(model: FinetuningModel, labels: tuple[str, ...]) -> dict[str, Any]:
    kind = model.kind
    names = labels or tuple(f"LABEL_{i}" for i in range(num_outputs(kind, 0)))
    config = {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": "electra",
        "embedding_size": model.embedding_size,
        **encoder_config(model.config),
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }
    if kind in _PROBLEM_TYPES:
        config["problem_type"] = _PROBLEM_TYPES[kind]
    if kind is Kind.MULTIPLE_CHOICE:
        config |= {
            "summary_type": "first",
            "summary_use_proj": True,
            "summary_activation": "gelu",
            "summary_last_dropout": model.config.hidden_dropout_prob,
        }
    return config


def read(folder: str) -> Described:
    """What a fine-tuned model is for.

    Raises:
      UserError: no fine-tuned model is there.
    """
    path = os.path.join(folder, TASK_FILE)
    if not files.exists(path):
        raise UserError(
            f"{path} does not exist: name the folder `model` in an --output_dir of "
            "run_finetuning, which holds a fine-tuned model"
        )
    try:
        found = files.read_json(path)
        return Described(
            found["task"],
            Kind(found["kind"]),
            tuple(found["labels"]),
            bool(found["has_pairs"]),
            {name: int(found[name]) for name in READING},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not as run_finetuning writes it ({error!r}): copy the folder "
            "again"
        ) from error


def make_model(
    described: Described, start: Start, seed: int = 0, **changes: Any
) -> FinetuningModel:
    """A network of that kind, with random weights."""
    return FinetuningModel(
        described.kind,
        start.network,
        start.embedding_size,
        num_outputs(described.kind, len(described.labels)),
        seed,
        **changes,
    )
