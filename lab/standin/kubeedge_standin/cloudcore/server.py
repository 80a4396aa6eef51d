"""CloudCore from its start to its end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

from standin_common import http, log
from standin_common.apiclient import Refused, Unreachable

from .. import version
from . import api
from .cli import fail
from .controller import Controller
from .https import Https
from .identity import Identity
from .sessions import Hub

# A real start sleeps up to 9 s before it listens.
START_SECONDS = (0.3, 6.0)
WAIT_SECONDS = 5.0
_SYNCS = ("objectsyncs", "clusterobjectsyncs")
_FACTORY = "github.com/kubeedge/api/client/informers/externalversions/factory.go:146"
_WATCHED = (
    ("v1alpha2.ConfigUpdateJob", "operations.kubeedge.io/v1alpha2/configupdatejobs"),
    ("v1.Rule", "rules.kubeedge.io/v1/rules"), ("v1beta1.DeviceModel", "devices.kubeedge.io/v1beta1/devicemodels"),
    ("v1alpha2.NodeUpgradeJob", "operations.kubeedge.io/v1alpha2/nodeupgradejobs"),
    ("v1alpha1.ObjectSync", "reliablesyncs.kubeedge.io/v1alpha1/objectsyncs"),
    ("v1alpha2.ImagePrePullJob", "operations.kubeedge.io/v1alpha2/imageprepulljobs"),
    ("v1beta1.Device", "devices.kubeedge.io/v1beta1/devices"),
    ("v1beta1.DeviceStatus", "devices.kubeedge.io/v1beta1/devicestatuses"),
    ("v1.RuleEndpoint", "rules.kubeedge.io/v1/ruleendpoints"),
    ("v1alpha1.ClusterObjectSync", "reliablesyncs.kubeedge.io/v1alpha1/clusterobjectsyncs"),
)
_MODULES = (("cloudhub", None), ("edgecontroller", "edgeController"), ("devicecontroller", "deviceController"),
            ("taskmanager", "taskManager"), ("synccontroller", "syncController"), ("cloudStream", "cloudStream"),
            ("router", "router"), ("dynamiccontroller", "dynamicController"))


def _listen(server, port):
    try:
        server.start(http.wildcard_address(port))
    except OSError as problem:
        fail("server.go:70", f"listen tcp 0.0.0.0:{port}: bind: {problem.strerror.lower()}")


class CloudCore:
    def __init__(self, config):
        self.config, self.modules = config, config["modules"]
        self.settings = self.modules["cloudHub"]
        self.hub = None

    def run(self):
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        log.kubernetes("I", "server.go:98", f"Version: {version.version()}")
        self._monitor()
        try:
            client = api.connect(self.config["kubeAPIConfig"]["kubeConfig"])
        except api.NoAccess as problem:
            fail("client.go:60", f"Failed to build config, err: {problem}")
        time.sleep(random.uniform(*START_SECONDS))
        self._register_modules()
        self._persistently(lambda: self._ensure_namespace(client))
        self._persistently(lambda: self._wait_for_definitions(client))
        identity = Identity(client, self.settings)
        self._persistently(lambda: identity.prepare(fail))
        self._listen_locally()
        controller = Controller(client, self.settings["advertiseAddress"][0])
        self.hub = Hub(client, identity, self.settings, controller)
        controller.start(self.hub)
        _listen(Https(client, identity, self.settings), int(self.settings["https"]["port"]))
        _listen(self.hub, int(self.settings["websocket"]["port"]))
        log.kubernetes("I", "server.go:70", "Starting cloudhub websocket server on "
                       f"{self.settings['websocket']['address']}:{self.settings['websocket']['port']}")
        threading.Event().wait()

    # -- the steps of the start --------------------------------------------------------------------
    def _monitor(self):
        address, _, port = self.config["commonConfig"]["monitorServer"]["bindAddress"].rpartition(":")

        def answer(request):
            if request.path != "/metrics":
                return http.Response(404, "404 page not found\n")
            return http.Response(200, "# TYPE KubeEdge_CloudHub_connected_nodes gauge\nKubeEdge_CloudHub_connected_nodes "
                                 f"{len(self.hub.sessions) if self.hub else 0}\n")

        log.kubernetes("I", "monitor.go:98", f"starting monitor server on addr: {address}:{port}")
        try:
            http.Server((address, int(port)), answer, None).start()
        except OSError as problem:
            fail("monitor.go:99", f"listen tcp {address}:{port}: bind: {problem.strerror.lower()}")

    def _register_modules(self):
        for name, key in _MODULES:
            if key is None or self.modules[key].get("enable"):
                log.kubernetes("I", "module.go:90", f"Module {name} registered successfully")
            else:
                log.kubernetes("W", "module.go:93", f"Module {name} is disabled, do not register")
        stream = self.modules["cloudStream"]
        if stream.get("enable"):
            for key in ("tlsStreamCAFile", "tlsStreamCertFile", "tlsStreamPrivateKeyFile"):
                if not Path(stream[key]).exists():
                    fail("server.go:93", f"[{key}: Invalid value: \"{stream[key]}\": {key} not exist]")

    @staticmethod
    def _persistently(step):
        """A step that outlives an API server that is not there yet."""
        while True:
            try:
                return step()
            except (Unreachable, Refused) as problem:
                log.kubernetes("E", "reflector.go:158", f'"Unhandled Error" err="{problem}"')
                time.sleep(WAIT_SECONDS)

    def _ensure_namespace(self, client):
        if api.find(client, "/api/v1/namespaces/kubeedge") is None:
            client.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeedge"}})
        if api.find(client, "/api/v1/namespaces/kubeedge/configmaps/tunnelport") is None:
            record = {"ipTunnelPort": {self.settings["advertiseAddress"][0]: 10351}, "port": {"10351": True}}
            client.request("POST", "/api/v1/namespaces/kubeedge/configmaps", {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                    "name": "tunnelport", "namespace": "kubeedge",
                    "annotations": {"tunnelportrecord.kubeedge.io": json.dumps(record, separators=(",", ":"))}}})

    @staticmethod
    def _wait_for_definitions(client):
        """Without both reliablesyncs definitions nothing goes on, and nothing says so but the reflectors."""
        for module in ("devicecontroller", "synccontroller", "cloudhub", "edgecontroller"):
            log.kubernetes("I", "core.go:53", f"starting module {module}")
        while True:
            missing = [(kind, path) for kind, path in _WATCHED if api.find(client, f"/apis/{path}") is None]
            for kind, path in missing:
                group, _, plural = path.partition("/")[0], None, path.rpartition("/")[2]
                log.kubernetes("W", "reflector.go:569", f"{_FACTORY}: failed to list *{kind}: the server could not find the requested "
                               f"resource (get {plural}.{group})")
            if not any(path.rpartition("/")[2] in _SYNCS for _, path in missing):
                return
            time.sleep(WAIT_SECONDS)

    def _listen_locally(self):
        """The socket for storage drivers; nothing uses it here."""
        if not self.settings["unixsocket"].get("enable"):
            return
        path = Path(self.settings["unixsocket"]["address"].replace("unix://", ""))
        log.kubernetes("I", "server.go:45", "start unix domain socket server")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(1)
        log.kubernetes("I", "uds.go:71", f"listening on: /{path}")

    @staticmethod
    def _end(*_):
        log.kubernetes("I", "core.go:63", "Get os signal terminated")
        log.kubernetes("I", "core.go:69", "Cleanup module cloudhub")
        log.kubernetes("F", "monitor.go:99", "http: Server closed")
        os._exit(1)
