"""Fine-tuned models as folders that transformers loads; there is no other form.

Beside transformers' files, finetuning.json holds the task, its labels and how text was
read.
"""

import dataclasses
import os
from typing import Any

import numpy as np

from common import files
from common.errors import UserError
from data_prep.vocab import tokenizer_source
from electra_tf.export import hf_config, hf_folder
from electra_tf.export.hf_config import encoder_config, tokenizer_files
from electra_tf.finetune.kinds.base import Kind
from electra_tf.finetune.kinds.table import KINDS
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.weights.parameter_names import DISCRIMINATOR, parameter, pytorch_name

TASK_FILE = "finetuning.json"
FILES = (
    hf_folder.WEIGHTS_FILE,
    hf_folder.CONFIG_FILE,
    *hf_config.TOKENIZER_FILES,
    TASK_FILE,
)

# The settings that a fine-tuned model keeps.
READING_SETTINGS = (
    "max_seq_length",
    "doc_stride",
    "max_query_length",
    "n_best_size",
    "max_answer_length",
)


@dataclasses.dataclass(frozen=True)
class TaskDescription:
    """The contents of finetuning.json.

    Attributes:
      has_pairs: rows have a second text.
      reading: READING_SETTINGS, by which text is read.
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
    described: TaskDescription,
    tokenizer: tokenizer_source.TokenizerFiles,
) -> None:
    """Writes a folder; finetuning.json comes last.

    Args:
      weights: the model's variables by name, of the epoch to keep.
    """
    state = {
        pytorch_name(name, DISCRIMINATOR): parameter(name, value)
        for name, value in weights.items()
    }
    length = described.reading["max_seq_length"]
    texts = tokenizer_files(tokenizer, length, DISCRIMINATOR)
    hf_folder.write(folder, state, _config(model, described.labels), texts)
    contents = {
        "task": described.task,
        "kind": described.kind.name,
        "labels": list(described.labels),
        "has_pairs": described.has_pairs,
        **described.reading,
    }
    files.write_json(os.path.join(folder, TASK_FILE), contents)


def _config(model: FinetuningModel, labels: tuple[str, ...]) -> dict[str, Any]:
    kind = model.kind
    names = labels or tuple(f"LABEL_{i}" for i in range(kind.num_outputs))
    return {
        "architectures": [kind.architecture],
        "model_type": "electra",
        "embedding_size": model.embedding_size,
        **encoder_config(model.config),
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        **kind.hf_config(model.config),
    }


def read(folder: str) -> TaskDescription:
    """The task of a fine-tuned model.

    Raises:
      UserError: the folder has no fine-tuned model.
    """
    path = os.path.join(folder, TASK_FILE)
    if not files.exists(path):
        raise UserError(
            f"{path} does not exist: pass the folder `model` in an --output_dir of "
            "run_finetuning, which has a fine-tuned model"
        )
    try:
        contents = files.read_json(path)
        return TaskDescription(
            contents["task"],
            KINDS[contents["kind"]],
            tuple(contents["labels"]),
            bool(contents["has_pairs"]),
            {name: int(contents[name]) for name in READING_SETTINGS},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged, or not written by run_finetuning ({error!r}): copy "
            "the folder again"
        ) from error
