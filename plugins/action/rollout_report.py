# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on a rollout from its ledger, also while it runs. An action and no module: all that it reads is on the controller."""
from __future__ import annotations

import os
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.place import place_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report import render_markdown, render_text, summarise
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report_exports import render_json, render_junit, render_metrics
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.report_html import render_html
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.timeline import follow
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain

try:
    from zoneinfo import ZoneInfo
except ImportError:  # no controller has so old a Python; sanity tests import this file with it
    ZoneInfo = None

ARGUMENTS = {
    "ledger": {"type": "path", "required": True},
    "ledger_kubeconfig": {"type": "path"},
    "dest": {"type": "path"},
    "textfile": {"type": "path"},
    "now": {"type": "int"},
    "timezone": {"type": "str", "default": "UTC"},
}


class ActionModule(ActionBase):
    """Reads the ledger without a lock, reports, and writes the report where that is asked for."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        given = plain(given)
        zone = _zone(given["timezone"])
        try:
            plan, journal = place_of(given["ledger"], given["ledger_kubeconfig"]).read()
        except (OSError, RolloutError) as error:
            raise AnsibleActionFail(f"cannot read the rollout in {given['ledger']}: {error}") from error
        state, timeline = follow(plan, journal.events)
        summary = summarise(plan, state, int(time.time()) if given["now"] is None else given["now"], timeline)
        text = render_text(summary, zone)
        files = {}
        if given["dest"]:
            reports = {"report.txt": text, "report.md": render_markdown(summary, zone), "report.json": render_json(summary),
                       "junit.xml": render_junit(summary), "index.html": render_html(summary, zone)}
            # Names of lines and of people are for those who may read the rollout.
            files = {os.path.join(given["dest"], name): (content, 0o600) for name, content in reports.items()}
        if given["textfile"]:
            files[given["textfile"]] = (render_metrics(summary), 0o644)
        changed = [path for path, (content, _mode) in files.items() if not _holds(path, content)]
        if not self._task.check_mode:
            for path in changed:
                _write(path, *files[path])
        return {**result, "changed": bool(changed), "text": text, "report": summary, "status": summary["status"], "files": sorted(files)}


def _zone(name):
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise AnsibleActionFail(f"found time zone {name!r}; wanted an IANA name such as Europe/Berlin") from error
    return name


def _holds(path, content):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read() == content
    except (OSError, ValueError):
        return False  # there is none, or none of ours


def _write(path, content, mode):
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        replace(path, content, mode)
    except OSError as error:
        raise AnsibleActionFail(f"cannot write the report: {error}. Correct dest or textfile") from error
