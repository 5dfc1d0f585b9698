"""A fine-tuned model as a signature of a SavedModel: text in, probabilities out.

B rows, T tokens of the longest row, C labels.
"""

import tensorflow as tf

from common.cli import UserError
from electra_tf.export.saved_model import Outputs
from electra_tf.finetune.heads import HEADS
from electra_tf.finetune.model_folder import TaskDescription
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.model.batch import Inputs


def check(described: TaskDescription) -> None:
    """Refuses models that read more than one text.

    Raises:
      UserError: the rows are pairs, or have choices or questions.
    """
    if HEADS[described.kind.name].output is None or described.has_pairs:
        raise UserError(
            f"{described.task} ({described.kind.name}) reads two texts or more, but a "
            "SavedModel's signature reads one: use run_finetuning --mode=predict, or "
            "transformers, which loads the folder"
        )


def outputs(model: FinetuningModel, labels: tuple[str, ...]) -> dict[str, Outputs]:
    """What a fine-tuned model returns, in a signature with the name of its kind.

    `probabilities` and `labels` are [B, C]; `score` is [B]. Tagging returns
    `probabilities` [B, T, C] for each token, of which only those at which a word (or
    another unit that was tagged) begins have been trained.
    """
    output = HEADS[model.kind.name].output

    def compute(input_ids, input_mask, segment_ids) -> dict[str, tf.Tensor]:
        logits = model(Inputs(input_ids, input_mask, segment_ids))
        return {output.name: output.compute(logits)}

    return {model.kind.name: Outputs(compute, output.per_token, labels)}
