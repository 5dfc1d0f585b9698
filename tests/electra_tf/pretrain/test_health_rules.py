"""Each rule speaks where it should, and not on a healthy run."""

import math

import pytest
from helpers import tiny

from electra_tf.pretrain import health_rules

CONFIG = tiny.config(num_warmup_steps=100)
# As small has them after 100,000 steps or so.
HEALTHY = {
    "step": 5_000,
    "loss": 14.0,
    "masked_lm_loss": 2.4,
    "disc_loss": 0.23,
    "disc_auc": 0.93,
    "disc_recall": 0.45,
    "replaced_rate": 0.085,
    "sampled_masked_lm_accuracy": 0.4,
    "input_wait_share": 0.001,
    "checkpoint_stall_seconds": 0.1,
    "interval_seconds": 60.0,
}


def warnings(history=(), is_first=False, **changes) -> dict[str, str]:
    before = [HEALTHY | {"loss": loss} for loss in history]
    return health_rules.warnings(HEALTHY | changes, before, CONFIG, is_first)


def test_healthy_run_gets_no_warning():
    assert warnings([14.1, 13.9, 14.3, 14.0, 13.8]) == {}


def test_collapsed_discriminator():
    guessing = health_rules.binary_entropy(0.085)
    collapsed = {"disc_recall": 0.0, "disc_loss": guessing, "disc_auc": 0.5}
    text = warnings(**collapsed)["discriminator_collapse"]
    assert "0.00 % of the replaced" in text and f"{guessing:.3f}" in text
    assert warnings(**collapsed, step=100) == {}  # the warm-up is not over
    assert warnings(**collapsed | {"disc_loss": 0.9 * guessing}) == {}
    assert warnings(**collapsed | {"disc_recall": 0.05}) == {}


def test_generator_too_strong():
    strong = {"sampled_masked_lm_accuracy": 0.7, "disc_auc": 0.6}
    text = warnings(**strong)["generator_too_strong"]
    assert "70 % of the generator's samples" in text
    assert warnings(**strong | {"disc_auc": 0.9}) == {}
    assert warnings(**strong, step=50) == {}


@pytest.mark.parametrize(
    ("history", "loss", "is_spike"),
    [
        ([14.0] * 5, 15.5, True),
        ([14.0] * 5, 15.3, False),  # within a tenth
        ([10.0, 18.0] * 3, 20.0, False),  # the losses vary that much
        ([14.0] * 4, 99.0, False),  # too few to compare with
        ([99.0] + [14.0] * 10, 15.5, True),  # only the last ones count
    ],
)
def test_loss_spike(history, loss, is_spike):
    assert ("loss_spike" in warnings(history, loss=loss)) == is_spike


def test_data_bound():
    assert "12 % of the time" in warnings([14.0], input_wait_share=0.12)["data_bound"]
    assert warnings([14.0], input_wait_share=0.04) == {}
    assert warnings([14.0], is_first=True, input_wait_share=0.12) == {}


def test_saving_stalls():
    assert "10 % of the time" in warnings(checkpoint_stall_seconds=6.7)["saving_stalls"]
    assert warnings(checkpoint_stall_seconds=2.0) == {}


def test_masked_lm_alone_has_no_discriminator_to_judge():
    values = {name: v for name, v in HEALTHY.items() if not name.startswith("disc_")}
    assert health_rules.warnings(values, [], CONFIG) == {}


def test_entropy():
    assert health_rules.binary_entropy(0.5) == pytest.approx(math.log(2))
    assert health_rules.binary_entropy(0.0) == health_rules.binary_entropy(1.0) == 0.0


def test_first_losses_stand_beside_chance():
    text = health_rules.first_losses({"masked_lm_loss": 3.7, "disc_loss": 0.69}, CONFIG)
    assert "generator loss 3.70 (ln V = 3.69)" in text
    assert "50 x 0.690 = 34.50 (50 ln 2 = 34.66)" in text
    assert "discriminator" not in health_rules.first_losses(
        {"masked_lm_loss": 3.7}, CONFIG
    )


def test_non_finite_parts_are_named():
    sums = {"mlm_loss": 1.0, "disc_loss": math.nan, "grad_norm": math.inf}
    assert health_rules.non_finite(sums) == ["disc_loss", "grad_norm"]
    assert health_rules.non_finite({"mlm_loss": 1.0, "grad_norm": 0.0}) == []
