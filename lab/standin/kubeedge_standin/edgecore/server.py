"""EdgeCore from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from standin_common import log

from .. import version
from . import local_api
from .database import Database, DatabaseProblem
from .edged import Edged, StartFailed
from .enrolment import Enrolment, EnrolmentProblem
from .link import Link

_MODULES = (("twin", "deviceTwin"), ("edged", "edged"), ("websocket", "edgeHub"), ("eventbus", "eventBus"),
            ("metamanager", "metaManager"), ("servicebus", "serviceBus"), ("edgestream", "edgeStream"),
            ("taskmanager", "taskManager"), ("testManager", "dbTest"))
# Enrolment runs beside the kubelet: a start that fails for another reason has often enrolled already.
KUBELET_DELAY = 0.2


class EdgeCore:
    def __init__(self, settings):
        self.settings = settings

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
        try:
            database = Database(self.settings.database)
        except DatabaseProblem as problem:
            print(f"[error] failed to initialize database, got error {problem}", file=sys.stderr)
            log.kubernetes("E", "log.go:244", f"Failed to connect to DB: {problem}")
            raise SystemExit(1) from None
        log.kubernetes("I", "server.go:107", f"Version: {version.version()}")
        log.kubernetes("I", "init.go:56", "Migrating DB tables for DeviceTwin module")
        log.kubernetes("I", "init.go:82", "Migrating DB tables for MetaManager module")
        self._register_modules()
        enrolment = Enrolment(self.settings)
        edged = None
        link = Link(self.settings, enrolment, lambda message: edged and edged.hear(message))
        if self.settings.edged["enable"]:
            edged = Edged(self.settings, database, link)
        self._make_files()
        if self.settings.meta_server["enable"]:
            local_api.start_meta_server(self.settings, database, link)
        if edged:
            threading.Thread(target=self._run_kubelet, args=(edged,), daemon=True, name="kubelet").start()
        if self.settings.modules["eventBus"]["enable"]:
            threading.Thread(target=self._miss_broker, daemon=True, name="eventbus").start()
        self._connect(enrolment, link)
        threading.Event().wait()

    def _register_modules(self):
        enabled = []
        for name, key in _MODULES:
            if self.settings.modules[key].get("enable"):
                log.kubernetes("I", "module.go:90", f"Module {name} registered successfully")
                enabled.append(name)
            else:
                log.kubernetes("W", "module.go:93", f"Module {name} is disabled, do not register")
        for name in enabled:
            log.kubernetes("I", "core.go:53", f"starting module {name}")

    def _make_files(self):
        folder = Path(self.settings.modules["deviceTwin"]["dmiSockPath"])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "dmi.sock"
        path.unlink(missing_ok=True)
        self._dmi = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._dmi.bind(str(path))
        path.chmod(0o755)
        self._dmi.listen(1)

    @staticmethod
    def _run_kubelet(edged):
        time.sleep(KUBELET_DELAY)
        try:
            edged.start()
        except StartFailed as problem:
            log.kubernetes("F", "edged.go:152", f"Start edged failed, err: {problem}")
            panic("runtime error: invalid memory address or nil pointer dereference")
        port = int(edged.settings.kubelet["readOnlyPort"])
        try:
            local_api.start_kubelet(edged, port)
        except OSError:
            log.kubernetes("E", "server.go:219", f'"Failed to listen and serve" err="listen tcp 127.0.0.1:{port}: bind: address already in '
                           'use"')
            os._exit(1)
        edged.run()

    def _connect(self, enrolment, link):
        if not self.settings.hub["enable"]:
            return
        try:
            enrolment.ensure()
        except EnrolmentProblem as problem:
            panic(f"failed to apply the edge certs, err: {problem}")
        if self.settings.hub["rotateCertificates"]:
            enrolment.start_rotation()
        link.start()

    def _miss_broker(self):
        """The event bus is on by default and wants an MQTT broker on this host."""
        server = self.settings.modules["eventBus"]["mqttServerExternal"].rpartition("/")[2]
        host, _, port = server.rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), 5).close()
            except OSError:
                log.kubernetes("E", "common.go:66", f"connect error: Network Error : dial tcp {server}: connect: connection refused")
            time.sleep(5)


def panic(text):
    """The end of a Go program: exit code 2."""
    print(f"panic: {text}\n\ngoroutine 1 [running]:\nmain.main()", file=sys.stderr, flush=True)
    os._exit(2)
