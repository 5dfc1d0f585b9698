"""The original's optimizer: Adam, no bias correction, decoupled weight decay."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import tensorflow as tf

from electra_tf.config import PretrainingConfig
from electra_tf.model.compiled_ops import compiled

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-6

# Decay groups: exactly one pattern must match each variable's name.
_NO_DECAY = re.compile("LayerNorm|layer_norm|bias")
_DECAY = re.compile(r"^(?!.*(LayerNorm|layer_norm)).*(/kernel|_embeddings)$")


def decays(name: str) -> bool:
    """Whether weight decay applies to the variable of this name.

    Raises:
      ValueError: it is in no decay group, or in both.
    """
    groups = [bool(_DECAY.search(name)), bool(_NO_DECAY.search(name))]
    if sum(groups) != 1:
        raise ValueError(
            f"variable {name!r} is in {sum(groups)} decay groups, not in one: "
            f"{_DECAY.pattern!r} decays, {_NO_DECAY.pattern!r} does not"
        )
    return groups[0]


class Schedule(NamedTuple):
    """The fields of a config that decide the learning rate."""

    learning_rate: float
    num_train_steps: int
    num_warmup_steps: int
    lr_decay_power: float = 1.0
    warmup_again_at: int = 0


def decay_factor(step: tf.Tensor, schedule: Schedule | PretrainingConfig) -> tf.Tensor:
    """(1 - step/N)^power: 1 at the start, 0 at num_train_steps and after."""
    total = float(schedule.num_train_steps)
    rest = 1.0 - tf.minimum(tf.cast(step, tf.float32), total) / total
    return rest**schedule.lr_decay_power


def warmup_factor(step: tf.Tensor, schedule: Schedule | PretrainingConfig) -> tf.Tensor:
    """min(1, step/warmup): 0 at step 0."""
    steps = float(schedule.num_warmup_steps)
    return tf.minimum(1.0, tf.cast(step, tf.float32) / steps) if steps else tf.ones([])


def learning_rate(step: tf.Tensor, schedule: Schedule | PretrainingConfig) -> tf.Tensor:
    """Decay and warm-up multiply: the original applies both at once.

    From the step warmup_again_at on there is a second warm-up, if it is not 0.

    Args:
      step: integer [], the number of updates made before this one.
    """
    decay = decay_factor(step, schedule)
    rate = schedule.learning_rate * decay * warmup_factor(step, schedule)
    if not (begin := schedule.warmup_again_at):
        return rate
    return tf.where(step < begin, rate, rate * warmup_factor(step - begin, schedule))


def layerwise_rates(
    names: Iterable[str], num_layers: int, decay: float, double_top_decay: bool = False
) -> list[float]:
    """decay^depth per variable, a factor of the learning rate.

    Depth counts downwards: 0 above the encoder, 1 for its top layer, num_layers + 1 for
    the embeddings. `double_top_decay` repeats a mistake of the original: the encoder
    and the embeddings are one deeper, so the top layer is at 2. A decay of 0 gives all
    layers the same rate, as in the original.
    """

    def depth(name: str) -> int:
        layer = re.search(r"/encoder/layer_(\d+)/", name)
        if layer:
            return num_layers - int(layer[1]) + double_top_decay
        is_embedding = re.search("/embeddings(_project)?/", name)
        return num_layers + 1 + double_top_decay if is_embedding else 0

    return [(decay or 1.0) ** depth(name) for name in names]


class AdamWeightDecay:
    """m and v slots under `<name>/adam_m` and `<name>/adam_v`.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
    p = p - lr * rate * (m / (sqrt(v) + epsilon) + weight_decay_rate * p)
    """

    def __init__(
        self,
        variables: dict[str, tf.Variable],
        weight_decay_rate: float,
        rates: Sequence[float] | None = None,
    ):
        """rates: a factor of the learning rate per variable, from `layerwise_rates`."""
        decay = [weight_decay_rate if decays(name) else 0.0 for name in variables]
        rates = [1.0] * len(variables) if rates is None else rates
        m, v = (
            [
                tf.Variable(tf.zeros(p.shape), name=f"{name}/{kind}", trainable=False)
                for name, p in variables.items()
            ]
            for kind in ("adam_m", "adam_v")
        )
        self.named_slots = {slot.name.split(":")[0]: slot for slot in m + v}
        self._per_variable = list(
            zip(variables.values(), m, v, decay, rates, strict=True)
        )

    def apply(self, gradients: Sequence[tf.Tensor], lr: tf.Tensor) -> None:
        """One update, from the final gradients; call it in a replica's step.

        Args:
          gradients: one per variable, in their order, equal on all replicas.
        """
        tf.distribute.get_replica_context().merge_call(
            self._apply_everywhere, args=(list(gradients), lr)
        )

    def _apply_everywhere(self, strategy, gradients: list, lr) -> None:
        for own, gradient in zip(self._per_variable, gradients, strict=True):
            variable, m, v, decay, rate = own
            args = (m, v, gradient, lr, decay, rate)
            strategy.extended.update(variable, _update, args=args, group=False)


def _update(variable, m, v, gradient, lr, decay: float, rate: float) -> None:
    values = _updated(
        *map(tf.convert_to_tensor, (variable, m, v, gradient)),
        lr * rate,
        tf.constant(decay),
    )
    for state, value in zip((variable, m, v), values, strict=True):
        state.assign(value)


@compiled
def _updated(p, m, v, gradient, lr: tf.Tensor, decay: tf.Tensor):
    # Not TensorFlow's fused Adam: it rounds 1 - b2 to float32, which changes the update
    # by 2e-5 of its size.
    m = _BETA_1 * m + (1.0 - _BETA_1) * gradient
    v = _BETA_2 * v + (1.0 - _BETA_2) * tf.square(gradient)
    return p - lr * (m / (tf.sqrt(v) + _EPSILON) + decay * p), m, v
