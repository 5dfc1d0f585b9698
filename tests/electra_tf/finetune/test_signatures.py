"""What signatures say is what predictions say; several texts are refused."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny

from common.cli import UserError
from electra_tf.finetune import model_folder, signatures
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.model_folder import TaskDescription
from electra_tf.finetune.networks import FinetuningModel

READING = dict.fromkeys(model_folder.READING_SETTINGS, 16)


def model_of(kind: kinds.Kind, outputs: int) -> FinetuningModel:
    model = FinetuningModel(kind, tiny.config().discriminator(), 16, outputs, 0)
    tiny.set_random_values(model.named_variables)
    return model


@pytest.mark.parametrize(
    "kind, shape",
    [
        (kinds.CLASSIFICATION, (2, 3)),
        (kinds.MULTI_LABEL, (2, 3)),
        (kinds.TAGGING, (2, tiny.LENGTH, 3)),
    ],
)
def test_probabilities_are_those_of_predictions(kind, shape):
    model, inputs = model_of(kind, 3), tiny.inputs([16, 9])
    (found,) = signatures.outputs(model, ("a", "b", "c")).values()
    given = found.function(*inputs)["probabilities"].numpy()
    assert given.shape == shape
    np.testing.assert_allclose(
        given, kind.probabilities(model(inputs).numpy()), atol=1e-6
    )
    assert found.per_token == (kind is kinds.TAGGING)
    assert found.labels == ("a", "b", "c")


def test_a_number_has_no_labels():
    model, inputs = model_of(kinds.REGRESSION, 1), tiny.inputs([16, 9])
    found = signatures.outputs(model, ())["regression"]
    assert not found.labels
    tf.debugging.assert_near(found.function(*inputs)["score"], model(inputs))


@pytest.mark.parametrize(
    "task, kind, has_pairs",
    [
        ("korsts", kinds.REGRESSION, True),
        ("kobest_copa", kinds.MULTIPLE_CHOICE, False),
        ("custom", kinds.QUESTION_ANSWERING, True),
        ("custom", kinds.CLASSIFICATION, True),
    ],
)
def test_several_texts_are_refused(task, kind, has_pairs):
    with pytest.raises(UserError, match=f"{task}.*reads two texts or more.*predict"):
        signatures.check(TaskDescription(task, kind, ("0", "1"), has_pairs, READING))


def test_one_text_is_what_a_signature_reads():
    signatures.check(
        TaskDescription("custom", kinds.CLASSIFICATION, ("0", "1"), False, READING)
    )
