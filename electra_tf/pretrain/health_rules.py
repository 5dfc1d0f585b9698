"""Rules that warn about an unhealthy run, judged by the numbers of its log.

Each rule is a function of one interval's metrics and of those of the intervals before
it, oldest first; it returns a warning, or None while the run is healthy.
"""

import math
from collections.abc import Sequence

from electra_tf.config import PretrainingConfig

Metrics = dict[str, float]

# How many intervals back a rule may look.
HISTORY = 10


def binary_entropy(p: float) -> float:
    """Nats: the loss of a discriminator that knows nothing but the replaced rate."""
    if p <= 0.0 or p >= 1.0:
        return 0.0
    return -p * math.log(p) - (1.0 - p) * math.log(1.0 - p)


def first_losses(values: Metrics, config: PretrainingConfig) -> str:
    """The losses before training, and the values that chance gives."""
    chance, weight = math.log(config.discriminator().vocab_size), config.disc_weight
    text = "losses before training (and by chance): generator loss "
    text += f"{values['masked_lm_loss']:.2f} (ln V = {chance:.2f})"
    if "disc_loss" in values:
        loss = values["disc_loss"]
        text += f", discriminator {weight:g} x {loss:.3f} = {weight * loss:.2f} "
        text += f"({weight:g} ln 2 = {weight * math.log(2):.2f})"
    return text


def discriminator_collapse(values: Metrics, history: Sequence[Metrics]) -> str | None:
    """The discriminator calls every token real; its loss is that of guessing."""
    guessing = binary_entropy(values["replaced_rate"])
    if values["disc_recall"] >= 0.01 or values["disc_loss"] < 0.98 * guessing:
        return None
    return (
        f"the discriminator finds {100 * values['disc_recall']:.2f} % of the replaced "
        f"tokens and its loss {values['disc_loss']:.3f} is that of guessing "
        f"({guessing:.3f}, the entropy of the replaced rate): it has learnt nothing "
        "yet. If this persists, lower learning_rate, raise num_warmup_steps, or make "
        "the generator weaker"
    )


def generator_too_strong(values: Metrics, history: Sequence[Metrics]) -> str | None:
    """Most samples are the original token: there is little left to detect."""
    right = values["sampled_masked_lm_accuracy"]
    if right < 0.6 or values["disc_auc"] > 0.75:
        return None
    return (
        f"{100 * right:.0f} % of the generator's samples are the original token and "
        f"the discriminator's AUC is {values['disc_auc']:.2f}: the generator is too "
        "strong. Lower generator_hidden_size or generator_layers, or raise "
        "temperature"
    )


def loss_spike(values: Metrics, history: Sequence[Metrics]) -> str | None:
    """The loss is far above that of the last intervals."""
    losses = [before["loss"] for before in history[-HISTORY:]]
    if len(losses) < HISTORY // 2:
        return None
    mean = sum(losses) / len(losses)
    spread = (sum((loss - mean) ** 2 for loss in losses) / len(losses)) ** 0.5
    if values["loss"] <= mean + max(5.0 * spread, 0.1 * mean):
        return None
    return (
        f"the loss is {values['loss']:.2f}, after a mean of {mean:.2f} over the last "
        f"{len(losses)} intervals. If it does not recover, start a new run with "
        "a lower learning_rate, from an earlier checkpoint (--init_from, --init_step)"
    )


def data_bound(values: Metrics, history: Sequence[Metrics]) -> str | None:
    """The devices wait for records."""
    if values["input_wait_share"] < 0.05:
        return None
    return (
        f"{100 * values['input_wait_share']:.0f} % of the time is spent waiting for "
        "records: move them closer to the devices (same region or a local disk), or "
        "give the input pipeline more CPU cores"
    )


def saving_stalls(values: Metrics, history: Sequence[Metrics]) -> str | None:
    """Training waits for checkpoints."""
    stall = values["checkpoint_stall_seconds"]
    share = stall / (stall + values["interval_seconds"])
    if share < 0.05:
        return None
    return (
        f"{100 * share:.0f} % of the time since the last line was spent waiting for "
        "checkpoints: raise save_checkpoints_steps, or use save_checkpoints_minutes"
    )


def warnings(
    values: Metrics,
    history: Sequence[Metrics],
    config: PretrainingConfig,
    is_first: bool = False,
) -> dict[str, str]:
    """The warnings of one interval, by the rule's name, always in the same order.

    Args:
      values: with the step.
      is_first: of this process, which waits for the first window of records.
    """
    rules = [loss_spike, *([] if is_first else [data_bound]), saving_stalls]
    if "disc_loss" in values and values["step"] > config.num_warmup_steps:
        rules = [discriminator_collapse, generator_too_strong, *rules]
    answers = {rule.__name__: rule(values, history) for rule in rules}
    return {name: warning for name, warning in answers.items() if warning}


class Watch:
    """Warns of a problem once until it is over, also if the run resumes meanwhile."""

    def __init__(self, config: PretrainingConfig, lines: Sequence[Metrics]):
        """lines: those of the log from before this process, oldest first."""
        self._config, self._history = config, []
        self._lasting: dict[str, str] = {}
        for line in lines[-HISTORY - 1 :]:
            self._judge(line)
        self._is_first = True

    def new_warnings(self, line: Metrics) -> dict[str, str]:
        """What the next line of the log newly warns of, by the rule's name."""
        before = self._lasting
        self._judge(line, self._is_first)
        self._is_first = False
        return {
            name: self._lasting[name] for name in self._lasting if name not in before
        }

    def _judge(self, line: Metrics, is_first: bool = False) -> None:
        self._lasting = warnings(line, self._history, self._config, is_first)
        self._history = [*self._history, line][-HISTORY:]


def non_finite(sums: Metrics) -> list[str]:
    """Which of a step's numbers are no longer finite."""
    names = ("mlm_loss", "disc_loss", "grad_norm")
    return [name for name in names if not math.isfinite(sums.get(name, 0.0))]
