# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a K3s node is up: take samples, let the state machine judge, stop at the deadline."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils import node_labels, systemd
from ansible_collections.edgeai.sites.plugins.module_utils.journal import Finding
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import journal, paths, ready
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files, http
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters.node import installed_version

FIRST_PAUSE = 0.25   # seconds; doubled up to LAST_PAUSE
LAST_PAUSE = 1.0
JOURNAL_AFTER = 3.0  # seconds before the journal is asked why it takes so long


class Outcome(NamedTuple):
    """How the wait ended. ``lines`` and ``findings`` are empty when the node is ready."""

    verdict: ready.Verdict
    samples: list[ready.Sample]
    findings: list[Finding]
    lines: list[str]


class Service:
    """The K3s unit of one kind of node on this host."""

    def __init__(self, runtime: str, node_name: str, version: str, run: systemd.Run, serving_only: bool = False) -> None:
        self.unit = paths.UNITS[runtime]
        self._run = run
        self.wanted = ready.Wanted(node_name, version, serving_only=serving_only)
        self._since = time.time()
        self._version = None  # type: str | None
        self._image_seen = False

    def state(self) -> ready.Unit:
        """systemd's view of the unit now."""
        return systemd.state(systemd.show(self._run, self.unit))

    def start(self, restart: bool) -> None:
        """Ask systemd to start or restart, without waiting: it would wait for ever for a server that is away."""
        self._since = time.time()
        self.wanted = self.wanted._replace(not_before=time.monotonic())
        systemd.control(self._run, "reset-failed", self.unit)
        systemd.control(self._run, "restart" if restart else "start", "--no-block", self.unit)

    def wait(self, seconds: float) -> Outcome:
        """Return as soon as the node is ready or cannot become so, at the latest after ``seconds``.

        Only journal lines of this wait count: older ones may be about something that has just been repaired.
        """
        begun, pause = time.monotonic(), FIRST_PAUSE
        samples, lines = [], []  # type: list[ready.Sample], list[str]
        while True:
            samples.append(self._sample())
            waited = time.monotonic() - begun
            if waited >= JOURNAL_AFTER:
                lines = systemd.journal(self._run, self.unit, "k3s", self._since)
            hopeless = any(finding.decisive for finding in journal.READER.findings(lines))
            verdict = ready.judge(samples, self.wanted, hopeless)
            if verdict.state == ready.READY:
                return Outcome(verdict, samples, [], [])
            if verdict.state == ready.FAILED or waited >= seconds:
                lines = systemd.journal(self._run, self.unit, "k3s", self._since)
                return Outcome(verdict, samples, journal.READER.findings(lines), lines)
            time.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    def reconcile_labels(self, node: dict[str, Any], wanted: dict[str, str], check_mode: bool) -> dict[str, Any]:
        """Bring our labels on the node up to date; the patch that was (or would be) sent, ``{}`` for none."""
        patch = node_labels.plan(node, wanted)
        if patch and not check_mode:
            api = http.KubeletApi(self.wanted.node_name)
            try:
                api.patch(api.node, patch)
            finally:
                api.close()
        return patch

    def _sample(self) -> ready.Sample:
        sample = ready.Sample(at=time.monotonic(), wall=time.time(), unit=self.state())
        if (sample.unit.active, sample.unit.sub) != ("active", "running") or self.wanted.serving_only:
            return sample
        try:
            sample = self._ask(sample)
        except http.ERRORS as error:
            return sample._replace(api_error=str(error) or type(error).__name__)
        self._prove_version(sample)
        return sample._replace(pause_missing=self._missing_image(sample))

    def _ask(self, sample: ready.Sample) -> ready.Sample:
        api = http.KubeletApi(self.wanted.node_name)
        try:
            node = api.get(api.node)
            # the clock is read again: what comes before may have taken seconds
            return sample._replace(node=node, lease=api.get(api.lease) if node else None,
                                   at=time.monotonic(), wall=time.time())
        finally:
            api.close()

    def _prove_version(self, sample: ready.Sample) -> None:
        """Ask the binary only where the kubelet reports something else than wanted: running it is not free."""
        info = ((sample.node or {}).get("status") or {}).get("nodeInfo") or {}
        if self._version is None and info.get("kubeletVersion") not in (None, self.wanted.version):
            self._version = installed_version(self._run)
            self.wanted = self.wanted._replace(version_proved=self._version == self.wanted.version)

    def _missing_image(self, sample: ready.Sample) -> str | None:
        """The sandbox image if it is missing. What the node's status does not prove, containerd is asked."""
        if sample.node is None or self._image_seen:
            return "" if self._image_seen else None
        image = ready.sandbox_image(files.read(paths.AGENT + "/etc/containerd/config.toml"))
        names = ready.reported_images(sample)
        self._image_seen = not image or ready.has_image(names, image) or ready.has_image(self._imported(), image)
        return "" if self._image_seen else image

    def _imported(self) -> list[str]:
        code, out, dummy = self._run([paths.BINARY, "ctr", "images", "ls", "-q"])
        return out.split() if code == 0 else []
