# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the gates of a wave that ask others: queries to Prometheus, and people's own commands."""
from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse

from ansible.module_utils.urls import open_url

from ansible_collections.edgeai.sites.plugins.module_utils.rollout.gates import (
    ERROR,
    INCONCLUSIVE,
    Reading,
    judge_command,
    judge_query,
)
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import spec

ANSWER_BYTES = 1 << 20
QUERY_SECONDS = 10
# A command that asks to wait is run again after this time.
AGAIN_SECONDS = 10


class WaveGates:
    """Readings of one run. What was read of a wave stays; a controller that starts anew reads anew."""

    def __init__(self, url, directory):
        self._url = url.rstrip("/")
        self._directory = directory
        self._values = {}  # (wave, name) -> [(when, value)]
        self._said = {}  # (wave, name) -> (when, Reading)

    def read(self, plan, state):
        """Return one reading for each query and command of the current wave. Waits for a command as long as its timeout."""
        number, gates, found = state.wave, plan["gates"], []
        for gate in gates.get("prometheus", ()):
            found.append(self._query(number, gate))
        for gate in gates.get("command", ()):
            found.append(self._command(plan, spec(plan, state, number)["name"], number, gate))
        return found

    def _query(self, number, gate):
        values = self._values.setdefault((number, gate["name"]), [])
        if len(values) < gate["count"] and (not values or time.monotonic() - values[-1][0] >= gate["interval"]):
            values.append((time.monotonic(), self._ask(gate["query"])))
        reading = judge_query(gate, [value for _when, value in values])
        # Readings without data are asked for again, a full round at a time, until the wave's own deadline.
        if len(values) >= gate["count"] and reading.verdict == INCONCLUSIVE:
            del values[0]
        return Reading(f"prometheus {gate['name']}", reading.verdict, reading.found, reading.wanted)

    def _ask(self, query):
        """The one number that a query gives, or None."""
        if not self._url:
            return None
        address = f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        if not address.startswith(("http://", "https://")):
            return None
        try:
            with open_url(address, timeout=QUERY_SECONDS) as answer:
                document = json.loads(answer.read(ANSWER_BYTES))
            rows = document["data"]["result"]
            value = rows[1] if document["data"]["resultType"] == "scalar" else rows[0]["value"][1] if len(rows) == 1 else None
            return None if value is None else float(value)
        except (OSError, ValueError, LookupError, TypeError, urllib.error.URLError):
            return None

    def _command(self, plan, name, number, gate):
        when, said = self._said.get((number, gate["name"]), (None, None))
        if said is not None and (said.verdict != INCONCLUSIVE or time.monotonic() - when < AGAIN_SECONDS):
            return said
        try:
            done = subprocess.run(gate["argv"], cwd=self._directory, capture_output=True, text=True, timeout=gate["timeout"], check=False,
                                  stdin=subprocess.DEVNULL, env=_environment(plan, name))
            said = judge_command(gate, done.returncode, done.stdout + done.stderr)
        except subprocess.TimeoutExpired:
            said = judge_command(gate, None)
        except OSError as error:
            said = Reading("command " + gate["name"], ERROR, str(error), "exit code 0")
        self._said[number, gate["name"]] = (time.monotonic(), said)
        return said


def _environment(plan, wave):
    return {**os.environ, "EDGEAI_RELEASE": plan["release"], "EDGEAI_WAVE": wave, "EDGEAI_PLAN": plan["hash"]}
