"""A server of the page that reads, for this machine alone."""

import errno
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hwr_jax.errors import InputError

ADDRESS = "127.0.0.1"


def build_server(page: bytes, port: int) -> ThreadingHTTPServer:
    """Serves one page at / once `serve_forever` is called. Port 0: one that is free, see `server_port`.

    Raises InputError: the port is in use, or not allowed.
    """

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "hwr_jax", ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            found = self.path.partition("?")[0] == "/"
            body = page if found else b"Not found. The page is at /"
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", f"text/{'html' if found else 'plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass  # A line a visit says nothing that the user of this machine does not know.

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        cause = "is in use" if error.errno == errno.EADDRINUSE else "is not allowed"
        raise InputError(f"--port={port}: {cause}; choose another, or 0 for one that is free") from error
