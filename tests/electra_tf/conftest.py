"""What is expensive to make, made once."""

import pathlib

import pytest
from helpers import tiny

from common.errors import UserError
from data_prep.vocab import vocabulary
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.export import hf_folder
from electra_tf.pretrain import compiled_steps
from electra_tf.pretrain.model import PretrainingModel

TRAIN_SHARDS = [list(range(10)), list(range(10, 30)), list(range(30, 48))]
EVAL_SHARDS = [[100, 101, 102], [103, 104, 105]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """48 training and 6 held-out records in shards, and their vocabulary. Read-only."""
    folder = tmp_path_factory.mktemp("data")
    tiny.write_data(folder, {"train": TRAIN_SHARDS, "eval": EVAL_SHARDS})
    return folder


@pytest.fixture(scope="session")
def model() -> PretrainingModel:
    """A tiny ELECTRA whose weights are large enough to matter. Read-only."""
    model = PretrainingModel(tiny.config())
    tiny.set_random_values(model.named_variables)
    return model


@pytest.fixture(scope="session")
def exported(model, data_dir, tmp_path_factory) -> pathlib.Path:
    """discriminator/ and generator/ of the model. Read-only."""
    folder = tmp_path_factory.mktemp("exported")
    vocab_file = data_dir / "tfrecords" / vocabulary.VOCAB_FILE
    hf_folder.write_folders(model, str(vocab_file), str(folder))
    return folder


@pytest.fixture(scope="session")
def cpu():
    return strategies.make_strategy(Devices("cpu"))


@pytest.fixture(scope="module")
def untrained(cpu) -> compiled_steps.Trainer:
    """A trainer at its start, with nothing compiled yet."""
    return compiled_steps.Trainer(tiny.config(), cpu)


@pytest.fixture(scope="session")
def bfloat16(cpu) -> str:
    """The name of this type, for tests that multiply in it."""
    try:
        return strategies.resolve_dtype(cpu, "bfloat16")
    except UserError as error:
        pytest.skip(str(error))
