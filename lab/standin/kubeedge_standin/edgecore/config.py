"""The configuration of EdgeCore: defaults, the file, what is refused, and how the file is written anew."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import yaml
from standin_common import pki

from .. import version
from ..hub import PROJECT
from ..settings import merged

PATH = "/etc/kubeedge/config/edgecore.yaml"
TOKEN_FILE = "/etc/kubeedge/bootstrap-edgecore.conf"
_CA, _CERTIFICATE, _KEY = "/etc/kubeedge/ca/rootCA.crt", "/etc/kubeedge/certs/server.crt", "/etc/kubeedge/certs/server.key"
_RUNTIME = "unix:///run/containerd/containerd.sock"
# A name that Kubernetes accepts for a node: RFC 1123 subdomain.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Invalid(Exception):
    """The configuration is refused: `source` is the place in the log line, the text what follows it."""

    def __init__(self, source, text):
        self.source = source
        super().__init__(text)


def _transport(enabled, port):
    return {"enable": enabled, "handshakeTimeout": 30, "readDeadline": 15, "server": f"127.0.0.1:{port}", "writeDeadline": 15}


def defaults():
    """Everything that a configuration has, as EdgeCore writes it."""
    return {
        "apiVersion": "edgecore.config.kubeedge.io/v1alpha2", "kind": "EdgeCore", "edgecoreVersion": version.version(),
        "database": {"aliasName": "default", "dataSource": "/var/lib/kubeedge/edgecore.db", "driverName": "sqlite3"},
        "modules": {
            "dbTest": {"enable": False}, "deviceTwin": {"dmiSockPath": "/etc/kubeedge/", "enable": True},
            "edgeHub": {
                "enable": True, "heartbeat": 15, "httpServer": "https://127.0.0.1:10002", "messageBurst": 60, "messageQPS": 30,
                "projectID": PROJECT, "quic": _transport(False, 10001), "rotateCertificates": True, "tlsCaFile": _CA,
                "tlsCertFile": _CERTIFICATE, "tlsPrivateKeyFile": _KEY, "token": "", "websocket": _transport(True, 10000)},
            "edgeStream": {
                "enable": False, "handshakeTimeout": 30, "readDeadline": 15, "server": "127.0.0.1:10004", "tlsTunnelCAFile": _CA,
                "tlsTunnelCertFile": _CERTIFICATE, "tlsTunnelPrivateKeyFile": _KEY, "writeDeadline": 15},
            "edged": {
                "enable": True, "hostnameOverride": socket.gethostname(), "maxContainerCount": -1, "maxPerPodContainerCount": 1,
                "minimumGCAge": "0s", "nodeIP": "", "nodeLabels": {}, "podSandboxImage": "kubeedge/pause:3.6",
                "registerNodeNamespace": "default", "registerSchedulable": True, "reportEvent": False,
                "rootDirectory": "/var/lib/kubelet", "tailoredKubeletConfig": _kubelet()},
            "eventBus": {
                "enable": True, "eventBusTLS": {"enable": False, "tlsMqttCAFile": _CA, "tlsMqttCertFile": _CERTIFICATE,
                                                "tlsMqttPrivateKeyFile": _KEY},
                "mqttMode": 2, "mqttPassword": "", "mqttPubClientID": "", "mqttQOS": 0, "mqttRetain": False,
                "mqttServerExternal": "tcp://127.0.0.1:1883", "mqttServerInternal": "tcp://127.0.0.1:1884",
                "mqttSessionQueueSize": 100, "mqttSubClientID": "", "mqttUsername": ""},
            "metaManager": {
                "contextSendGroup": "hub", "contextSendModule": "websocket", "enable": True, "remoteQueryTimeout": 60,
                "metaServer": {
                    "apiAudiences": None, "dummyServer": "169.254.30.10:10550", "enable": False, "server": "127.0.0.1:10550",
                    "serviceAccountIssuers": ["https://kubernetes.default.svc.cluster.local"], "serviceAccountKeyFiles": None,
                    "tlsCaFile": _CA, "tlsCertFile": _CERTIFICATE, "tlsPrivateKeyFile": _KEY}},
            "serviceBus": {"enable": False, "port": 9060, "server": "127.0.0.1", "timeout": 60},
            "taskManager": {"enable": False},
        },
    }


def _kubelet():
    return {
        "address": "127.0.0.1", "cgroupDriver": "cgroupfs", "cgroupsPerQOS": True, "clusterDomain": "cluster.local",
        "configMapAndSecretChangeDetectionStrategy": "Get", "containerLogMaxFiles": 5, "containerLogMaxSize": "10Mi",
        "containerRuntimeEndpoint": _RUNTIME, "contentType": "application/json", "enforceNodeAllocatable": ["pods"],
        "evictionHard": {"imagefs.available": "15%", "imagefs.inodesFree": "5%", "memory.available": "100Mi",
                         "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
        "failCgroupV1": False, "failSwapOn": False, "imageServiceEndpoint": _RUNTIME, "maxPods": 110,
        "nodeLeaseDurationSeconds": 40, "nodeStatusMaxImages": 0, "nodeStatusReportFrequency": "5m0s",
        "nodeStatusUpdateFrequency": "10s", "podLogsDir": "/var/log/pods", "readOnlyPort": 10350, "registerNode": True,
        "resolvConf": "/etc/resolv.conf", "runtimeRequestTimeout": "2m0s", "serializeImagePulls": True,
        "staticPodPath": "/etc/kubeedge/manifests", "syncFrequency": "1m0s",
    }


class Config:
    """The configuration in force."""

    def __init__(self, document):
        self.document = document
        modules = document["modules"]
        self.hub, self.edged, self.meta_server = modules["edgeHub"], modules["edged"], modules["metaManager"]["metaServer"]
        self.modules = modules
        self.kubelet = self.edged["tailoredKubeletConfig"]
        self.name = self.edged["hostnameOverride"]
        self.database = document["database"]["dataSource"]

    @property
    def transport(self):
        return self.hub["websocket"] if self.hub["websocket"]["enable"] else self.hub["quic"]


def load(path):
    """The Config of a file; writes the file anew where its edgecoreVersion is not this program's. Raises Invalid."""
    if not os.path.exists(path):
        raise Invalid("server.go:66", f"[\n  config: Required value: config file {path} not exist. For the configuration file format, "
                      "please refer to --minconfig and --defaultconfig command\n]")
    try:
        given = yaml.safe_load(Path(path).read_text()) or {}
        if not isinstance(given, dict):
            raise yaml.YAMLError("json: cannot unmarshal string into Go value of type v1alpha2.EdgeCoreConfig")
    except yaml.YAMLError as problem:
        text = getattr(problem, "problem", None) or str(problem)
        where = getattr(problem, "problem_mark", None)
        place = f"line {where.line + 1}: " if where else ""
        raise Invalid("server.go:71", f"failed to unmarshal configfile {path}, err: error converting YAML to JSON: yaml: {place}{text}"
                      ) from None
    document = merged(defaults(), given)
    _refuse(document["modules"])
    if given.get("edgecoreVersion") != version.version():
        _rewrite(path, document)
    return Config(document)


