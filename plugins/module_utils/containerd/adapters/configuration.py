# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containerd of a host: what it makes of its configuration, asked on copies, and the files of it (I/O)."""
from __future__ import annotations

import fnmatch
import glob
import os
import shutil
import tempfile
import time

from ansible_collections.edgeai.sites.plugins.module_utils.containerd import config
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace

SERVICE = "containerd.service"
LIMIT = 1024 * 1024


class Refused(Exception):
    """What is wanted must not be done; nothing was written."""


class Missing(Refused):
    """There is no containerd."""


class Configuration:
    """The files of containerd's configuration. ``host`` is where to read and run, see ``host.sources.LocalHost``.

    ``drop_in`` is the path of the file that this user of it owns.
    """

    drop_in = ""

    def __init__(self, host, check_mode=False, monotonic=time.monotonic):
        self.host, self.check_mode, self.monotonic = host, check_mode, monotonic
        self.diffs, self.restart_reasons, self.warnings = [], [], []

    def dump(self, main, drop_ins):
        """containerd's own view of the main file with its imports; ``drop_ins`` is ``{path: text, or None for without it}``."""
        folder = tempfile.mkdtemp(prefix="edgeai-containerd-")
        try:
            paths = []
            for pattern in config.imports(main):
                found = {path[len(self.host.path("/")) - 1:] for path in glob.glob(self.host.path(pattern))} - set(drop_ins)
                found |= {path for path, text in drop_ins.items() if text is not None and fnmatch.fnmatchcase(path, pattern)}
                paths += [os.path.join(folder, os.path.basename(path)) if path in drop_ins else self.host.path(path)
                          for path in sorted(found)]
            for path, text in drop_ins.items():
                replace(os.path.join(folder, os.path.basename(path)), text or "", 0o600)
            copy = os.path.join(folder, "config.toml")
            replace(copy, config.with_imports(main, paths), 0o600)
            code, output = self.host.run("containerd", "-c", copy, "config", "dump", timeout=30)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if code == 127:
            raise Missing("Found: no containerd on this host. Wanted: the container engine of EdgeCore. Remedy: install containerd "
                          "first; with K3s there is nothing to do here.")
        if code:
            raise Refused("Nothing was written, because containerd refuses %s: %s" % (
                "its configuration as it is; correct it first" if not any(drop_ins.values()) else "the configuration that is wanted",
                " / ".join(output.strip().splitlines()[-3:]).replace(folder, "")))
        # Its log comes along.
        return "".join(line for line in output.splitlines(True) if not line.startswith('time="'))

    def runs_since_before(self):
        """After a run that died between writing and restarting. Of our file only: others' may be meant for later."""
        _code, output = self.host.run("systemctl", "show", "-p", "ActiveState,ActiveEnterTimestampMonotonic", SERVICE)
        state = dict(line.partition("=")[::2] for line in output.splitlines())
        started = state.get("ActiveEnterTimestampMonotonic", "")
        if state.get("ActiveState") != "active" or not started.isdigit() or not self.host.exists(self.drop_in):
            return False
        runs = self.monotonic() - int(started) / 1e6
        return self.host.now() - os.stat(self.host.path(self.drop_in)).st_mtime < runs

    def write(self, path, text):
        """Write a file if it differs, and say whether it did (or would, in check mode)."""
        before = self.host.read(path, LIMIT)
        if before == text:
            return False
        self._diff(path, before or "", text)
        if not self.check_mode:
            os.makedirs(os.path.dirname(self.host.path(path)), mode=0o755, exist_ok=True)
            # Registries may have passwords; containerd is root.
            replace(self.host.path(path), text, 0o600 if path == self.drop_in else self.host.mode(path) or 0o644)
        return True

    def take_out(self):
        """Remove the drop-in and its import, and the main file when nothing else is in it."""
        main = self.host.read(config.CONFIG, LIMIT)
        if main is not None and main in (config.created(2, self.drop_in), config.created(3, self.drop_in)):
            self.remove(config.CONFIG)
        elif main is not None:
            self.write(config.CONFIG, config.without_import(main, self.drop_in))
        if self.host.exists(self.drop_in):
            self.remove(self.drop_in)

    def remove(self, path):
        """Remove a file that is there."""
        self._diff(path, self.host.read(path, LIMIT) or "", "")
        if not self.check_mode:
            os.unlink(self.host.path(path))

    def _diff(self, path, before, after):
        self.diffs.append({"before_header": path, "after_header": path,
                           "before": config.shown(before), "after": config.shown(after)})
