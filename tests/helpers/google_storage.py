"""Google Cloud Storage on this machine, as gcsfs and TensorFlow's own client see it.

gcsfs asks the address in STORAGE_EMULATOR_HOST. TensorFlow only knows Google's names,
under https. But it obeys the variables of curl: the emulator becomes its proxy, which
answers in Google's place with a certificate that nobody else trusts.
"""

import contextlib
import functools
import http.server
import io
import itertools
import pathlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.storage import Storage

_HOSTS = ("www.googleapis.com", "storage.googleapis.com")
_folders = itertools.count()
_one_at_a_time = threading.Lock()  # the emulator's storage


class _Request(emulator.Request):
    @property
    def data(self) -> Any:
        """An object may be empty, which the emulator takes for a missing one."""
        return super().data or (
            b"" if self.query.get("uploadType") == ["media"] else None
        )


class _Connection(emulator.RequestHandler):
    """The emulator's answers, over HTTP, or over HTTPS after a CONNECT.

    A request that breaks off, because its process was killed, changes nothing.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer in one piece

    def setup(self) -> None:
        super().setup()
        self._incoming = self.rfile

    def handle_one_request(self) -> None:
        self.rfile = self._incoming
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Reads the body too: the emulator may leave it unread, or read too little.

        TensorFlow sends chunks beside a Content-Length.
        """
        if not super().parse_request():
            return False
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self._exactly(int(self.headers.get("Content-Length", 0)))
        del self.headers["Transfer-Encoding"], self.headers["Content-Length"]
        self.headers["Content-Length"] = str(len(body))
        self.rfile = io.BytesIO(body)
        return True

    def _chunk(self) -> bytes:
        chunk = self._exactly(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return chunk

    def _exactly(self, count: int) -> bytes:
        body = self.rfile.read(count)
        if len(body) < count:
            raise ConnectionAbortedError
        return body

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def _answer(self) -> None:
        with _one_at_a_time, mock.patch.object(emulator, "Request", _Request):
            emulator.Router(self).handle(self.command)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Location" and isinstance(self.request, ssl.SSLSocket):
            value = value.replace("http://", "https://")
        super().send_header(keyword, value)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self):
        storage = Storage(use_memory_fs=True)
        buckets.create_bucket("bucket", storage)
        super().__init__(("127.0.0.1", 0), functools.partial(_Connection, storage))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextlib.contextmanager
def running() -> Iterator[_Server]:
    """Serves an empty bucket called `bucket`."""
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def environment(server: _Server) -> dict[str, str]:
    """For gcsfs."""
    return {"STORAGE_EMULATOR_HOST": "http://{}:{}".format(*server.server_address)}


def tensorflow_environment(server: _Server, folder: pathlib.Path) -> dict[str, str]:
    """For TensorFlow's client, too; the folder gets a certificate of Google's names."""
    certificate, key = folder / "google.pem", folder / "google.key"
    names = ",".join(f"DNS:{name}" for name in _HOSTS)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=not Google", "-addext", f"subjectAltName={names}"]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    server.tls.load_cert_chain(certificate, key)
    gcsfs = environment(server)
    return gcsfs | {
        "https_proxy": gcsfs["STORAGE_EMULATOR_HOST"],
        "no_proxy": "127.0.0.1,localhost",
        "CURL_CA_BUNDLE": str(certificate),
        "NO_GCE_CHECK": "true",  # no metadata server is asked for a token
        "HF_HUB_OFFLINE": "1",
    }


def new_folder() -> str:
    return f"gs://bucket/{next(_folders)}"
