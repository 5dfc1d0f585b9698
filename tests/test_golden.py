"""Every number of the recordings of the original, from the masks and samples it drew.

Each *.npz in $ELECTRA_GOLDEN_DIR (default: golden/ beside this file) holds some
optimizer steps of google-research/electra: its batches, masks, samples, and what it
made of them."""

import dataclasses
import itertools
import json
import pathlib
import zlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import GOLDEN

from electra_tf import config as config_lib
from electra_tf import optimizer
from electra_tf.devices import strategies
from electra_tf.devices.flags import Devices
from electra_tf.model.batch import Inputs
from electra_tf.pretrain import compiled_steps, objective
from electra_tf.pretrain.masking import Masked

FILES = sorted(GOLDEN.glob("*.npz"))
FORWARD, UPDATE = 1e-5, 1e-4
FED = {"input_ids", "input_mask", "segment_ids", "masked_ids", "pos", "lm_ids", "w"}
EQUAL = {"mlm_preds", "fake_ids", "is_fake"}


def initial_value(name: str, shape: list[int]) -> np.ndarray:
    """The recordings' rule for variables at the start."""
    seed = zlib.crc32(name.encode()) & 0x7FFFFFFF
    r = np.random.RandomState(seed).standard_normal(shape).astype("float32")
    last = name.rsplit("/", 1)[-1]
    if last == "gamma":
        return 1 + np.float32(0.1) * r
    return np.float32(0.05 if last == "beta" or "bias" in last else 0.08) * r


@dataclasses.dataclass
class Deviations:
    """The largest deviation seen per kind, and its bound."""

    largest: dict[str, float] = dataclasses.field(default_factory=dict)
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)

    def check(
        self, kind: str, ours: np.ndarray, theirs: np.ndarray, bound: float
    ) -> None:
        """Relative to the largest magnitude in `theirs`."""
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        assert ours.shape == theirs.shape, kind
        scale = max(np.abs(theirs).max(initial=0.0), 1e-30)
        found = float(np.abs(ours - theirs).max(initial=0.0) / scale)
        self.largest[kind] = max(found, self.largest.get(kind, 0.0))
        self.bounds[kind] = bound


def test_recordings_are_there():
    assert len(FILES) >= 8, f"no recordings in {GOLDEN}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recording(path: pathlib.Path):
    data = np.load(path)
    meta = json.loads(bytes(data["meta"]))
    hparams = dict(
        meta["hparams"],
        model_hparam_overrides=meta["overrides"],
        vocab_size=meta["vocab"],
        train_batch_size=meta["batch"],
        weight_decay_rate=meta["optimizer"]["weight_decay_rate"],
        lr_decay_power=meta["optimizer"]["lr_decay_power"],
        num_warmup_steps=meta["optimizer"]["warmup_steps"],
        max_predictions_per_seq=meta["max_predictions_per_seq"],
    )
    config = config_lib.from_dict(hparams, path.name)
    run = compiled_steps.Trainer(config, strategies.make_strategy(Devices("cpu")))
    variables = run.model.named_variables
    shapes = {name: variable.shape.as_list() for name, variable in variables.items()}
    assert shapes == {name: list(shape) for name, shape in meta["variables"]}
    for name, variable in variables.items():
        variable.assign(initial_value(name, shapes[name]))

    seen = Deviations()
    for t in range(meta["steps"]):
        recorded = {
            key.split("/", 1)[1]: data[key]
            for key in data.files
            if key.startswith(f"step{t}/")
        }
        check_step(run, meta, meta["start_step"] + t, recorded, seen)
    print(f"\n{path.stem}: largest relative deviations")
    for kind, value in seen.largest.items():
        print(f"  {kind:24} {value:.1e} (at most {seen.bounds[kind]:.0e})")
    wrong = {k: v for k, v in seen.largest.items() if v > seen.bounds[k]}
    assert not wrong


