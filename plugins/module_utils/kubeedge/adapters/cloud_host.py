# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host on which CloudCore is a service: its files, its unit, its journal, its port."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, NamedTuple, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils import started, systemd
from ansible_collections.edgeai.sites.plugins.module_utils.files import on_disk, replace
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_causes, cloud_host
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import tls

PAUSE = 0.5
JOURNAL_AFTER = 5.0  # seconds; a start takes 1 to 10


class Plan(NamedTuple):
    """What a call does, or would do. ``files``: those that differ, with what is there now."""

    files: List[Tuple[cloud_host.File, str]]
    reload: bool
    enable: bool
    active: bool
    reasons: List[str]

    @property
    def changed(self) -> bool:
        return bool(self.files or self.reload or self.enable or self.reasons or not self.active)


class Refused(Exception):
    """Nothing was written."""


class Host:
    """``run``: AnsibleModule.run_command."""

    def __init__(self, run: systemd.Run) -> None:
        self._run = run
        self._since = time.time()

    def plan(self, wanted: List[cloud_host.File], kubeconfig: str, renewed: bool, check_mode: bool) -> Plan:
        """Decide what to do; reads only. Raises Refused."""
        others = tuple(unit for unit in ("edgecore.service",) if self._active(unit))
        problems = cloud_host.check(os.path.exists(cloud_host.BINARY) or check_mode, os.path.exists(kubeconfig) or check_mode,
                                    kubeconfig, others)
        if problems:
            raise Refused("; ".join(problems))
        changes = []
        for item in wanted:
            before = files.read(item.path)
            if before != item.text or files.mode(item.path) != item.mode:
                changes.append((item, before))
        properties = systemd.show(self._run, cloud_host.UNIT)
        active = properties.get("ActiveState") in ("active", "activating", "reloading")
        reasons = self._reasons(wanted, renewed) if active else []
        return Plan(changes, reload=any(item.path == cloud_host.UNIT_FILE for item, _before in changes)
                    or properties.get("NeedDaemonReload") == "yes",
                    enable=properties.get("UnitFileState") != "enabled", active=active, reasons=reasons)

    def apply(self, plan: Plan) -> None:
        """Write, enable, and start or restart without waiting."""
        for item, _before in plan.files:
            os.makedirs(os.path.dirname(item.path), mode=0o755, exist_ok=True)
            replace(item.path, item.text, item.mode)
        if plan.reload:
            systemd.control(self._run, "daemon-reload")
        if plan.enable:
            systemd.control(self._run, "enable", cloud_host.UNIT)
        if plan.reasons or not plan.active:
            self._since = time.time()
            systemd.control(self._run, "reset-failed", cloud_host.UNIT)
            systemd.control(self._run, "restart", "--no-block", cloud_host.UNIT)

    def wait(self, port: int, seconds: float) -> Tuple[str, List[str], float]:
        """(problem, journal lines, seconds waited); no problem when it serves its CA."""
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            state = systemd.show(self._run, cloud_host.UNIT)
            error = tls.fetch("127.0.0.1", port)[2] if state.get("ActiveState") == "active" else ""
            problem = "the unit is %s" % state.get("ActiveState") if state.get("ActiveState") != "active" else error
            if not problem:
                return "", [], waited
            lines = self._journal() if waited >= JOURNAL_AFTER or waited >= seconds else []
            if waited >= seconds or any(finding.decisive for finding in cloud_causes.READER.findings(lines)):
                return problem, lines, waited
            time.sleep(PAUSE)

    def remove(self, check_mode: bool) -> List[str]:
        """Stop, disable and remove the service and its files, but not the program; what was (or would be) removed."""
        gone = []
        if os.path.exists(cloud_host.UNIT_FILE):
            gone.append(cloud_host.UNIT)
            if not check_mode:
                systemd.control(self._run, "disable", "--now", cloud_host.UNIT)
        ours = [item.path for item in cloud_host.wanted_files("", {name: "" for name in cloud_host.STREAM_FILES})]
        for path in ours + [cloud_host.SOCKET]:
            if os.path.lexists(path):
                gone.append(path)
                if not check_mode:
                    os.unlink(path)
        for directory in cloud_host.DIRECTORIES if not check_mode else ():
            if os.path.isdir(directory) and not os.listdir(directory):
                os.rmdir(directory)
        if cloud_host.UNIT in gone and not check_mode:
            systemd.control(self._run, "daemon-reload")
        return gone

    def _active(self, unit: str) -> bool:
        return systemd.show(self._run, unit).get("ActiveState") in ("active", "activating")

    def _reasons(self, wanted: List[cloud_host.File], renewed: bool) -> List[str]:
        """Why what runs is not what will be on disk."""
        noted = files.read(cloud_host.STARTED)
        record = started.parse(noted) if noted else None
        disk = on_disk(cloud_host.WATCHED, {item.path: item.text for item in wanted}, record)
        return started.restart_reasons(record, disk, cloud_host.WATCHED) + (["certificate"] if renewed else [])

    def _journal(self) -> List[str]:
        return systemd.journal(self._run, cloud_host.UNIT, "cloudcore", self._since)


def diff(changes: List[Tuple[cloud_host.File, str]]) -> List[Dict[str, Any]]:
    """The changes in Ansible's form; keys are not shown."""
    return [{"before_header": item.path, "after_header": "%s (mode %04o)" % (item.path, item.mode),
             "before": "" if item.secret else before, "after": "(not shown)\n" if item.secret else item.text}
            for item, before in changes]
