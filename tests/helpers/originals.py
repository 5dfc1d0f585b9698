"""Small models, and files of the original made of them."""

import json
import pathlib
import re

import numpy as np

from data_prep.vocab import vocabulary
from electra_tf.config import PretrainingConfig
from electra_tf.export.flags import TrainedModel
from electra_tf.pretrain.model import PretrainingModel
from electra_tf.run_folder import tf1_format
from helpers import tiny

# google-research/electra, configure_pretraining.py at commit 8a46635: every name.
HPARAMS = set(
    "debug disallow_correct disc_weight do_eval do_lower_case do_train "
    "electra_objective electric_objective embedding_size eval_batch_size gcp_project "
    "gen_weight generator_hidden_size generator_layers iterations_per_loop "
    "keep_checkpoint_max learning_rate lr_decay_power mask_prob "
    "max_predictions_per_seq max_seq_length model_dir model_hparam_overrides "
    "model_name model_size num_eval_steps num_tpu_cores num_train_steps "
    "num_warmup_steps pretrain_tfrecords results_pkl results_txt "
    "save_checkpoints_steps temperature tpu_job_name tpu_name tpu_zone "
    "train_batch_size two_tower_generator uniform_generator untied_generator "
    "untied_generator_embeddings use_tpu vocab_file vocab_size "
    "weight_decay_rate".split()
)
CONFIGS = {
    "small-like": tiny.config(),
    "base-like": tiny.config(embedding_size=32),
    "ratio 1.0": tiny.config(generator_hidden_size=1.0),
    "tied": tiny.config(untied_generator=False),
    "untied embeddings": tiny.config(untied_generator_embeddings=True),
    "uniform": tiny.config(uniform_generator=True),
    "masked LM": tiny.config(electra_objective=False, embedding_size=32),
    "other sizes": tiny.config(
        {"intermediate_size": 56, "num_hidden_layers": 4, "type_vocab_size": 3},
        generator_layers=0.5,
    ),
}
# Hyperparameters that shapes do not show.
STATED = {
    "small-like": {"model_hparam_overrides": {"num_attention_heads": 2}},
    "uniform": {"uniform_generator": True},
}
LENGTH = {"max_seq_length": tiny.LENGTH}


def make_model(config: PretrainingConfig) -> PretrainingModel:
    model = PretrainingModel(config)
    tiny.set_random_values(model.named_variables)
    return model


def write(
    folder: pathlib.Path, model: PretrainingModel, drop: str = "$^", **more
) -> str:
    """A checkpoint of the model's variables but those that `drop` matches."""
    values = {n: v for n, v in model.named_variables.items() if not re.match(drop, n)}
    prefix = str(folder / "model.ckpt-20")
    tf1_format.write(prefix, {**values, **more})
    return prefix


def slots(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {
        f"{name}/adam_{slot}": np.full(variable.shape, fill, np.float32)
        for name, variable in model.named_variables.items()
        for slot, fill in (("m", 0.5), ("v", 0.25))
    }


def values(model: PretrainingModel) -> dict[str, np.ndarray]:
    return {name: v.numpy() for name, v in model.named_variables.items()}


def write_vocabulary(folder: pathlib.Path) -> str:
    path = folder / vocabulary.VOCAB_FILE
    path.write_text("".join(t + "\n" for t in tiny.tokens()), encoding="utf-8")
    return str(path)


def files_of(folder: pathlib.Path, model: PretrainingModel) -> TrainedModel:
    """The original's files of a model, with slots, as flags name them."""
    more = slots(model) | {"global_step": np.int64(20)}
    return TrainedModel(
        tf1_checkpoint=write(folder, model, **more),
        hparams=json.dumps(LENGTH | STATED["small-like"]),
        vocab_file=write_vocabulary(folder),
    )
