"""Networks and losses against transformers', read from the folder that is written."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from helpers import small

from common.errors import UserError
from electra_tf.finetune import heads, model_folder
from electra_tf.finetune.kinds import table as kinds
from electra_tf.finetune.kinds.tagging import NO_LABEL
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.model.batch import Inputs
from electra_tf.weights.parameter_names import DISCRIMINATOR, pytorch_name

VERIFY = "pip install 'korean-electra-tf[verify]'"
torch = pytest.importorskip("torch", reason=VERIFY)
transformers = pytest.importorskip("transformers", reason=VERIFY)
pytestmark = pytest.mark.usefixtures("plain")
KINDS = pytest.mark.parametrize("both", kinds.KINDS.values(), ids=str, indirect=True)
# What stands for no label there.
_IGNORED = -100


class Both(NamedTuple):
    """A model, and what transformers makes of its folder."""

    path: str
    ours: FinetuningModel
    theirs: transformers.PreTrainedModel
    info: dict


@pytest.fixture(scope="module")
def both(request, tmp_path_factory) -> Both:
    kind = request.param
    path = str(tmp_path_factory.mktemp("folder"))
    ours = small.model(kind)
    weights = small.values(ours)
    model_folder.write(path, ours, weights, small.described(kind), small.tokenizer())
    architecture = getattr(transformers, kind.architecture)
    theirs, info = architecture.from_pretrained(path, output_loading_info=True)
    return Both(path, ours, theirs.eval(), info)


def rows(lengths: list[int], padded_to: int) -> Inputs:
    """Random ids in two segments."""
    rng = np.random.RandomState(0)
    mask = (np.arange(padded_to) < np.array(lengths)[:, None]).astype(np.int32)
    ids = rng.randint(5, small.NETWORK.vocab_size, [len(lengths), 16])
    ids = np.pad(ids, [[0, 0], [0, 16]])[:, :padded_to] * mask
    segments = (np.arange(padded_to) > 2) * mask
    return Inputs(*(tf.constant(x, tf.int32) for x in (ids, mask, segments)))


def targets(kind: kinds.Kind, length: int) -> np.ndarray:
    """For four rows, or two of two choices."""
    return {
        kinds.CLASSIFICATION: np.int32([1, 0, 1, 1]),
        kinds.MULTI_LABEL: np.float32([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]),
        kinds.REGRESSION: np.float32([0.5, -2.0, 3.0, 0.0]),
        kinds.MULTIPLE_CHOICE: np.int32([1, 0]),
        kinds.TAGGING: np.arange(4 * length, dtype=np.int32).reshape(4, -1) % 4 - 1,
        kinds.QUESTION_ANSWERING: np.int32([[0, 0], [2, 4], [3, 3], [1, length - 1]]),
    }[kind]


def loss_there(both: Both, inputs: Inputs, target: np.ndarray) -> torch.Tensor:
    """transformers' own loss; of TAGGING the mean of the rows' losses."""
    kind, net = both.ours.kind, both.theirs
    ids, mask, segments = (torch.tensor(x.numpy()).long() for x in inputs)
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    goal = torch.tensor(target if target.dtype == np.float32 else target.astype(int))
    if kind is kinds.QUESTION_ANSWERING:
        starts, ends = goal.unbind(-1)
        return net(**given, start_positions=starts, end_positions=ends).loss
    if kind is kinds.MULTIPLE_CHOICE:
        given = {name: x.reshape(2, 2, -1) for name, x in given.items()}
    if kind is not kinds.TAGGING:
        return net(**given, labels=goal).loss
    goal = torch.where(goal == NO_LABEL, _IGNORED, goal)
    each = [
        net(**{n: x[i : i + 1] for n, x in given.items()}, labels=goal[i : i + 1]).loss
        for i in range(len(goal))
    ]
    return torch.stack(each).mean()


def logits_there(both: Both, inputs: Inputs) -> np.ndarray:
    """[B], [B, C] or [B, L, C]."""
    ids, mask, segments = (torch.tensor(x.numpy()).long() for x in inputs)
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    kind = both.ours.kind
    if kind is kinds.MULTIPLE_CHOICE:
        given = {name: x[:, None] for name, x in given.items()}
    with torch.no_grad():
        found = both.theirs(**given)
    if kind is kinds.QUESTION_ANSWERING:
        return torch.stack([found.start_logits, found.end_logits], -1).numpy()
    is_number = kind in (kinds.REGRESSION, kinds.MULTIPLE_CHOICE)
    return found.logits[:, 0].numpy() if is_number else found.logits.numpy()


def test_each_kind_has_a_head():
    assert heads.HEADS.keys() == kinds.KINDS.keys()


@KINDS
def test_transformers_finds_every_parameter_and_no_other(both):
    found = {name: list(keys) for name, keys in both.info.items() if keys}
    assert found == {}
    theirs = sum(parameter.numel() for parameter in both.theirs.parameters())
    assert theirs == sum(v.shape.num_elements() for v in both.ours.variables)


@KINDS
def test_logits_are_those_of_transformers(both):
    inputs = rows([10, 4, 7, 1], padded_to=10)
    ours = both.ours(inputs).numpy()
    theirs = logits_there(both, inputs)
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    is_real = inputs.input_mask.numpy() > 0 if ours.ndim == 3 else slice(None)
    np.testing.assert_allclose(ours[is_real], theirs[is_real], atol=1e-4)
    assert np.ptp(ours[is_real], axis=0).min() > 1e-2  # rows are told apart


@KINDS
def test_losses_are_those_of_transformers(both):
    inputs = rows([10] * 4, padded_to=10)
    target = targets(both.ours.kind, 10)
    logits = both.ours(inputs)
    found = both.ours.losses(logits, tf.constant(target), inputs.input_mask)
    assert found.shape == [len(target)]
    expected = loss_there(both, inputs, target).item()
    assert float(tf.reduce_mean(found)) == pytest.approx(expected, rel=1e-5)


@KINDS
def test_padding_changes_neither_logits_nor_losses(both):
    kind, lengths = both.ours.kind, [10, 6, 9, 10]
    found = []
    for length in (10, 14):
        inputs = rows(lengths, padded_to=length)
        target = targets(kind, 10)
        if kind is kinds.TAGGING:
            target = np.where(np.arange(10) < np.array(lengths)[:, None], target, -1)
            target = np.pad(target, [[0, 0], [0, length - 10]], constant_values=-1)
        logits = both.ours(inputs)
        loss = both.ours.losses(logits, tf.constant(target), inputs.input_mask)
        is_real = inputs.input_mask.numpy() > 0 if len(logits.shape) == 3 else ...
        found.append((logits.numpy()[is_real], loss.numpy()))
    for short, long in zip(*found, strict=True):
        np.testing.assert_allclose(long, short, rtol=1e-5, atol=1e-5)


def test_a_row_without_a_labelled_token_has_no_loss():
    target, mask = tf.fill([2, 3], NO_LABEL), tf.ones([2, 3], tf.int32)
    found = heads.tag_loss(tf.random.normal([2, 3, 4]), target, mask)
    assert found.numpy().tolist() == [0.0, 0.0]


@KINDS
def test_the_folder_says_what_outputs_mean_and_how_text_is_read(both):
    kind, config = both.ours.kind, both.theirs.config
    if small.LABELS[kind]:
        assert config.id2label == dict(enumerate(small.LABELS[kind]))
        assert config.label2id == {n: i for i, n in config.id2label.items()}
    assert model_folder.read(both.path) == small.described(kind)
    tokenizer = transformers.AutoTokenizer.from_pretrained(both.path)
    assert tokenizer.model_max_length == small.LENGTH
    row = small.ROWS[kinds.REGRESSION][0]
    regression = kinds.REGRESSION
    ours = regression.prepare(small.reading(regression), [row]).features
    theirs = tokenizer(row.text, row.text_pair)
    assert theirs["input_ids"] == ours.input_ids.values.tolist()
    assert theirs["token_type_ids"] == ours.segment_ids.values.tolist()


@KINDS
def test_gradients_are_those_of_transformers(both):
    kind, inputs = both.ours.kind, rows([10] * 4, padded_to=10)
    target = targets(kind, 10)
    variables = both.ours.named_variables
    with tf.GradientTape() as tape:
        logits = both.ours(inputs)
        each = both.ours.losses(logits, tf.constant(target), inputs.input_mask)
        loss = tf.reduce_mean(each)
    found = tape.gradient(loss, list(variables.values()))
    both.theirs.zero_grad()
    loss_there(both, inputs, target).backward()
    expected = dict(both.theirs.named_parameters())
    for name, gradient in zip(variables, found, strict=True):
        theirs = expected[pytorch_name(name, DISCRIMINATOR)].grad.numpy()
        theirs = theirs.T if name.endswith("/kernel") else theirs
        ours = tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist: pass the folder `model`"),
        ('{"task": "nsmc"}', "is damaged, or not written by run_finetuning"),
        ('{"task": "t", "kind": "none", "labels": []}', "is damaged, or not"),
    ],
)
def test_a_folder_of_no_fine_tuned_model_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / model_folder.TASK_FILE).write_text(text)
    with pytest.raises(UserError, match=message):
        model_folder.read(str(tmp_path))
