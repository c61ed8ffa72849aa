"""Processes of one run that watch each other over sockets, so that the death of one is known to all, by name.

A collective that waits for a dead process may wait for ever, and where it fails it does not say for whom. The system
closes a dead process's socket at once; a machine that is cut off is noticed by its silence.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import NewType

log = logging.getLogger(__name__)

# One line that names the process that is gone, and its machine.
Loss = NewType("Loss", str)

SILENCE_SECONDS = 30.0
_BEAT_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
_MAX_LINE = 4096


class Watch:
    """One process's end of the watch: process 0 listens to all others, they to process 0."""

    def __init__(self, index: int, count: int, token: str, end: Callable[[Loss], None]) -> None:
        """Use `serve` or `join`."""
        self.token = token
        self.port = 0
        self._index = index
        self._count = count
        self._end = end
        self._peers: dict[socket.socket, _Peer] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def serve(cls, count: int, token: str, end: Callable[[Loss], None]) -> "Watch":
        """For process 0: listens at a free port, `port`. Others show the token, a secret of the run.

        `end` is called once, in the watch's thread, when a process is gone.
        """
        watch = cls(0, count, token, end)
        dual = socket.has_dualstack_ipv6()
        watch._listener = socket.create_server(
            ("", 0), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual
        )
        watch.port = watch._listener.getsockname()[1]
        watch._selector.register(watch._listener, selectors.EVENT_READ)
        watch._start()
        return watch

    @classmethod
    def join(
        cls, hosts: Sequence[str], port: int, token: str, index: int, count: int, end: Callable[[Loss], None]
    ) -> "Watch":
        """For the others: connects to process 0 by the first of its addresses that answers.

        Warns where none does: then a loss is noticed by jax alone, later.
        """
        watch = cls(index, count, token, end)
        for host in hosts:
            try:
                peer = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
            except OSError:
                continue
            watch._add(peer, _Peer(0, host))
            watch._send(peer, f"{token} {index} {socket.gethostname()}")
            watch._start()
            return watch
        log.warning("process %d cannot watch process 0: no way to port %d of %s", index, port, " or ".join(hosts))
        return watch

    def wait_for_others(self) -> None:
        """For process 0: waits for all others, which would miss what ends it at once; warns if one does not come."""
        deadline = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < deadline and not self._closed:
            with self._lock:
                here = {known.index for known in self._peers.values()} - {None}
            if len(here) == self._count - 1:
                return
            time.sleep(0.02)
        missing = [str(index) for index in range(1, self._count) if index not in here]
        log.warning("process 0 is not watched by %s, which did not come", ", ".join(missing))

    def fail(self, message: str) -> None:
        """Tells the others that this process ends with an error."""
        self._leave(f"failed {message}")

    def close(self) -> None:
        """Tells the others that this process has no more to do with them."""
        self._leave("bye")

    def _leave(self, line: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for peer in list(self._peers):
                self._send(peer, line)
                self._drop(peer)
            if self._listener:
                self._selector.unregister(self._listener)
                self._listener.close()

    def _start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self) -> None:
        beat_at = 0.0
        while not self._closed:
            events = self._selector.select(timeout=_BEAT_SECONDS / 5)
            loss = None
            with self._lock:
                if self._closed:
                    break
                for key, _ in events:
                    loss = loss or self._read(key.fileobj)  # type: ignore[arg-type]
                now = time.monotonic()
                if now >= beat_at:
                    beat_at = now + _BEAT_SECONDS
                    for peer in list(self._peers):
                        self._send(peer, "beat")
                for known in self._peers.values():
                    if now - known.heard_at > SILENCE_SECONDS:
                        loss = loss or self._describe(known, f"has been silent for {SILENCE_SECONDS:.0f} s")
                if loss:
                    for peer in list(self._peers):
                        self._send(peer, f"gone {loss}")
            if loss:
                self._end(loss)
                return

    def _read(self, source: socket.socket) -> Loss | None:
        if source is self._listener:
            peer, (host, *_) = source.accept()
            self._add(peer, _Peer(None, host))
            return None
        if source not in self._peers:
            return None
        known = self._peers[source]
        try:
            received = source.recv(_MAX_LINE)
        except OSError:
            received = b""
        if not received:
            self._drop(source)
            return self._describe(known, "is gone") if known.index is not None else None
        known.heard_at = time.monotonic()
        *lines, known.rest = (known.rest + received).split(b"\n")
        if len(known.rest) > _MAX_LINE:
            self._drop(source)
            return None
        for line in lines:
            if loss := self._take(source, known, line.decode(errors="replace")):
                return loss
        return None

    def _take(self, source: socket.socket, known: "_Peer", line: str) -> Loss | None:
        """What a line of another process means."""
        if known.index is None:
            words = line.split()
            if len(words) == 3 and words[0] == self.token and words[1].isdecimal():
                known.index, known.host = int(words[1]), words[2]
            else:
                self._drop(source)
            return None
        word, _, text = line.partition(" ")
        if word == "bye":
            self._drop(source)
        elif word == "failed":
            return self._describe(known, f"failed: {text}")
        elif word == "gone":
            return Loss(text)
        return None

    def _describe(self, known: "_Peer", what: str) -> Loss:
        return Loss(f"process {known.index} of {self._count} (on {known.host}) {what}")

    def _add(self, peer: socket.socket, known: "_Peer") -> None:
        peer.settimeout(_CONNECT_SECONDS)
        self._peers[peer] = known
        self._selector.register(peer, selectors.EVENT_READ)

    def _send(self, peer: socket.socket, line: str) -> None:
        with contextlib.suppress(OSError):  # That the other is gone is read from its end of the line.
            peer.sendall(line[: _MAX_LINE - 1].encode() + b"\n")

    def _drop(self, peer: socket.socket) -> None:
        if self._peers.pop(peer, None) is not None:
            self._selector.unregister(peer)
            peer.close()


class _Peer:
    """What is known of the other end: its index is None until it has shown the token."""

    def __init__(self, index: int | None, host: str) -> None:
        self.index = index
        self.host = host
        self.heard_at = time.monotonic()
        self.rest = b""
