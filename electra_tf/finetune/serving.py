"""Fine-tuned models as signatures of a SavedModel: text in, probabilities out.

B rows, T tokens of the longest row, C labels.
"""

import tensorflow as tf

from common.cli import UserError
from electra_tf.export.saved_model import Outputs
from electra_tf.finetune.data.rows import Kind
from electra_tf.finetune.model_folder import Described
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.model.batch import Inputs

_NO_SIGNATURE = (Kind.MULTIPLE_CHOICE, Kind.QUESTION_ANSWERING)


def check(described: Described) -> None:
    """Refuses what reads more than one text.

    Raises:
      UserError: choices, answers to questions, or pairs.
    """
    if described.kind in _NO_SIGNATURE or described.has_pairs:
        raise UserError(
            f"{described.task} ({described.kind.value}) reads two texts or more, a "
            "SavedModel's signature one: use run_finetuning --mode=predict, or "
            "transformers, which loads the folder"
        )


def outputs(model: FinetuningModel, labels: tuple[str, ...]) -> dict[str, Outputs]:
    """What a fine-tuned model has to say; the signature has the name of its kind.

    `probabilities` and `labels` are [B, C]; `score` [B] of REGRESSION. TAGGING has
    `probabilities` [B, T, C] of the label of each token, of which those count with
    which a word, or what else was tagged, begins.
    """

    def found(input_ids, input_mask, segment_ids) -> dict[str, tf.Tensor]:
        logits = model(Inputs(input_ids, input_mask, segment_ids))
        if model.kind is Kind.REGRESSION:
            return {"score": logits}
        share = tf.sigmoid if model.kind is Kind.MULTI_LABEL else tf.nn.softmax
        return {"probabilities": share(logits)}

    return {model.kind.value: Outputs(found, model.kind is Kind.TAGGING, labels)}
