"""The arithmetic of a training step, and the peak speed of devices.

Only matrix products are counted, 2 m n k each; a step is a forward pass and a backward
pass of twice its cost.
"""

from electra_tf.config import PretrainingConfig, TransformerConfig

# Peak FLOP/s of one TensorFlow device (half a chip of TPU v2 or v3), from the makers'
# data sheets: in bfloat16, and for float32 as TensorFlow multiplies it: TF32 on Ampere
# and later, bfloat16 on TPUs.
_PEAKS = {
    "v2": (22.5e12, 22.5e12),
    "v3": (61.5e12, 61.5e12),
    "v4": (275e12, 275e12),
    "v5litepod": (197e12, 197e12),
    "v5e": (197e12, 197e12),
    "v5p": (459e12, 459e12),
    "v6e": (918e12, 918e12),
    "V100": (15.7e12, 15.7e12),
    "A100": (312e12, 156e12),
    "H100 PCIe": (756e12, 378e12),
    "H100": (989e12, 494e12),
    "H200": (989e12, 494e12),
    "L4": (121e12, 60e12),
}


def peak(device_kind: str, compute_dtype: str) -> float | None:
    """FLOP/s of a GPU of this name, or of a TPU such as "v3-8"; None if unknown."""
    words = device_kind.replace("-", " ").split()
    for name, (bfloat16, float32) in _PEAKS.items():
        if all(part in words for part in name.split()):
            return bfloat16 if compute_dtype == "bfloat16" else float32
    return None


def encoder_flops(config: TransformerConfig, in_size: int, length: int) -> float:
    """A forward pass over one row of `length` tokens."""
    hidden, inner = config.hidden_size, config.intermediate_size
    project = 2 * in_size * hidden if in_size != hidden else 0
    products = 2 * (4 * hidden**2 + 2 * hidden * inner)
    attention = 2 * 2 * length * hidden
    return length * (project + config.num_hidden_layers * (products + attention))


def train_step_flops(config: PretrainingConfig) -> float:
    """Forward and backward over the whole batch."""
    row = _generator_flops(config)
    if config.has_discriminator:
        full = config.discriminator()
        length, hidden = config.max_seq_length, full.hidden_size
        row += encoder_flops(full, config.resolved_embedding_size, length)
        row += length * 2 * (hidden**2 + hidden)
    return 3.0 * row * config.train_batch_size


def _generator_flops(config: PretrainingConfig) -> float:
    """A forward pass of the generator over one row."""
    if config.uniform_generator:
        return 0.0
    is_small, size = config.uses_small_generator, config.generator_embedding_size
    net = config.generator() if is_small else config.discriminator()
    length = config.max_seq_length
    towers, slots = 1, config.max_predictions_per_seq
    if config.electric_objective:
        towers, slots = 2, length
    head = 2 * (towers * net.hidden_size * size + size * net.vocab_size)
    return towers * encoder_flops(net, size, length) + slots * head
