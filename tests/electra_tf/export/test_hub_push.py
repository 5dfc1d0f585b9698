"""Pushing folders, to a stand-in for the Hub on this machine."""

import base64
import functools
import http.server
import json
import logging
import pathlib
import re
import threading

import huggingface_hub
import pytest

from common.errors import UserError
from electra_tf.export.hub_push import Push, repositories

API = huggingface_hub.HfApi
TOKEN = "hf_not_to_be_seen"
FILES = {
    "config.json": b'{"a": 1}',
    "README.md": b"# A model\n",
    "vocab.txt": b"[PAD]\n",
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks, and keeps the files it is sent."""

    repositories: dict[str, dict[str, bytes]]
    private: dict[str, bool]

    def log_message(self, *args) -> None: ...

    def answer(self, value, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "who?"}, 401)
        elif self.path == "/api/whoami-v2":
            self.answer({"name": "me", "type": "user"})
        else:
            self.answer({"id": "x", "sha": "0" * 40, "siblings": []})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if self.path == "/api/repos/create":
            asked = json.loads(text)
            name = f"{asked['organization']}/{asked['name']}"
            # Releases of huggingface_hub differ in how they say it.
            told = asked.get("private") or asked.get("visibility") == "private"
            self.private[name] = bool(told)
            self.answer({"url": f"http://{self.headers['host']}/{name}", "name": name})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(text)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": name, **modes} for name in names]})
        elif match := re.match("/api/models/(.+)/commit/", self.path):
            kept = self.repositories.setdefault(match[1], {})
            for line in map(json.loads, text.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    kept[line["value"]["path"]] = content
            url = f"http://{self.headers['host']}/{match[1]}/commit/{'1' * 40}"
            self.answer({"commitUrl": url, "commitOid": "1" * 40})
        else:
            self.answer({"errors": [], "warnings": []})


@pytest.fixture
def hub(monkeypatch):
    Hub.repositories, Hub.private = {}, {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    api = functools.partial(API, endpoint, TOKEN)
    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    yield Hub
    server.shutdown()


@pytest.fixture
def output_dir(tmp_path) -> pathlib.Path:
    for kind in ("discriminator", "generator", "masked_lm"):
        (tmp_path / kind).mkdir()
        for name, content in FILES.items():
            (tmp_path / kind / name).write_bytes(content)
    return tmp_path


def test_each_network_becomes_a_private_repository(hub, output_dir):
    push = Push("org/ko-small")
    push.prepare()
    push.run(str(output_dir))
    names = {f"org/ko-small-{k}" for k in ("discriminator", "generator", "masked-lm")}
    assert hub.repositories == dict.fromkeys(names, FILES)
    assert hub.private == dict.fromkeys(names, True)


def test_a_dry_run_lists_names_and_sizes_and_asks_nobody(
    output_dir, monkeypatch, caplog
):
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push = Push("org/ko-small", push_dry_run=True)
    with caplog.at_level(logging.INFO, logger="absl"):
        push.prepare()
        push.run(str(output_dir))
    assert "org/ko-small-generator: config.json, 8 bytes" in caplog.text
    assert caplog.text.count(" bytes") == 3 * len(FILES)
    assert TOKEN not in caplog.text


def test_without_a_name_nothing_happens(output_dir, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    Push().prepare()
    Push().run(str(output_dir))


@pytest.mark.parametrize(
    "name", ["name", "a/b/c", "a/", "/b", "a b/c", "a/..b", "한/글"]
)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UserError, match="must be ORGANISATION/NAME"):
        Push(name).prepare()


def test_a_dry_run_needs_a_name():
    with pytest.raises(UserError, match="needs --push_to_hub"):
        Push(push_dry_run=True).prepare()


def refused(monkeypatch, endpoint: str, token: str | bool) -> str:
    api = functools.partial(API, endpoint, token)
    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    with pytest.raises(UserError) as error:
        Push("org/name").prepare()
    assert TOKEN not in str(error.value)
    return str(error.value)


def test_no_network_no_token_and_a_wrong_token_are_told_in_words(hub, monkeypatch):
    endpoint = huggingface_hub.HfApi().endpoint
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: None)
    dead = "http://127.0.0.1:9"
    assert "Hub is out of reach" in refused(monkeypatch, dead, TOKEN)
    assert "no token is stored here" in refused(monkeypatch, dead, None)
    assert "the Hub answered 401" in refused(monkeypatch, endpoint, "hf_wrong")


def test_folders_and_repositories_have_like_names(output_dir):
    found = repositories(str(output_dir), "a/b")
    assert found[str(output_dir / "discriminator")] == "a/b-discriminator"
    assert found[str(output_dir / "masked_lm")] == "a/b-masked-lm"
