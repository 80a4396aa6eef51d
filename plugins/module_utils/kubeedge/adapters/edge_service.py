# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start EdgeCore and wait until the node is well by itself: take looks, let the pure part judge, stop at the deadline (I/O)."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils import systemd
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.journal import Finding
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import containerd as engine
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_journal, health
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths

FIRST_PAUSE = 0.25  # seconds; doubled up to LAST_PAUSE
LAST_PAUSE = 2.0
ASK_SECONDS = 5.0
BODY_LIMIT = 16 * 1024 * 1024


class Outcome(NamedTuple):
    """How the wait ended. ``lines`` and ``findings`` explain it; empty when the node is well."""

    verdict: health.Verdict
    local: health.Local
    stages: list[str]
    waited: float
    findings: list[Finding]
    lines: list[str]


class EdgeService:
    """The unit of EdgeCore on this host."""

    def __init__(self, wanted: health.Wanted, pause_image: str, run: systemd.Run) -> None:
        self.wanted, self._pause_image, self._run = wanted, pause_image, run
        self._host = LocalHost()
        self._restarts = systemd.state(systemd.show(run, paths.UNIT)).restarts

    def state(self) -> Any:
        """systemd's view of the unit now."""
        return systemd.state(systemd.show(self._run, paths.UNIT))

    def start(self, restart: bool) -> None:
        """Start or restart. ``active`` is no evidence of anything; the wait is."""
        self.wanted = self.wanted._replace(not_before=time.monotonic())
        systemd.control(self._run, "reset-failed", paths.UNIT)
        self._restarts = 0
        systemd.control(self._run, "restart" if restart else "start", paths.UNIT)

    def stop(self) -> None:
        """Stop it. Its pods run on."""
        systemd.control(self._run, "stop", paths.UNIT)

    def wait(self, seconds: float) -> Outcome:
        """Return as soon as the node is well by itself or cannot become so, at the latest after ``seconds``.

        Only journal lines of this wait make it hopeless: older ones may be about something that has just been repaired.
        """
        begun, now, pause, stages = time.monotonic(), time.time(), FIRST_PAUSE, []  # type: float, float, float, list[str]
        while True:
            local, lines = self._look()
            fresh = edge_journal.READER.findings(systemd.journal(self._run, paths.UNIT, edge_journal.IDENTIFIER, now))
            verdict = health.judge_local(local, self.wanted, any(finding.decisive for finding in fresh))
            findings = fresh or edge_journal.READER.findings(lines)
            waited = time.monotonic() - begun
            if not stages or stages[-1].split()[0] != verdict.stage:
                stages.append("%s %.1f s" % (verdict.stage, waited))
            if verdict.state != health.PROGRESSING or waited >= seconds:
                good = verdict.state == health.READY
                return Outcome(verdict, local, stages, round(waited, 1), [] if good else findings, [] if good else lines)
            time.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    def explain(self) -> list[str]:
        """Journal lines since EdgeCore was started."""
        return self._journal(self.state())

    def forget_token(self) -> bool:
        """Remove the token once the node has its certificate, and in any case when a run ends; whether it was there."""
        try:
            os.unlink(paths.TOKEN)
            return True
        except FileNotFoundError:
            return False

    def _journal(self, unit: Any) -> list[str]:
        """Of this start; in a crash loop also of the one before, whose last words say why."""
        age = time.monotonic() - unit.started if unit.started else 600.0
        since = max(time.time() - age - (60.0 if unit.restarts > self._restarts else 1.0), self._asked())
        return edge_journal.of_this_life(systemd.journal(self._run, paths.UNIT, edge_journal.IDENTIFIER, since))

    def _asked(self) -> float:
        """When this module started EdgeCore, by the clock; what was before has been dealt with."""
        return time.time() - (time.monotonic() - self.wanted.not_before) if self.wanted.not_before else 0.0

    def _look(self) -> tuple[health.Local, list[str]]:
        unit = self.state()
        lines = self._journal(unit)
        local = health.Local(at=time.monotonic(), wall=time.time(), unit=unit, restarts_before=self._restarts)
        if (unit.active, unit.sub) != ("active", "running"):
            return local, lines
        pods = _pods()
        local = local._replace(
            enrolled=_enrolled(), x509=edge_journal.count(edge_journal.X509, lines), syncloop=_syncloop(), pods=pods,
            sandbox_errors=self._sandboxes(lines, pods), engine=self._engine(), network=self._network(), pause=self._pause(),
            answers={uid: _connects(*place) for uid, place in health.probes(pods or []).items()})
        return local._replace(at=time.monotonic(), wall=time.time()), lines

    def _sandboxes(self, lines: list[str], pods: list[dict[str, Any]] | None) -> int:
        """Pods that could not be started and still are not: the error of one that runs by now has healed."""
        failing = [line for line in lines[-60:] if edge_journal.SANDBOX.search(line)]
        waiting = [pod for pod in pods or [] if (pod.get("status") or {}).get("phase") == "Pending"]
        names = ["%s/%s" % (pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in waiting if pod.get("metadata")]
        return len([name for name in names if any('pod="%s"' % name in line for line in failing)])

    def _engine(self) -> str:
        code, output = self._host.run("ctr", "plugins", "ls", timeout=20)
        status = engine.plugin_status(output) if code == 0 else ""
        if status == "ok":
            return ""
        return "containerd does not answer: %s" % output.strip()[-200:] if code else "containerd's plugin cri is %s" % (status or "off")

    def _network(self) -> str:
        folder = "/etc/cni/net.d"
        texts = {name: self._host.read("%s/%s" % (folder, name)) or "" for name in self._host.names(folder)}
        plugins = {name for path in engine.PLUGIN_DIRS for name in self._host.names(path)}
        return engine.network_problem(texts, plugins)

    def _pause(self) -> str:
        code, output = self._host.run("ctr", "-n", engine.NAMESPACE, "images", "ls", timeout=20)
        there = engine.parse_images(output) if code == 0 else {}
        image = engine.full_name(self._pause_image)
        return "" if not self._pause_image or image in there else "the pause image %s is not in containerd: no pod can start" % image


def _enrolled() -> str:
    missing = [path for path in (paths.CA, paths.CERTIFICATE, paths.KEY) if not os.path.exists(path)]
    return "it has no %s" % ", ".join(missing) if missing else ""


def _get(path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", paths.KUBELET_PORT, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(BODY_LIMIT)
        if answer.status != 200:
            raise OSError("HTTP %d %s" % (answer.status, body[:200].decode("utf-8", "replace")))
        return body
    finally:
        connection.close()


def _syncloop() -> str:
    try:
        text = _get("/healthz/syncloop").decode("utf-8", "replace").strip()
        return "" if text == "ok" else "the kubelet's loop says %s" % text[:200]
    except (OSError, http.client.HTTPException) as error:
        return "the kubelet in EdgeCore does not answer: %s" % error


def _pods() -> list[dict[str, Any]] | None:
    try:
        return json.loads(_get("/pods").decode("utf-8")).get("items") or []
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return None


def _connects(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=2.0).close()
        return ""
    except OSError as error:
        return "%s:%d: %s" % (address, port, str(error.strerror or error).lower())
