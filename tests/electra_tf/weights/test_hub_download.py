"""Names on the Hub, with and without a network: none is needed here."""

import pathlib

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from common.errors import UserError
from electra_tf.weights import hub_download, read


def test_names_are_told_from_paths():
    for name in ("org/name", "org/name-v3@main", "org/name@refs/pr/1"):
        assert hub_download.is_name(name)
    for path in ("name", "/a/b", "a/b/c", "gs://a/b", "./a/b/"):
        assert not hub_download.is_name(path)


def test_without_a_network_it_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise LocalEntryNotFoundError("Got: ConnectError: Name or service not known\n.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(UserError, match="org/name is not a folder here") as error:
        read.read(["org/name"])
    assert "Name or service not known" in str(error.value)
    assert "hf download org/name --local-dir DIR" in str(error.value)


@pytest.mark.parametrize("has_safetensors", [True, False])
def test_pickles_are_fetched_only_where_there_is_nothing_else(
    has_safetensors, tmp_path, monkeypatch
):
    fetched = []

    def fetch(repository, revision, allow_patterns):
        fetched.append((repository, revision, allow_patterns[-1]))
        if has_safetensors:
            (tmp_path / "discriminator").mkdir()
            (tmp_path / "discriminator" / "model.safetensors").write_bytes(b"")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert pathlib.Path(hub_download.download("org/name@v1")) == tmp_path
    wanted = ["*model*.safetensors", "*pytorch_model*.bin"]
    assert fetched == [
        ("org/name", "v1", pattern) for pattern in wanted[: 2 - has_safetensors]
    ]
