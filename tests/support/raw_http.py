"""A socket that sends bytes as they are, for what HTTP libraries refuse to send."""

import socket
import time


def exchange(port, *pieces, pause=0.0, timeout=5, half_close=False):
    """Sends the pieces one write each; returns all bytes until the other side closes or is silent
    for `timeout` seconds, and whether it closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
                if pause:
                    time.sleep(pause)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return receive(s)


def receive(s, until=None):
    data = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return data, True
            data += piece
            if until and until in data:
                return data, False
    except (TimeoutError, socket.timeout):
        return data, False
    except OSError:
        return data, True


def status_of(data):
    """The status code of the first answer, 0 if there is none."""
    if not data.startswith(b"HTTP/1.1 "):
        return 0
    return int(data[9:12])
