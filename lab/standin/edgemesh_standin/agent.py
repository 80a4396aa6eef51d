"""The agent from its start to its end: link, port 20006, and on edge nodes DNS for the services that metaServer lists.

Like the real one it ends without its key, without the API of its side, and where its port is taken, and it leaves its link
behind. It proxies nothing.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.request

import yaml

CONFIG = "/etc/edgemesh/config/edgemesh-agent.yaml"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
DOMAIN = "cluster.local"
LIST_SECONDS = 5.0
# ioctl numbers of Linux.
SIOCBRADDBR, SIOCSIFADDR, SIOCSIFNETMASK, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x89A0, 0x8916, 0x891C, 0x8913, 0x8914
IFF_UP = 1
PR_SET_NAME = 15


def log(level, text):
    print(f"{level}{time.strftime('%m%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)


def fail(text):
    log("F", text)
    raise SystemExit(1)


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"edgemesh-agent", 0, 0, 0)
    config = read_config()
    edge = "KUBERNETES_PORT" not in os.environ
    log("I", f"[1] Prepare agent to run, mode: {'EdgeMode' if edge else 'CloudMode'}")
    check_key(config["modules"]["edgeTunnel"]["psk"])
    if not edge and not os.path.exists(TOKEN):
        fail(f"failed to build kubeconfig: open {TOKEN}: no such file or directory")
    make_link(config["commonConfig"]["bridgeDeviceName"], config["commonConfig"]["bridgeDeviceIP"])
    services = Services(config) if edge else None
    if services:
        services.start()
        if config["modules"]["edgeDNS"]["enable"]:
            serve_dns(config["commonConfig"]["bridgeDeviceIP"], int(config["modules"]["edgeDNS"].get("listenPort", 53)), services)
    tunnel(config["modules"]["edgeTunnel"])


def read_config():
    try:
        with open(CONFIG, encoding="utf-8") as stream:
            config = yaml.safe_load(stream)
    except (OSError, yaml.YAMLError) as problem:
        fail(f"failed to load config {CONFIG}: {problem}")
    if config.get("kind") != "EdgeMeshAgent":
        fail(f"{CONFIG} has the kind {config.get('kind')}")
    return config


def check_key(settings):
    if not settings.get("enable", True):
        return
    try:
        with open(settings["path"], encoding="ascii") as stream:
            key = stream.read().strip()
    except OSError as problem:
        fail(f"failed to read psk: {problem}")
    if not key:
        fail("failed to read psk: it is empty")


def make_link(name, address):
    """The real one makes a dummy. A lab's kernel may have none, and a bridge without ports serves as well for an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            fcntl.ioctl(channel, SIOCBRADDBR, name.encode() + b"\0")
        except FileExistsError:
            pass
        except OSError as problem:
            fail(f"failed to create dummy device {name}: {problem}")
        request = name.encode().ljust(16, b"\0")
        for number, text in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
            fcntl.ioctl(channel, number, request + struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text)))
        flags = struct.unpack("16sH", fcntl.ioctl(channel, SIOCGIFFLAGS, request + b"\0" * 16)[:18])[1]
        fcntl.ioctl(channel, SIOCSIFFLAGS, request + struct.pack("H14x", flags | IFF_UP))


class Services:
    """Names of services and their addresses, from metaServer."""

    def __init__(self, config):
        self._url = config["kubeAPIConfig"]["metaServer"]["server"] + "/api/v1/services"
        self.addresses = {}

    def start(self):
        threading.Thread(target=self._follow, daemon=True, name="services").start()

    def _follow(self):
        while True:
            try:
                with urllib.request.urlopen(self._url, timeout=15) as answer:
                    items = json.load(answer).get("items") or []
                self.addresses = {f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.{DOMAIN}":
                                  item["spec"].get("clusterIP", "") for item in items}
            except (OSError, ValueError, urllib.error.URLError) as problem:
                log("E", f"reflector.go:138: failed to list *v1.Service: {problem}")
            time.sleep(LIST_SECONDS)


def serve_dns(address, port, services):
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        channel.bind((address, port))
    except OSError as problem:
        fail(f"listen udp {address}:{port}: {problem}")
    threading.Thread(target=answer_all, args=(channel, services), daemon=True, name="dns").start()


def answer_all(channel, services):
    while True:
        data, peer = channel.recvfrom(512)
        try:
            channel.sendto(answer(data, services.addresses), peer)
        except (IndexError, struct.error, UnicodeDecodeError, OSError):
            continue


def answer(data, addresses):
    """The answer to one question for an IPv4 address."""
    end, labels = 12, []
    while data[end]:
        labels.append(data[end + 1:end + 1 + data[end]].decode("ascii"))
        end += data[end] + 1
    question = data[12:end + 5]
    address = addresses.get(".".join(labels).lower(), "")
    good = address not in ("", "None")
    head = data[:2] + struct.pack(">HHHHH", 0x8580 if good else 0x8583, 1, 1 if good else 0, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 30, 4) + socket.inet_aton(address) if good else b""
    return head + question + record


def tunnel(settings):
    """Takes connections and ends them; relays are dialled once, for the log."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("0.0.0.0", int(settings.get("listenPort", 20006))))
    except OSError as problem:
        fail(f"failed to new libp2p host: failed to listen on any addresses: {problem}")
    server.listen(64)
    log("I", f"I'm {os.environ.get('NODE_NAME')}, listening on {server.getsockname()[1]}")
    for relay in settings.get("relayNodes") or []:
        log("I", f"relay node {relay['nodeName']} at {', '.join(relay['advertiseAddress'])}")
    while True:
        connection, _peer = server.accept()
        connection.close()
