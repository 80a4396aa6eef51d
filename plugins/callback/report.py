# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: Writes what a run found and did as text, JSON, Markdown, JUnit and HTML
description:
  - Collects the evidence of a run on a fleet - preflight verdicts, failures, bytes sent, health of sites and GPUs - and writes one
    report at the end of the run, also when hosts failed or the run was cut short by a site that is down.
  - Says nothing, and leaves the last report alone, for runs that neither judged a site nor failed on one of its hosts.
version_added: 0.1.0
author: edgeai.sites contributors (@edgeai-sites)
options:
  directory:
    description:
      - Directory on the controller that receives C(report.txt), C(report.json), C(report.md), C(junit.xml) and C(index.html).
      - V({fleet}) is replaced by the name of the fleet.
      - Without it C(report) in the variable C(edge_state_dir), where kubeconfigs and rollouts are too; and without that variable
        C(~/.edgeai/{fleet}/report).
    type: path
    env:
      - name: EDGEAI_REPORT_DIR
    ini:
      - section: callback_report
        key: directory
requirements:
  - Enable it in C(ansible.cfg) with C(callbacks_enabled = edgeai.sites.report).
"""

import datetime
import json
import os
import shutil

from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.report.html import render_html
from ansible_collections.edgeai.sites.plugins.module_utils.report.junit import render_junit
from ansible_collections.edgeai.sites.plugins.module_utils.report.seen import seen
from ansible_collections.edgeai.sites.plugins.module_utils.report.summary import summarise
from ansible_collections.edgeai.sites.plugins.module_utils.report.text import render_markdown, render_text

NODE_VARS = {"runtime": "edge_runtime", "arch": "edge_arch", "gpu": "edge_gpu", "lines": "edge_lines"}


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "edgeai.sites.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.record = {
            "schema": 1, "fleet": "", "playbook": "", "started": _now(), "finished": "", "check_mode": False,
            "sites": {}, "hosts": {}, "steps": [], "preflight": [], "health": {}, "gpu": {}, "gpu_health": {},
            "cloudcore": {},
        }
        self._step = None
        self._rollout = False
        self._site_of = {}
        self._state_dir = ""

    def v2_playbook_on_start(self, playbook):
        self.record["playbook"] = os.path.basename(getattr(playbook, "_file_name", "") or "")

    def v2_playbook_on_play_start(self, play):
        self._learn_fleet(play)
        self._end_step()
        self._step = (play.get_name().partition(" | ")[0], datetime.datetime.now())
        self.record["check_mode"] = bool(play.check_mode)

    def v2_runner_on_ok(self, result):
        self._take(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._take(result)
        if not ignore_errors:
            host, task, _action, data = seen(result)
            self._host(host)["failures"].append({
                "step": self._step[0] if self._step else "",
                "task": task,
                "message": _first_line(data) or "no message",
                "deferred": bool(data.get("deferred")),
            })

    def v2_runner_on_unreachable(self, result):
        host, _task, _action, data = seen(result)
        self._host(host)["unreachable"] = _first_line(data) or "no answer"

    def v2_playbook_on_stats(self, stats):
        self._end_step()
        self.record["finished"] = _now()
        for name, host in self.record["hosts"].items():
            if not stats.failures.get(name):
                host["failures"] = []  # rescued: the play knew what to do about it
        if not self.record["sites"] or not self._has_something_to_say():
            return
        summary = summarise(self.record)
        width = shutil.get_terminal_size((110, 24)).columns
        directory = os.path.abspath(os.path.expanduser(self._directory().replace("{fleet}", self.record["fleet"] or "fleet")))
        text = render_text(summary, width)
        _write_all(directory, {
            "report.txt": text,
            "report.json": json.dumps(self.record, indent=2, sort_keys=True, default=str) + "\n",
            "report.md": render_markdown(summary),
            "junit.xml": render_junit(summary),
            "index.html": render_html(summary),
        })
        self._display.display("\nREPORT  " + text)
        self._display.display(f"report for the browser: {os.path.join(directory, 'index.html')}")

    def _directory(self):
        return self.get_option("directory") or os.path.join(self._state_dir or "~/.edgeai/{fleet}", "report")

    def _has_something_to_say(self):
        hosts = self.record["hosts"].values()
        seen_here = any(self.record[part] for part in ("preflight", "health", "gpu", "gpu_health", "cloudcore"))
        # A rollout has a report of its own, which also says what failed.
        return bool(seen_here or not self._rollout and any(host["failures"] or host["unreachable"] for host in hosts))

    def _take(self, result):
        """Keep what our own modules found; every other result only counts."""
        name, _task, action, data = seen(result)
        host = self._host(name)
        host["changed"] += bool(data.get("changed"))
        host["bytes_sent"] += int(data.get("bytes_sent") or 0)
        self._rollout = self._rollout or action.startswith("rollout_")
        if action == "preflight_report":
            self.record["preflight"] = list(data.get("verdicts", ()))
        elif action == "site_health" and "targets" in data:
            site = self._site_of.get(name, data.get("site", ""))
            self.record["health"][site] = {key: data.get(key) for key in ("healthy", "targets", "nodes", "verdicts")}
        elif action == "gpu_proof" and data.get("verdicts"):
            site = self._site_of.get(name, data.get("site", ""))
            self.record["gpu"][site] = {key: data.get(key) for key in ("healthy", "nodes", "verdicts")}
        elif action == "cloudcore_health" and "verdicts" in data:
            self.record["cloudcore"][self._site_of.get(name, "")] = {key: data.get(key) for key in ("healthy", "verdicts")}
        elif action in ("k3s_service", "edgecore_service") and data.get("node"):
            host["version"] = str(data["node"].get("version") or "")
        elif action == "edgecore_identity" and data.get("expires"):
            host["certificate_expires"] = float(data["expires"])
        elif action == "gpu_health" and data.get("verdicts"):
            self.record["gpu_health"][name] = {
                "healthy": data.get("healthy"), "gpu": data.get("gpu"), "found": data.get("found"),
                "verdicts": [dict(row, host=name) for row in data["verdicts"]]}

    def _host(self, name):
        return self.record["hosts"].setdefault(
            name, {"changed": 0, "bytes_sent": 0, "unreachable": None, "failures": []})

    def _learn_fleet(self, play):
        """Sites and nodes come from the inventory, so that a site that never answered is in the report too."""
        manager = play.get_variable_manager()
        inventory = getattr(manager, "_inventory", None)
        if self.record["sites"] or inventory is None or "sites" not in inventory.groups:
            return
        # A play narrows the inventory to its own hosts; the report wants all that the run may touch (--limit still holds).
        for host in inventory.get_hosts("sites:cloud" if "cloud" in inventory.groups else "sites", ignore_restrictions=True):
            values = manager.get_vars(play=play, host=host, include_hostvars=False)
            site = str(values.get("edge_site", ""))
            if not self.record["sites"]:
                self.record["fleet"] = str(values.get("edge_fleet", ""))
                self._state_dir = _templated(play, values, "edge_state_dir")
            self._site_of[host.get_name()] = site
            node = {"name": host.get_name(), "address": str(values.get("ansible_host", ""))}
            node.update({key: values.get(variable, "") for key, variable in NODE_VARS.items()})
            self.record["sites"].setdefault(site, []).append(node)

    def _end_step(self):
        if self._step is None:
            return
        name, began = self._step
        took = (datetime.datetime.now() - began).total_seconds()
        if self.record["steps"] and self.record["steps"][-1]["name"] == name:
            self.record["steps"][-1]["seconds"] += took
        else:
            self.record["steps"].append({"name": name, "seconds": took})
        self._step = None


def _now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _templated(play, values, name):
    """Return what a variable comes to, and "" for one that fails: what uses it in a task says why, and the report is written all the same."""
    try:
        return str(Templar(loader=play.get_loader(), variables=values).template(values.get(name, "")))
    except AnsibleError:
        return ""


def _first_line(data):
    return str(data.get("msg", "")).strip().partition("\n")[0]


def _write_all(directory, files):
    """Each file appears whole or not at all: a reader may look while a run ends."""
    os.makedirs(directory, exist_ok=True)
    for name, content in files.items():
        replace(os.path.join(directory, name), content, 0o644)
