"""Exported folders to the Hugging Face Hub: ORG/NAME-discriminator, -generator."""

import dataclasses
import os
import re
from typing import Any

from absl import logging

from common import files
from common.cli import flag
from common.errors import UserError

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Push:
    """Push to the Hugging Face Hub; each folder becomes a repository."""

    push_to_hub: str = flag(
        "", "Push to ORG/NAME-discriminator and -generator; written ORG/NAME."
    )
    push_dry_run: bool = flag(
        False, "With --push_to_hub: only list the files; needs no network."
    )

    def prepare(self) -> None:
        """Refuses what would stop a push, before work is spent.

        Raises:
          UserError: a bad name, nobody is logged in, or the Hub is out of reach.
        """
        if self.push_dry_run and not self.push_to_hub:
            raise UserError("--push_dry_run needs --push_to_hub=ORG/NAME")
        if self.push_to_hub:
            _check_name(self.push_to_hub)
        if self.push_to_hub and not self.push_dry_run:
            _connect()

    def run(self, output_dir: str) -> None:
        """Pushes the folders in `output_dir`, a local one, or lists their files.

        Raises:
          UserError: the Hub refuses or is out of reach; what was pushed stays there.
        """
        if self.push_to_hub:
            push = _log_files if self.push_dry_run else _push
            push(repositories(output_dir, self.push_to_hub))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise UserError(
            f"--push_to_hub={name} must be ORGANISATION/NAME, in letters, digits and "
            "._-; each network's kind is appended, as in NAME-discriminator"
        )


def repositories(output_dir: str, name: str) -> dict[str, str]:
    """The repository of each network's folder in `output_dir`, a local one."""
    return {
        os.path.join(output_dir, kind): f"{name}-{kind.replace('_', '-')}"
        for kind in files.listdir(output_dir)
    }


def _log_files(folders: dict[str, str]) -> None:
    for folder, repository in folders.items():
        for name in files.listdir(folder):
            size = files.size(os.path.join(folder, name))
            logging.info("%s: %s, %d bytes", repository, name, size)


def _connect() -> Any:
    """The Hub's HfApi, logged in."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(
            "pushing needs huggingface_hub: pip install 'korean-electra-tf[hub]', or "
            "pass --push_dry_run"
        ) from error
    api = huggingface_hub.HfApi()
    _ask("asking who is logged in", api.whoami)
    return api


def _push(folders: dict[str, str]) -> None:
    api = _connect()
    # New repositories are private: the licence on the card is still to be filled in.
    for folder, repository in folders.items():
        what = f"pushing {repository}"
        _ask(what, api.create_repo, repository, private=True, exist_ok=True)
        _ask(
            what,
            api.upload_folder,
            repo_id=repository,
            folder_path=folder,
            commit_message="Weights, tokenizer, model card and cleaning function",
        )
        logging.info("%s/%s: pushed", api.endpoint, repository)


def _ask(what: str, call: Any, *args: Any, **options: Any) -> Any:
    """Calls the Hub; turns its many errors into one."""
    from huggingface_hub import errors

    # The second is the error of the HTTP library, which differs between releases.
    unreachable = (OSError, *errors.HfHubHTTPError.__bases__)
    try:
        return call(*args, **options)
    except errors.LocalTokenNotFoundError as error:
        problem, cause = "no token is stored here", error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        problem, cause = f"the Hub answered {status}", error
    except unreachable as error:
        problem, cause = f"the Hub is out of reach ({type(error).__name__})", error
    raise UserError(
        f"{what}: {problem}. Log in with `hf auth login` or set HF_TOKEN to a token "
        "that may write there, check the network, and run the command again; "
        "--push_dry_run lists the files without either"
    ) from cause
