# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: One line per step and per change, and a sign of life while a step takes long
description:
  - Shows a run as its operator thinks of it - steps, what changed on which host, what failed and why - instead of every task.
  - With C(-v) it prints everything that the default callback prints.
version_added: 0.1.0
author: edgeai.sites contributors (@edgeai-sites)
extends_documentation_fragment:
  - default_callback
requirements:
  - Set it in C(ansible.cfg) with C(stdout_callback = edgeai.sites.progress).
"""

import gc
import os
import signal
import textwrap
import threading
import time

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.plugins.loader import filter_loader, lookup_loader, test_loader
from ansible_collections.edgeai.sites.plugins.module_utils.report import words
from ansible_collections.edgeai.sites.plugins.module_utils.report.seen import seen, task_name

# Its events are lines of their own.
SPEAKS_ITSELF = ("edgeai.sites.rollout_step",)
SIGN_OF_LIFE_SECONDS = 10
# One of each file of filters.
OUR_FILTERS = ["edgeai.sites." + name for name in ("bundle_manifest", "gpu_nodes", "inference_targets", "k3s_public_config")]
INDENT = " " * 12


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "edgeai.sites.progress"

    def __init__(self):
        super().__init__()
        self._step = ""
        self._began = 0.0
        self._hosts, self._changed = set(), 0
        # A play's line waits for its first task: most fleets have no host for some of the plays.
        self._header, self._told, self._nobody = "", False, False
        self._task, self._task_began, self._waiting, self._next_sign = "", 0.0, {}, 0.0
        # Every task is a fork that inherits everything and lives for seconds: looking through it all for garbage costs a
        # tenth of the controller's CPU time and frees nothing.
        os.register_at_fork(after_in_child=gc.disable)
        # What templates need is loaded here, once, and inherited: each fork would do it again, another tenth.
        for name in ("default", *OUR_FILTERS):
            filter_loader.get(name)
        test_loader.get("defined")
        lookup_loader.get("kubernetes.core.k8s", class_only=True)

    @property
    def _loud(self):
        return self._display.verbosity > 0

    def v2_playbook_on_start(self, playbook):
        if self._loud:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play):
        if self._loud:
            super().v2_playbook_on_play_start(play)
            return
        step, _separator, what = play.get_name().partition(" | ")
        if step != self._step:
            self._close_step()
            self._step, self._began, self._hosts, self._changed = step, time.monotonic(), set(), 0
            self._told = self._nobody = False
        mode = " (check mode)" if play.check_mode else ""
        self._header = f"{step:<12}{what or 'start'}{mode}"
        self._watch()

    def v2_playbook_on_task_start(self, task, is_conditional):
        if self._loud:
            super().v2_playbook_on_task_start(task, is_conditional)
        self._note_task(task)

    def v2_playbook_on_handler_task_start(self, task):
        if self._loud:
            super().v2_playbook_on_handler_task_start(task)
        self._note_task(task)

    def v2_playbook_on_include(self, included_file):
        if self._loud:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_matched(self):
        if self._loud:
            super().v2_playbook_on_no_hosts_matched()
        else:
            self._header, self._nobody = "", True

    def v2_runner_on_start(self, host, task):
        if task.action not in SPEAKS_ITSELF:
            self._waiting[host.get_name()] = time.monotonic()

    def v2_runner_on_ok(self, result):
        self._done(result)
        if self._loud:
            super().v2_runner_on_ok(result)
            return
        host, task, action, data = seen(result)
        if action == "debug":
            self._block(str(data.get("msg", "")))
        elif data.get("changed"):
            self._changed += 1
            sent = f", {words.size(data['bytes_sent'])} sent" if data.get("bytes_sent") else ""
            self._line(f"{INDENT}changed  {host}  {task}{sent}", C.COLOR_CHANGED)

    def v2_runner_on_skipped(self, result):
        self._done(result)
        if self._loud:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_ok(self, result):
        if self._loud:
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result):
        if self._loud:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._done(result)
        if self._loud:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        host, task, _action, data = seen(result)
        self._line(f"{INDENT}FAILED   {host}  {task}", C.COLOR_ERROR)
        self._block(str(data.get("msg", "no message")), C.COLOR_ERROR)
        for stream in ("module_stderr", "stderr"):
            if data.get(stream):
                self._block(str(data[stream])[-2000:], C.COLOR_ERROR)

    def v2_runner_on_unreachable(self, result):
        self._done(result)
        if self._loud:
            super().v2_runner_on_unreachable(result)
            return
        host, _task, _action, data = seen(result)
        self._line(f"{INDENT}NO ANSWER  {host}", C.COLOR_UNREACHABLE)
        self._block(str(data.get("msg", "")), C.COLOR_UNREACHABLE)

    def v2_runner_retry(self, result):
        if self._loud:
            super().v2_runner_retry(result)

    def v2_playbook_on_stats(self, stats):
        self._watch(stop=True)
        if self._loud:
            super().v2_playbook_on_stats(stats)
            return
        self._close_step()

    def _note_task(self, task):
        if self._header and not self._loud:
            self._line(self._header)
            self._header, self._told = "", True
        self._task, self._waiting, self._next_sign = task_name(task), {}, 0.0

    def _done(self, result):
        host = seen(result).host
        self._waiting.pop(host, None)
        self._hosts.add(host)

    def _close_step(self):
        if self._step and not self._told and self._nobody:
            self._line(f"{self._step:<12}no host of this run takes part", C.COLOR_SKIP)
        elif self._told:
            took = words.seconds(time.monotonic() - self._began)
            changes = words.plural(self._changed, "change") if self._changed else "nothing changed"
            self._line(f"{INDENT}{words.plural(len(self._hosts), 'host')}, {changes}, {took}", C.COLOR_OK)
        self._step, self._told = "", False

    def _line(self, text, color=None):
        self._display.display(text, color=color)

    def _block(self, text, color=None):
        for line in text.splitlines():
            self._line(textwrap.indent(line, INDENT + "  "), color)

    def _watch(self, stop=False):
        """A timer signal, not a thread: Ansible forks its workers, and a fork may copy a lock that a thread holds."""
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGALRM, self._sign_of_life)
        period = 0 if stop or self._loud else SIGN_OF_LIFE_SECONDS
        signal.setitimer(signal.ITIMER_REAL, period, period)

    def _sign_of_life(self, _signal, _frame):
        now = time.monotonic()
        # Less often the longer it takes: a rollout that soaks for a day does not fill the screen.
        if now < self._next_sign:
            return
        slow = {host: now - began for host, began in self._waiting.items() if now - began >= SIGN_OF_LIFE_SECONDS / 2}
        if slow:
            names = ", ".join(sorted(slow)[:4]) + (f" and {len(slow) - 4} more" if len(slow) > 4 else "")
            text = f"{INDENT}...      {names}  {self._task}, {words.seconds(max(slow.values()))} so far\n"
            # Straight to the descriptor: the signal may have interrupted a print, whose buffer may not be entered twice.
            os.write(1, text.encode())
            self._next_sign = now + max(slow.values()) / 10
