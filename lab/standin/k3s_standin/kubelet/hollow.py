"""A node that only pretends: the real kubelet code with containers that exist on paper.

For tests of the API and of controllers without root. What a container does is read from its environment:
`HOLLOW_READY=never` fails every probe, `HOLLOW_EXIT=<code>` makes it end at once; a command `/no-such-…` cannot be
executed; an image whose tag is `missing` is not there.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from pathlib import Path
from types import SimpleNamespace

from . import kubelet
from .runtime import StartError

_numbers = itertools.count(2)


class _Images:
    changed = staticmethod(lambda: None)

    @staticmethod
    def find(reference):
        if reference.endswith(":missing"):
            return None
        name = reference.partition("@")[0]
        return {"name": name if ":" in name.rsplit("/", 1)[-1] else name + ":latest", "digest": "sha256:" + "0" * 64,
                "config": {"Cmd": ["/program"]}, "rootfs": "/"}

    @staticmethod
    def for_node_status():
        return []


class _Container:
    def __init__(self, code):
        self.id, self.pid, self.directory = secrets.token_hex(32), 0, Path("/nonexistent")
        self.code = code

    def exit_code(self):
        return self.code


class _Runtime:
    @staticmethod
    def start(spec, _log_file, on_exit):
        if spec["args"] and spec["args"][0].startswith("/no-such"):
            raise StartError(f'exec: "{spec["args"][0]}": stat {spec["args"][0]}: no such file or directory')
        container = _Container(None)
        code = spec["env"].get("HOLLOW_EXIT")
        if code is not None:
            def end():
                container.code = int(code)
                on_exit()
            threading.Timer(0.2, end).start()
        return container

    @staticmethod
    def signal(container, _number):
        def end():
            container.code = 2 if container.code is None else container.code
        threading.Timer(0.1, end).start()

    @staticmethod
    def kill(container):
        container.code = 137

    @staticmethod
    def exec(_container, _command, _timeout):
        return 0, ""

    @staticmethod
    def remove(_container_id):
        pass

    @staticmethod
    def remove_unknown(_known):
        pass

    @staticmethod
    def find(_container_id, _on_exit):
        return None


class _Network:
    def __init__(self):
        self.cidr = None

    def configure(self, cidr, _backend):
        self.cidr = cidr

    def add_pod(self, _sandbox):
        return None, self.cidr.rsplit(".", 1)[0] + f".{next(_numbers) % 250 + 2}"

    def remove_pod(self, _sandbox, _address):
        pass

    def publish_api(self, _address, _port):
        pass

    def set_routes(self, _wanted):
        pass


def _probe(_probe_spec, container, _address, _execute):
    environment = {e["name"]: e.get("value") for e in container.get("env") or []}
    if environment.get("HOLLOW_READY") == "never":
        return False, "HTTP probe failed with statuscode: 503"
    return True, ""


class HollowKubelet(kubelet.Kubelet):
    def __init__(self, name, settings, directory):
        super().__init__(SimpleNamespace(name=name, settings=settings, dir=directory, address="127.0.0.1"))
        self.probe, self.pods_dir = _probe, directory / "pods"

    def make_parts(self, _agent_dir):
        return _Images(), _Runtime(), _Network()

    def serve(self, agent_dir):
        pass
