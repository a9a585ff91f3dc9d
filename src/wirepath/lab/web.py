"""A real web server and a real client, which show whether a host still serves.

Both are threads of this process with sockets in a namespace, so nothing outlives the process.
"""

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from types import TracebackType
from typing import Final, Self

from wirepath.lab.netns import Namespace

PAGE: Final = b"wirepath lab: still here\n"
_TIMEOUT_S = 5.0


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


class _Server(ThreadingHTTPServer):
    address_family = AF_INET6  # serves IPv4 too, since IPV6_V6ONLY is off by default
    daemon_threads = True
    request_queue_size = 128


class WebServer:
    """A server that answers every GET with :data:`PAGE`, over IPv4 and IPv6.

    It serves while its context is entered.

    Args:
        namespace: the namespace in which it listens.
        port: TCP port.
    """

    def __init__(self, namespace: Namespace, port: int = 80) -> None:
        with namespace.entered():
            self._server = _Server(("::", port), _Page)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(slots=True)
class Tally:
    """The results of a client.

    Attributes:
        asked: requests sent, each on its own connection.
        answered: requests answered with the whole page and status 200.
        slowest_s: longest time from connecting to the last byte of the answer.
        failure: error of the last request that failed; empty if none has.
    """

    asked: int = 0
    answered: int = 0
    slowest_s: float = 0.0
    failure: str = ""


class WebClient:
    """A client that requests the page again and again while its context is entered.

    Args:
        namespace: the namespace of its sockets.
        addresses: addresses of the server, used in turn.
        port: TCP port.
        pause_s: time between an answer and the next request.

    Attributes:
        tally: the results so far; final after the context is left.
    """

    def __init__(
        self,
        namespace: Namespace,
        addresses: Sequence[str],
        port: int = 80,
        *,
        pause_s: float = 0.01,
    ) -> None:
        self.tally = Tally()
        self._namespace = namespace
        self._addresses = addresses
        self._port = port
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _ask_on(self) -> None:
        with self._namespace.entered():
            while not self._stop.wait(self._pause_s):
                self._ask(self._addresses[self.tally.asked % len(self._addresses)])

    def _ask(self, address: str) -> None:
        self.tally.asked += 1
        begun = time.monotonic()
        connection = http.client.HTTPConnection(address, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            if (answer.status, answer.read()) == (http.HTTPStatus.OK, PAGE):
                self.tally.answered += 1
            else:
                self.tally.failure = f"status {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            self.tally.failure = str(error) or type(error).__name__
        finally:
            connection.close()
        self.tally.slowest_s = max(self.tally.slowest_s, time.monotonic() - begun)
