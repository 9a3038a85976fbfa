"""A line that can be cut: an HTTP CONNECT proxy through which an agent reaches its relay."""

from __future__ import annotations

import contextlib
import socket
import threading


class Line:
    """`FOLKMOOT`'s `--via http://127.0.0.1:<port>`. While it is cut every connection through it is
    gone and nobody gets a new one."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._cut = False
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def via(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """The line is dead from now on."""
        with self._lock:
            self._cut = True
            gone, self._open = self._open, []
        for one in gone:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """New connections get through again."""
        with self._lock:
            self._cut = False

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as relay:
                with self._lock:
                    if self._cut:
                        return
                    self._open += [client, relay]
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pass_on, args=(relay, client))
                back.start()
                _pass_on(client, relay)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
