"""A proxy before a cloud API server, which counts what is asked and can fail from some call on."""

import http.client
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What becomes of a call: None lets it through, "cut" drops the connection, else status, code and message of an error.
Fault = Callable[[int, str], str | tuple[int, str, str] | None]

_ERROR = (
    "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>x</RequestId></ErrorResponse>"
)


class FaultyProxy:
    """Stands before a server on this machine.

    Attributes:
        asked: every call: the action's name, or method and path for S3.
        fault: decides what becomes of a call, by its number from 0 and its name.
    """

    def __init__(self, target: str) -> None:
        self.asked: list[str] = []
        self.fault: Fault = lambda number, name: None
        outer, address = self, urlsplit(target).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = _name(self, body)
                number = len(outer.asked)
                outer.asked.append(name)
                match outer.fault(number, name):
                    case None:
                        self.pass_on(body)
                    case (status, code, message):
                        text = _ERROR.format(code=code, message=message).encode()
                        self.answer(status, {"Content-Type": "text/xml"}, text)
                    case _:
                        self.close_connection = True

            def pass_on(self, body: bytes) -> None:
                connection = http.client.HTTPConnection(address, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                self.answer(response.status, dict(response.getheaders()), response.read())
                connection.close()

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = headers.get("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _name(request: BaseHTTPRequestHandler, body: bytes) -> str:
    target = request.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    action = re.search(rb"(?:^|&)Action=(\w+)", body)
    return action[1].decode() if action else f"{request.command} {request.path.partition('?')[0]}"