def _refuse(modules):
    hub, edged, problems = modules["edgeHub"], modules["edged"], []
    name, driver = str(edged["hostnameOverride"]), edged["tailoredKubeletConfig"]["cgroupDriver"]
    if not _NAME.fullmatch(name):
        problems.append(f'HostnameOverride: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case '
                        "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
                        "'example.com', regex used for validation is "
                        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
    if driver not in ("cgroupfs", "systemd"):
        problems.append(f'CGroupDriver: Invalid value: "{driver}": CGroupDriver value error')
    if bool(hub["websocket"]["enable"]) == bool(hub["quic"]["enable"]):
        value = str(bool(hub["websocket"]["enable"])).lower()
        problems.append(f"enable: Invalid value: {value}: websocket.enable and quic.enable cannot be true and false at the same time")
    if modules["eventBus"]["mqttMode"] not in (0, 1, 2):
        problems.append(f'Mode: Invalid value: {modules["eventBus"]["mqttMode"]}: Mode need in [0,2] range')
    if problems:
        raise Invalid("server.go:99", "[\n" + "".join(f"  {text}\n" for text in problems) + "]")


def _rewrite(path, document):
    """As EdgeCore does without a word: the whole document, the token of the bootstrap file in it, the mode kept."""
    document["edgecoreVersion"] = version.version()
    if not document["modules"]["edgeHub"]["token"]:
        document["modules"]["edgeHub"]["token"] = bootstrap_token()
    pki.write_file(path, yaml.safe_dump(document, sort_keys=True), os.stat(path).st_mode & 0o777)


def bootstrap_token():
    """The token as it lies in the file, blanks and all; empty without a file."""
    try:
        return Path(TOKEN_FILE).read_text().rstrip("\n")
    except OSError:
        return ""
