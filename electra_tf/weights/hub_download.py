"""Models of the Hugging Face Hub -> folders on this machine."""

import os
import re

from absl import logging

from common import files
from common.errors import UserError

# org/name, or org/name@branch, tag or commit
_NAME = re.compile(r"^[\w.-]+/[\w.-]+(@[\w./-]+)?$")
_TEXT = ("*.json", "vocab.txt", "*/vocab.txt")
_SAFETENSORS, _PICKLES = "*model*.safetensors", "*pytorch_model*.bin"


def is_name(path: str) -> bool:
    """Whether this can be the name of a model on the Hub."""
    return bool(_NAME.match(path))


def download(name: str) -> str:
    """Fetches org/name or org/name@revision; returns the folder, kept in a cache.

    Raises:
      UserError: huggingface_hub is not installed, there is no network, or no such
        model.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(
            f"{name} is not a folder here, and fetching it from the Hugging Face Hub "
            "needs huggingface_hub: pip install 'korean-electra-tf[hub]'"
        ) from error
    repository, _, revision = name.partition("@")

    def fetch(*patterns: str) -> str:
        return huggingface_hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=[*_TEXT, *patterns]
        )

    try:
        folder = fetch(_SAFETENSORS)
        depths = (_SAFETENSORS, os.path.join("*", _SAFETENSORS))
        if not any(files.glob(os.path.join(folder, depth)) for depth in depths):
            folder = fetch(_PICKLES)
    # Its errors are OSErrors or ValueErrors, whichever HTTP library it uses.
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{name} is not a folder here, and the Hugging Face Hub did not provide it "
            f"({type(error).__name__}: {reason}). Check the name and the network; "
            "without a network, copy the model's folder here (`hf download "
            f"{repository} --local-dir DIR` elsewhere) and pass --init_from=DIR"
        ) from error
    logging.info("%s is in %s", name, folder)
    return folder
