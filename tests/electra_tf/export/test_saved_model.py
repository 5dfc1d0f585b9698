"""SavedModels: text in, the networks' own numbers out, without this repository."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from helpers import processes, tiny
from tensorflow.core.protobuf import saved_model_pb2

from common.errors import UserError
from data_prep.vocab import vocabulary
from data_prep.vocab.vocabulary import CLS_ID, PAD_ID, SEP_ID, UNK_ID
from electra_tf.model.batch import Inputs
from electra_tf.pretrain.model import PretrainingModel

pytest.importorskip("tensorflow_text", reason="pip install 'korean-electra-tf[text]'")

from electra_tf.export import saved_model
from electra_tf.export.saved_model import Outputs, TextModel
from electra_tf.export.text_input import TextInput

LABELS = "labels"
TEXTS = ["가 각 갂", "", "갃 모름? 간[MASK]\x00", "가 " * 30]
IDS = [[5, 6, 7], [], [8, UNK_ID, UNK_ID, 9, 4], [5] * (tiny.LENGTH - 2)]
# All that another program needs.
SERVE = """
import json
import sys
import numpy as np
import tensorflow as tf
import tensorflow_text
texts = tf.constant([text.encode("utf-8") for text in json.loads(sys.argv[2])])
signatures = tf.saved_model.load(sys.argv[1]).signatures
found = {
    f"{signature}/{name}": value
    for signature, score in signatures.items()
    for name, value in score(text=texts).items()
}
assert not {"data_prep", "electra_tf", "tokenizers"} & sys.modules.keys()
np.savez(sys.argv[3], **found)
"""


class Classifier(tf.Module):
    """A head as fine-tuning gives one."""

    def __init__(self, model: PretrainingModel):
        super().__init__()
        size = model.config.discriminator().hidden_size
        self._model = model
        draws = np.random.default_rng(0).normal(size=[size, 3])
        self.kernel = tf.Variable(draws, dtype=tf.float32)

    def __call__(self, *inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = self._model.hidden_states(Inputs(*inputs))
        return {"probabilities": tf.nn.softmax(hidden[:, 0] @ self.kernel)}


@pytest.fixture(scope="module")
def text_input(tmp_path_factory) -> TextInput:
    folder = tmp_path_factory.mktemp("vocab")
    vocabulary.save(str(folder), tiny.tokens())
    text = (folder / vocabulary.TOKENIZER_FILE).read_text("utf-8")
    return TextInput("tokenizer.json", text, tiny.LENGTH)


@pytest.fixture(scope="module")
def outputs(model) -> dict[str, Outputs]:
    pretrained = saved_model.pretrained_outputs(model)
    return {**pretrained, LABELS: Outputs(Classifier(model))}


@pytest.fixture(scope="module")
def saved_dir(model, text_input, outputs, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("saved")
    vocab_file = folder / vocabulary.VOCAB_FILE
    vocab_file.write_text("".join(token + "\n" for token in text_input.tokens))
    networks = [model, outputs[LABELS].function]
    whole = TextModel(text_input, outputs, networks, str(vocab_file))
    saved_model.save(whole, saved_model.REPLACED_TOKENS, str(folder / "1"))
    return str(folder / "1")


@pytest.fixture(scope="module")
def served(saved_dir, tmp_path_factory) -> dict[str, np.ndarray]:
    """What a process that knows nothing of this repository gets, by signature/name."""
    folder = tmp_path_factory.mktemp("served")
    command = ["-c", SERVE, saved_dir, json.dumps(TEXTS), "found.npz"]
    env = processes.environment(PYTHONPATH=None)
    processes.check(*command, cwd=folder, env=env)
    with np.load(folder / "found.npz", allow_pickle=True) as found:
        return dict(found)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """What the networks read of TEXTS."""
    rows = [[CLS_ID, *row, SEP_ID] for row in IDS]
    ids = np.array(
        [row + [PAD_ID] * (tiny.LENGTH - len(row)) for row in rows], np.int32
    )
    mask = np.array([[1] * len(row) + [0] * (tiny.LENGTH - len(row)) for row in rows])
    return Inputs(*(tf.constant(x, tf.int32) for x in (ids, mask, 0 * ids)))


def test_probabilities_are_the_models(model, served, inputs):
    expected = tf.sigmoid(model.discriminator_logits(inputs)).numpy()
    found = served["replaced_tokens/probability"]
    for row, ids in enumerate(IDS):
        length = len(ids)
        np.testing.assert_allclose(
            found[row, :length], expected[row, 1 : 1 + length], atol=1e-4
        )
        assert not found[row, length:].any()
    assert np.ptp(found[3]) > 0.01  # one token gets other scores at other places


def test_tokens_come_with_their_places(served):
    assert served["replaced_tokens/lengths"].tolist() == [len(ids) for ids in IDS]
    tokens = tiny.tokens()
    for row, (ids, text) in enumerate(zip(IDS, TEXTS, strict=True)):
        length = len(ids)
        names = [token.decode() for token in served["replaced_tokens/tokens"][row]]
        assert names == [tokens[i] for i in ids] + [""] * (len(names) - length)
        assert served["replaced_tokens/text"][row].decode() == text
        starts, ends = (served[f"replaced_tokens/{x}"][row] for x in ("starts", "ends"))
        spans = zip(starts[:length], ends[:length], strict=True)
        found = [text.encode()[start:end].decode() for start, end in spans]
        known = [name for name in names[:length] if name != "[UNK]"]
        assert [word for word in found if word in tokens] == known


def test_embeddings_are_the_models(model, served, inputs):
    hidden = model.hidden_states(inputs).numpy()
    for row, ids in enumerate(IDS):
        mean = hidden[row, : len(ids) + 2].mean(0)
        np.testing.assert_allclose(served["embeddings/mean"][row], mean, atol=1e-4)
        cls = served["embeddings/cls"][row]
        np.testing.assert_allclose(cls, hidden[row, 0], atol=1e-4)


def test_any_function_of_the_inputs_is_served(outputs, served, inputs):
    expected = outputs[LABELS].function(*inputs)["probabilities"].numpy()
    found = served["labels/probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(found, axis=0).max() > 0.1


def test_serving_default_is_the_signature_named(served):
    name = "serving_default/probability"
    np.testing.assert_array_equal(served[name], served["replaced_tokens/probability"])


def test_the_graph_needs_neither_xla_nor_python(saved_dir):
    saved = saved_model_pb2.SavedModel()
    with open(os.path.join(saved_dir, "saved_model.pb"), "rb") as file:
        saved.ParseFromString(file.read())
    functions = saved.meta_graphs[0].graph_def.library.function
    assert len(functions) > 3
    compiled = [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]
    assert not compiled
    ops = {node.op for function in functions for node in function.node_def}
    assert "MatMul" in ops and not {op for op in ops if "PyFunc" in op}


def _samples() -> list[dict]:
    return [{"text": t, "ids": i} for t, i in zip(TEXTS, IDS, strict=True)]


def test_check_passes_what_save_wrote(saved_dir, outputs):
    assert saved_model.check(saved_dir, outputs, _samples(), tiny.LENGTH) < 1e-4


def test_check_finds_other_ids(saved_dir, outputs):
    samples = _samples()
    samples[0]["ids"] = [5, 6, 8]
    with pytest.raises(UserError, match="probability of signature replaced_tokens"):
        saved_model.check(saved_dir, outputs, samples, tiny.LENGTH)


def test_check_finds_other_weights(saved_dir, outputs, model):
    other = PretrainingModel(model.config)
    with pytest.raises(UserError, match="differs from the trained model's by"):
        others = saved_model.pretrained_outputs(other)
        saved_model.check(saved_dir, others, _samples(), tiny.LENGTH)


def test_masked_lm_runs_have_embeddings_alone():
    model = PretrainingModel(tiny.config(electra_objective=False))
    assert list(saved_model.pretrained_outputs(model)) == [saved_model.EMBEDDINGS]
