# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with systemd and a k3s program of any make, reached by SSH."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time

import yaml

NODE_FILES = ("/etc/rancher/node /var/lib/rancher/k3s/agent/*.crt /var/lib/rancher/k3s/agent/*.key "
              "/var/lib/rancher/k3s/agent/*.kubeconfig /var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json")
_UNIT = """[Unit]
Description=K3s {role}
[Service]
Type=notify
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s {role}
"""


class Host:
    """One machine of the laboratory. `role` is "server" or "agent"."""

    def __init__(self, address, role):
        self.address, self.role = address, role
        self.unit = "k3s" if role == "server" else "k3s-agent"

    def run(self, command, check=True, text_in=None, timeout=120):
        words = ["ssh", "-i", os.environ["EDGEAI_CONTRACT_SSH_KEY"], "-o", "BatchMode=yes", "-o",
                 f"UserKnownHostsFile={os.environ['EDGEAI_CONTRACT_KNOWN_HOSTS']}", "-o", "StrictHostKeyChecking=yes",
                 "-o", "LogLevel=ERROR", f"root@{self.address}", command]
        done = subprocess.run(words, input=text_in, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{self.address}: {command}\nrc {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def out(self, command, **kw):
        return self.run(command, **kw).stdout.strip()

    def write(self, path, text, mode="600"):
        target = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {target}) && cat > {target} && chmod {mode} {target}", text_in=text)

    def configure(self, settings):
        """config.yaml from a dict, or as given text."""
        text = settings if isinstance(settings, str) else yaml.safe_dump(settings)
        self.write("/etc/rancher/k3s/config.yaml", text)

    def install_unit(self):
        self.write(f"/etc/systemd/system/{self.unit}.service", _UNIT.format(role=self.role), "644")
        self.run("systemctl daemon-reload")

    def start(self):
        """Starts without waiting. Returns a mark for `journal`."""
        mark = self.out("date +%s.%N")
        self.run(f"systemctl reset-failed {self.unit}; systemctl start --no-block {self.unit}", check=False)
        return mark

    def stop(self):
        self.run(f"systemctl stop {self.unit}; systemctl reset-failed {self.unit}", check=False)

    def state(self):
        """{property: value} of the unit."""
        names = "ActiveState,SubState,Result,NRestarts,ExecMainStatus,MainPID"
        text = self.out(f"systemctl show -p {names} {self.unit}")
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self, mark):
        return self.out(f"journalctl SYSLOG_IDENTIFIER=k3s --since @{mark} -o cat --no-pager")

    def await_state(self, active, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if state["ActiveState"] == active:
                return state
            time.sleep(0.5)
        raise AssertionError(f"{self.address}: {self.unit} is {state}, wanted {active}")

    def await_line(self, mark, pattern, seconds=60):
        """Waits for a journal line that matches; returns all its matches."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.findall(pattern, self.journal(mark), re.M)
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f"{self.address}: no journal line like {pattern!r} in {seconds} s; last lines:\n"
                             + "\n".join(self.journal(mark).splitlines()[-15:]))
