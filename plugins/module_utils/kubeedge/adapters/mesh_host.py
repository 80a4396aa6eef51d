# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at EdgeMesh on this host, and remove what it leaves behind (I/O)."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import time
from typing import Any

from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths, mesh_node
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_facts import ADDRESS, DNS_PORT, LINK, PORT

ASK_SECONDS = 12.0  # metaServer takes ten where its link is down, and answers then
CONNECT_SECONDS = 3.0
BODY_LIMIT = 32 * 1024 * 1024
PAUSE = 2.0
BACKENDS = ("iptables", "iptables-nft", "iptables-legacy")
COMMAND_SECONDS = 30
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Failed(Exception):
    """A step did not work; the text says which and why."""


def look(relays: list[dict[str, Any]]) -> mesh_node.Seen:
    """All evidence of one moment."""
    host = LocalHost()
    running = [pid for pid in host.names("/proc") if pid.isdigit() and (host.read("/proc/%s/comm" % pid) or "").strip() == "kube-proxy"]
    services, meta = _services()
    code, output = host.run("ip", "-o", "-4", "addr", "show", "dev", LINK)
    return mesh_node.Seen(
        services=services, meta=meta, kube_proxy="kube-proxy runs here (pid %s)" % running[0] if running else "",
        link=mesh_node.listed(output) if code == 0 else None, listening=connect("127.0.0.1", PORT), dns=_resolve(),
        relays=try_relays(relays))


def wait(relays: list[dict[str, Any]], seconds: float) -> tuple[mesh_node.Verdict, list[str], float]:
    """Until the mesh works here or cannot; the verdict, the stages that it went through, and how long it took."""
    begun, stages = time.monotonic(), []  # type: float, list[str]
    while True:
        verdict = mesh_node.judge(look(relays))
        waited = time.monotonic() - begun
        if not stages or stages[-1].split()[0] != verdict.stage:
            stages.append("%s %.1f s" % (verdict.stage, waited))
        if verdict.state != mesh_node.PROGRESSING or waited >= seconds:
            return verdict, stages, round(waited, 1)
        time.sleep(PAUSE)


def clean(check_mode: bool) -> list[str]:
    """Remove chains, rules and link of an agent that is gone; what was, or would be, removed. Raises Failed."""
    done = []
    for backend in BACKENDS:
        undo = _leftovers(backend)
        if undo:
            done.append("%s: %d rules and chains" % (backend, sum(line[:3] in ("-D ", "-X ") for line in undo.splitlines())))
            if not check_mode:
                _run([backend + "-restore", "--noflush"], undo)
    if os.path.exists("/sys/class/net/" + LINK):
        done.append("link " + LINK)
        if not check_mode:
            _run(["ip", "link", "delete", LINK])
    return done


def connect(address: str, port: int, seconds: float = CONNECT_SECONDS) -> str:
    """Why nothing answers there, "" when something does."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
        return ""
    except (socket.timeout, TimeoutError):
        return "no answer within %d s" % seconds
    except OSError as error:
        return str(error.strerror or error).lower()


def try_relays(relays: list[dict[str, Any]]) -> dict[str, str]:
    """``{relay: why none of its addresses answers}``, "" for one that does."""
    return {relay["node"]: _reach(relay["addresses"]) for relay in relays}


def _reach(addresses: list[str]) -> str:
    problems = []
    for address in addresses:
        problem = connect(address, PORT)
        if not problem:
            return ""
        problems.append("%s port %d: %s" % (address, PORT, problem))
    return "; ".join(problems)


def _services() -> tuple[int | None, str]:
    connection = http.client.HTTPConnection("127.0.0.1", edge_paths.META_SERVER_PORT, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/api/v1/services")
        answer = connection.getresponse()
        body = answer.read(BODY_LIMIT)
        if answer.status != 200:
            return None, "HTTP %d" % answer.status
        return len(json.loads(body.decode("utf-8")).get("items") or []), ""
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        return None, str(getattr(error, "strerror", None) or error).lower()
    finally:
        connection.close()


def _resolve() -> str:
    number = random.randrange(1, 65536)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(CONNECT_SECONDS)
        try:
            channel.connect((ADDRESS, DNS_PORT))
            channel.send(mesh_node.query(mesh_node.PROBE_NAME, number))
            return mesh_node.answer_problem(channel.recv(4096), number)
        except (socket.timeout, TimeoutError):
            return "no answer within %d s" % CONNECT_SECONDS
        except OSError as error:
            return str(error.strerror or error).lower()


def _leftovers(backend: str) -> str:
    try:
        done = subprocess.run([backend + "-save"], capture_output=True, text=True, timeout=COMMAND_SECONDS, env=ENVIRONMENT, check=False)
    except FileNotFoundError:
        return ""
    except subprocess.TimeoutExpired:
        raise Failed("%s-save did not end within %d s" % (backend, COMMAND_SECONDS)) from None
    return mesh_node.undo(done.stdout)


def _run(command: list[str], given: str = "") -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=ENVIRONMENT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed("%s: %s" % (" ".join(command), error)) from None
    if done.returncode:
        raise Failed("%s failed: %s" % (" ".join(command), (done.stderr or done.stdout).strip()[-300:]))
