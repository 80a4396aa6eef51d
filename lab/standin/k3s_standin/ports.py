"""The small listeners of K3s's parts: health answers on loopback, and ports that only have to be there."""

from __future__ import annotations

import selectors
import socket
import threading

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def hold(ports, address="127.0.0.1"):
    """Listens on these ports in one thread; every request gets `200 ok`. Ports in use are left alone."""
    chooser = selectors.DefaultSelector()
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError:
            listener.close()
            continue
        listener.listen(16)
        chooser.register(listener, selectors.EVENT_READ)
    threading.Thread(target=_answer, args=(chooser,), daemon=True, name="health-ports").start()


def _answer(chooser):
    while True:
        for key, _ in chooser.select():
            connection, _ = key.fileobj.accept()
            with connection:
                connection.settimeout(2)
                try:
                    connection.recv(4096)
                    connection.sendall(_OK)
                except OSError:
                    pass
