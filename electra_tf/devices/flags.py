"""The flags that choose the devices; importing them needs no TensorFlow."""

import dataclasses

from common.cli import flag


@dataclasses.dataclass(frozen=True)
class Devices:
    """Devices."""

    strategy: str = flag(
        "auto",
        "Devices to run on; auto takes the best there are.",
        choices=("auto", "cpu", "gpu", "mirrored", "multiworker", "tpu"),
    )
    tpu: str = flag("", "A TPU's name or address; 'local' on a TPU VM.")
    tpu_zone: str = flag("", "Zone of a TPU given by name.")
    gcp_project: str = flag("", "Project of a TPU given by name.")
