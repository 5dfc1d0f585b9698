"""Slices of TPUs by Google's names, and the published figures of their chips."""

import re
from typing import NamedTuple

from common.errors import UserError


class Chip(NamedTuple):
    """One generation; a device is what TensorFlow counts as one replica.

    Clocks: those at which the compiler's cycles give the chip's published peak.
    Memory, bandwidth and links: Google Cloud's pages of the generations, and Jouppi et
    al. 2020, "A Domain-Specific Supercomputer for Training Deep Neural Networks".
    """

    compiled_for: tuple[str, str]  # libtpu's names of a host's slice and chips
    smallest: int  # the sizes of slices are multiples of it
    counted_per_device: int  # a device's part of a slice's size
    devices_per_chip: int
    hbm_gib: int  # of a device
    clock_hz: float
    hbm_bytes_per_second: float  # of a device
    link_bytes_per_second: float  # between two chips, in one direction


# In the slices that steps are compiled for.
_CHIPS_PER_HOST = 4
_V5E = Chip(("v5e:2x2", ""), 1, 1, 1, 16, 1500e6, 819e9, 50e9)
_CHIPS = {
    "v2": Chip(("v2:2x2", ""), 8, 1, 2, 8, 700e6, 350e9, 62e9),
    "v3": Chip(("v3:2x2", ""), 8, 1, 2, 16, 940e6, 450e9, 82e9),
    "v4": Chip(("v4:2x2x1", "megacore"), 8, 2, 1, 32, 1050e6, 1200e9, 50e9),
    "v5e": _V5E,
    "v5litepod": _V5E,
}


class Topology(NamedTuple):
    """A slice by Google's name, such as "v3-8"."""

    name: str
    chip: Chip
    replicas: int

    @property
    def compiled_replicas(self) -> int:
        """The devices that the step is compiled for: one host's, or a single one."""
        on_host = _CHIPS_PER_HOST * self.chip.devices_per_chip
        return on_host if self.replicas >= on_host else 1

    def rows(self, train_batch_size: int) -> int:
        """One replica's share of the batch.

        Raises:
          UserError: the replicas cannot share it equally.
        """
        rows, rest = divmod(train_batch_size, self.replicas)
        if rest:
            near = {rows * self.replicas, (rows + 1) * self.replicas} - {0}
            raise UserError(
                f"train_batch_size={train_batch_size} is not a multiple of the "
                f"{self.replicas} replicas of {self.name}: use "
                f"{' or '.join(map(str, sorted(near)))}"
            )
        return rows

    def all_reduce_seconds(self, num_bytes: float) -> float:
        """The least time for adding up the gradients of all chips.

        Each chip sends 2 (n - 1) / n of the bytes, half over each of two links.
        """
        chips = self.replicas / self.chip.devices_per_chip
        sent = 2 * (chips - 1) / chips * num_bytes
        return sent / (2 * self.chip.link_bytes_per_second)


def parse(name: str) -> Topology:
    """The slice of this name.

    Raises:
      UserError: there is no such slice.
    """
    match = re.fullmatch(r"(v\w+)-(\d+)", name)
    chip = _CHIPS.get(match[1]) if match else None
    if chip is None:
        raise UserError(
            f"--topology={name}: choose one of {', '.join(_CHIPS)} with a size, such "
            "as v3-8 or v5e-4"
        )
    size = int(match[2])
    if not size or size % chip.smallest:
        raise UserError(
            f"--topology={name}: sizes of {match[1]} are multiples of {chip.smallest}"
        )
    return Topology(name, chip, size // chip.counted_per_device)
