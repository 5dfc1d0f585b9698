"""Files of the original that tests of exports read."""

import pytest
from helpers.originals import files_of, write_vocabulary

from electra_tf.export.flags import TrainedModel


@pytest.fixture
def vocab_file(tmp_path) -> str:
    return write_vocabulary(tmp_path)


@pytest.fixture
def flags(model, tmp_path) -> TrainedModel:
    return files_of(tmp_path, model)