def check_step(run, meta: dict, step: int, recorded: dict, seen: Deviations) -> None:
    order = [name for name, _ in meta["variables"]]
    inputs = Inputs(
        *(tf.constant(recorded[k]) for k in ("input_ids", "input_mask", "segment_ids"))
    )
    masked = Masked(
        input_ids=tf.constant(recorded["masked_ids"]),
        masked_lm_positions=tf.constant(recorded["pos"]),
        masked_lm_ids=tf.constant(recorded["lm_ids"]),
        masked_lm_weights=tf.constant(recorded["w"]),
    )
    sampled = tf.gather(recorded["fake_ids"], recorded["pos"], batch_dims=1)
    denominators = run.replica_step.denominators(inputs, masked)
    with tf.GradientTape() as tape:
        output = objective.forward(run.model, inputs, masked, sampled_ids=sampled)
        loss = objective.loss(output, denominators, run.config)
    variables = list(run.model.named_variables.values())
    raw_gradients = tape.gradient(loss, variables)

    # Unsummed slices stay as they are: the recordings were made without a TPU, where
    # the original clips by the norm of what its gather's gradient gives.
    names = list(run.model.named_variables)
    gradients = {
        name: tf.convert_to_tensor(gradient).numpy()
        for name, gradient in zip(names, raw_gradients, strict=True)
    }
    seen.check("total", loss, recorded["total"], FORWARD)
    mlm_loss = output.mlm_loss / (tf.reduce_sum(masked.masked_lm_weights) + 1e-6)
    seen.check("mlm_loss", mlm_loss, recorded["mlm_loss"], FORWARD)
    seen.check("mlm_per", output.mlm_losses, recorded["mlm_per"], FORWARD)
    assert np.array_equal(np.argmax(output.mlm_logits, -1), recorded["mlm_preds"])
    if "mlm_logits" in recorded:
        seen.check("mlm_logits", output.mlm_logits, recorded["mlm_logits"], FORWARD)
    assert np.array_equal(output.corrupted.input_ids, recorded["fake_ids"])
    assert np.array_equal(output.corrupted.is_fake_tokens, recorded["is_fake"])
    if output.discriminator is not None:
        check_discriminator(output.discriminator, inputs, recorded, seen)

    l2 = [np.linalg.norm(gradients[name].astype(np.float64)) for name in order]
    sums = [gradients[name].astype(np.float64).sum() for name in order]
    seen.check("grad_l2", l2, recorded["grad_l2"], UPDATE)
    seen.check("grad_sum", sums, recorded["grad_sum"], UPDATE)

    update = closest_update(run, raw_gradients, step, order, recorded)
    seen.check("var_l2", list(map(np.linalg.norm, update)), recorded["var_l2"], UPDATE)
    sums = [value.astype(np.float64).sum() for value in update]
    seen.check("var_sum", sums, recorded["var_sum"], UPDATE)
    for value, head in zip(update, recorded["var_head"], strict=True):
        count = min(8, value.size)
        seen.check("var_head", value.ravel()[:count], head[:count], UPDATE)
    assert recorded.keys() <= FED | EQUAL | seen.largest.keys()


def closest_update(
    run, gradients: list, step: int, order: list[str], recorded: dict
) -> list[np.ndarray]:
    """Makes the update with the learning rate the original happened to use.

    Its global_step is a reference variable that nothing orders against its increment,
    so each of the schedule's two factors sees the step before or after it. Which one
    differs from step to step within the recordings.
    """
    # Looked up once: each look-up walks the whole model.
    state, variables = run.checkpoint_variables, run.model.named_variables
    before = {name: variable.numpy() for name, variable in state.items()}
    best = (np.inf, [], {})
    for i, j in itertools.product((1, 0), (1, 0)):
        for name, variable in state.items():
            variable.assign(before[name])
        lr = (
            run.config.learning_rate
            * optimizer.decay_factor(tf.constant(step + i), run.config)
            * optimizer.warmup_factor(tf.constant(step + j), run.config)
        )
        run.replica_step.apply_gradients(gradients, lr)
        values = [variables[name].numpy() for name in order]
        norms = np.array(list(map(np.linalg.norm, values)))
        heads = [value.ravel()[0] for value in values]
        distance = np.abs(heads - recorded["var_head"][:, 0]).sum()
        distance += np.abs(norms - recorded["var_l2"]).sum()
        if distance < best[0]:
            after = {name: variable.numpy() for name, variable in state.items()}
            best = (distance, values, after)
    for name, variable in state.items():
        variable.assign(best[2][name])
    return best[1]


def check_discriminator(
    discriminator: objective.Discriminated,
    inputs: Inputs,
    recorded: dict,
    seen: Deviations,
) -> None:
    tokens = tf.reduce_sum(tf.cast(inputs.input_mask, tf.float32), -1)
    disc_loss = discriminator.loss / (tf.reduce_sum(tokens) + 1e-6)
    seen.check("disc_loss", disc_loss, recorded["disc_loss"], FORWARD)
    probs = tf.sigmoid(discriminator.logits)
    seen.check("disc_probs", probs, recorded["disc_probs"], FORWARD)
    per_row = tf.reduce_sum(discriminator.losses, -1) / (tokens + 1e-6)
    seen.check("disc_per", per_row, recorded["disc_per"], FORWARD)
