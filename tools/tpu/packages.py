"""The packages that TPUs need: which are installed in a fitting version."""

import pathlib
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement  # comes with TensorFlow

from common.errors import UserError
from electra_tf.devices.tpu_node import Finding

ROOT = pathlib.Path(__file__).parents[2]
# File -> how to install its packages.
_REQUIREMENTS = {
    "requirements-tpu.txt": "pip install",
    "requirements-tpu-nodeps.txt": "pip install --no-deps",
}
# Not needed to connect to a TPU elsewhere: plain tensorflow does that, too.
_ONLY_ON_TPU_VMS = ("tensorflow-tpu", "libtpu", "tensorflow-text")


def findings(on_tpu_vm: bool) -> Iterator[Finding]:
    """Findings on Python and on each line of the requirements files."""
    fits = (3, 10) <= sys.version_info[:2] <= (3, 12)
    fix = "" if fits else "make setup-tpu PYTHON=python3.11"
    yield Finding("Python", platform.python_version(), fix)
    for name, pip in _REQUIREMENTS.items():
        for requirement in requirements(ROOT / name):
            if on_tpu_vm or requirement.name not in _ONLY_ON_TPU_VMS:
                yield _finding(requirement, pip)
    plain = installed("tensorflow")
    if on_tpu_vm and plain and installed("tensorflow-tpu"):
        status = f"{plain} has overwritten files of tensorflow-tpu"
        yield Finding("tensorflow", status, "rm -rf .venv-tpu && make setup-tpu")


def requirements(path: pathlib.Path) -> list[Requirement]:
    """The requirements of a file that apply to this Python."""
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = [line.partition("#")[0].strip() for line in lines]
    wanted = [Requirement(text) for text in texts if text]
    return [each for each in wanted if not each.marker or each.marker.evaluate()]


def _finding(wanted: Requirement, pip: str) -> Finding:
    version = installed(wanted.name)
    if version and wanted.specifier.contains(version, prereleases=True):
        return Finding(wanted.name, version)
    status = f"{version}, not {wanted.specifier}" if version else "is missing"
    return Finding(wanted.name, status, f"{pip} '{wanted}'")


def installed(name: str) -> str:
    """A package's version; empty if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def tensorflow_version() -> str:
    """The version of TensorFlow, from either package.

    Raises:
      UserError: neither is installed.
    """
    version = installed("tensorflow-tpu") or installed("tensorflow")
    if not version:
        raise UserError("TensorFlow is not installed: make setup-tpu (on a TPU VM)")
    return version
