"""The kubelet's side of the device plugin API: its registration socket, and the connections to plugins.

Needs the package grpc. Where it is missing, and on nodes without the NVIDIA runtime (it takes some memory), the socket is
there and answers nothing.
"""

from __future__ import annotations

import os
import socket
from concurrent import futures
from pathlib import Path

from . import device_messages as messages, log
from .devices import CHECKPOINT

PLUGINS = Path("/var/lib/kubelet/device-plugins")
SOCKET = "kubelet.sock"
_keep = []


def start(manager, wanted, directory=PLUGINS):
    """Makes the socket anew, which is how plugins see that they have to register again."""
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.name != CHECKPOINT and not path.is_dir():
            path.unlink()
    manager.load(directory)
    grpc = _grpc() if wanted else None
    _keep.append(_serve(grpc, manager, directory) if grpc else _mute(directory / SOCKET))


def _grpc():
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        import grpc
        return grpc
    except ImportError:
        log.warning("this host has no python3-grpcio: the stand-in cannot talk to device plugins")
        return None


def _mute(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    return listener


def _serve(grpc, manager, directory):
    def register(request, context):
        if request["version"] != messages.VERSION:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f'requested API version "{request["version"]}" is not supported '
                          f'by kubelet. Supported version is "{messages.VERSION}"')
        path = directory / request["endpoint"]
        if "/" not in request["resource_name"] or path.parent != directory:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f'the ResourceName "{request["resource_name"]}" is invalid')
        manager.register(request["resource_name"], Plugin(grpc, path))
        return {}

    service, _, method = messages.REGISTER.strip("/").partition("/")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {
        method: grpc.unary_unary_rpc_method_handler(register, messages.decoder("RegisterRequest"),
                                                    messages.encoder("Empty"))}),))
    server.add_insecure_port(f"unix:{directory / SOCKET}")
    server.start()
    return server


class Plugin:
    """A device plugin behind its socket."""

    def __init__(self, grpc, path):
        self._channel = grpc.insecure_channel(f"unix:{path}")

    def watch(self):
        call = self._channel.unary_stream(messages.LIST_AND_WATCH, messages.encoder("Empty"),
                                          messages.decoder("ListAndWatchResponse"))
        for answer in call({}, wait_for_ready=True):
            yield answer["devices"]

    def allocate(self, ids):
        call = self._channel.unary_unary(messages.ALLOCATE, messages.encoder("AllocateRequest"),
                                         messages.decoder("AllocateResponse"))
        return call({"container_requests": [{"devices_ids": ids}]}, timeout=10)["container_responses"][0]

    def close(self):
        self._channel.close()
