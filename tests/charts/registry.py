"""Registry of images on the loopback: the part of the distribution API that clients use to pull and push."""

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)/?")


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    """What a registry holds: blobs by digest, manifests by `name:tag` or `name@digest`.

    Attributes:
        sample: Manifest for every name that was not pushed; empty if there is none.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.sample = b""
        self.port = 0

    def fill(self) -> None:
        """Answer every name with a small image."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("empty"))
        layer = gzip.compress(buffer.getvalue(), mtime=0)
        rootfs = {"type": "layers", "diff_ids": [digest(buffer.getvalue())]}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        kinds = {"config": config, "layer.v1.tar+gzip": layer}
        parts = {
            kind: {
                "mediaType": f"application/vnd.oci.image.{'config.v1+json' if kind == 'config' else kind}",
                "digest": digest(content),
                "size": len(content),
            }
            for kind, content in kinds.items()
        }
        self.blobs |= {digest(content): content for content in kinds.values()}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts["config"]}
        self.sample = json.dumps(manifest | {"layers": [parts["layer.v1.tar+gzip"]]}).encode()

    def manifest(self, name: str, reference: str) -> tuple[str, bytes]:
        """Return media type and content of a manifest; empty if there is none."""
        separator = "@" if reference.startswith("sha256:") else ":"
        return self.manifests.get(f"{name}{separator}{reference}", (MANIFEST, self.sample))

    def config_of(self, image: str) -> str:
        """Return the digest of an image's configuration; empty if there is no such image."""
        name, _, tag = image.rpartition(":")
        content = self.manifest(name, tag)[1]
        return str(json.loads(content)["config"]["digest"]) if content else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/v2":
            return self._answer(200)
        match = _PATH.fullmatch(urlparse(self.path).path)
        if not match:
            return self._answer(404)
        if match["kind"] == "blobs":
            content = self.registry.blobs.get(match["reference"], b"")
            return self._answer(200 if content else 404, content, "application/octet-stream")
        kind, content = self.registry.manifest(match["name"], match["reference"])
        return self._answer(200 if content else 404, content, kind)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._body()
        self._answer(202, location=f"{self.path.rstrip('/')}/{threading.get_ident()}-{len(self.registry.blobs)}")

    def do_PATCH(self) -> None:
        self.registry.blobs[self.path] = self.registry.blobs.get(self.path, b"") + self._body()
        self._answer(202, location=self.path)

    def do_PUT(self) -> None:
        address = urlparse(self.path)
        content = self._body()
        match = _PATH.fullmatch(address.path)
        if match and match["kind"] == "manifests":
            kind = self.headers.get("content-type", MANIFEST)
            for reference in (f":{match['reference']}", f"@{digest(content)}"):
                self.registry.manifests[match["name"] + reference] = (kind, content)
            return self._answer(201, location=f"/v2/{match['name']}/manifests/{digest(content)}")
        content = self.registry.blobs.pop(address.path, b"") + content
        name = parse_qs(address.query)["digest"][0]
        assert digest(content) == name
        self.registry.blobs[name] = content
        return self._answer(201, location=f"/v2/blobs/{name}")

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        content = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, status: int, content: bytes = b"", kind: str = "text/plain", location: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.send_header("docker-distribution-api-version", "registry/2.0")
        if content:
            self.send_header("docker-content-digest", digest(content))
        if location:
            self.send_header("location", location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve() -> Iterator[Registry]:
    """Run a registry; gives it with its port on the loopback."""
    registry = Registry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        registry.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield registry
        server.shutdown()
