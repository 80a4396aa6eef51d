"""The command line of cloudcore, and its configuration."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml
from standin_common import log

from ..settings import merged

CONFIG = "/etc/kubeedge/config/cloudcore.yaml"
_USAGE = """\
Usage:
  cloudcore [flags]

Flags:
      --config string    The path to the configuration file. Flags override values in this file. (default "%s")
      --defaultconfig    Print default configuration for reference, users can refer to it to create their own configuration files.
  -h, --help             help for cloudcore
      --minconfig        Print min configuration for reference, users can refer to it to create their own configuration files.
  -v, --v Level          number for the log level verbosity""" % CONFIG
DEFAULTS = {
    "apiVersion": "cloudcore.config.kubeedge.io/v1alpha2", "kind": "CloudCore",
    "commonConfig": {"monitorServer": {"bindAddress": "127.0.0.1:9091"}, "tunnelPort": 10350},
    "kubeAPIConfig": {"kubeConfig": "", "master": ""},
    "modules": {
        "cloudHub": {
            "advertiseAddress": [], "dnsNames": [], "edgeCertSigningDuration": 365, "tokenRefreshDuration": 12,
            "keepaliveInterval": 30, "nodeLimit": 500, "writeTimeout": 30,
            "https": {"address": "0.0.0.0", "enable": True, "port": 10002},
            "websocket": {"address": "0.0.0.0", "enable": True, "port": 10000},
            "quic": {"address": "0.0.0.0", "enable": False, "port": 10001},
            "tlsCAFile": "/etc/kubeedge/ca/rootCA.crt", "tlsCAKeyFile": "/etc/kubeedge/ca/rootCA.key",
            "tlsCertFile": "/etc/kubeedge/certs/server.crt", "tlsPrivateKeyFile": "/etc/kubeedge/certs/server.key",
            "unixsocket": {"address": "unix:///var/lib/kubeedge/kubeedge.sock", "enable": True},
        },
        "cloudStream": {
            "enable": False, "streamPort": 10003, "tunnelPort": 10004,
            "tlsStreamCAFile": "/etc/kubeedge/ca/streamCA.crt", "tlsStreamCertFile": "/etc/kubeedge/certs/stream.crt",
            "tlsStreamPrivateKeyFile": "/etc/kubeedge/certs/stream.key",
        },
        "deviceController": {"enable": True}, "dynamicController": {"enable": False}, "edgeController": {"enable": True},
        "iptablesManager": {"enable": True, "mode": "internal"}, "router": {"enable": False},
        "syncController": {"enable": True}, "taskManager": {"enable": False},
    },
}


def fail(source, text):
    log.kubernetes("F", source, text)
    raise SystemExit(1)


def load(path):
    """The configuration: defaults overlaid by the file; ends the program where it is not valid."""
    if not Path(path).exists():
        fail("server.go:81", f"[config: Required value: config file {path} not exist. For the configuration file format, please "
             "refer to --minconfig and --defaultconfig command]")
    try:
        document = yaml.safe_load(Path(path).read_text()) or {}
    except (yaml.YAMLError, OSError) as problem:
        fail("server.go:86", f"failed to unmarshal configfile {path}, err: error converting YAML to JSON: {problem}")
    config = merged(DEFAULTS, document)
    hub = config["modules"]["cloudHub"]
    if not hub["advertiseAddress"]:
        fail("server.go:93", '[AdvertiseAddress: Invalid value: "": must specify the advertise address]')
    manager = config["modules"]["iptablesManager"]
    if manager.get("mode") not in ("internal", "external"):
        fail("server.go:93", f'[Mode: Invalid value: "{manager.get("mode", "")}": iptablesManager mode must be internal or external]')
    return config


def main():
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = "/dev/shm"  # the only place that a read-only container can write to
    words, path = sys.argv[1:], CONFIG
    while words:
        word = words.pop(0)
        name, given, value = word.partition("=")
        if name == "--config":
            path = value if given else words.pop(0) if words else fail("flag", "flag needs an argument: --config")
        elif name in ("-h", "--help"):
            print(_USAGE)
            return
        elif name in ("--defaultconfig", "--minconfig"):
            print(yaml.safe_dump(DEFAULTS))
            return
        elif name in ("-v", "--v", "--vmodule", "--log-flush-frequency"):
            if not given and words:
                words.pop(0)
        else:
            print(f"Error: unknown flag: {name}\n{_USAGE}\n\nunknown flag: {name}", file=sys.stderr)
            raise SystemExit(1)
    from .server import CloudCore
    CloudCore(load(path)).run()
