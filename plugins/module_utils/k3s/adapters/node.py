# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One K3s node: look at the host, let the pure parts decide, write the files."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.edgeai.sites.plugins.module_utils import node_labels, started, systemd
from ansible_collections.edgeai.sites.plugins.module_utils.files import on_disk, replace
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import (
    evidence, identity, join, keys, nvidia, paths, render, token,
)
from ansible_collections.edgeai.sites.plugins.module_utils.k3s.adapters import files, http

JOIN_PATIENCE = 10.0  # seconds for a server that is just starting


class Refused(Exception):
    """What is wanted must not be done; nothing was written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))


class Change(NamedTuple):
    """One file that differs; texts in ``shown_*`` have their secrets masked."""

    path: str
    text: str
    mode: int
    shown_before: str
    shown_after: str

    def diff(self) -> dict[str, str]:
        """The change in Ansible's form."""
        return {"before_header": self.path, "after_header": "%s (mode %04o)" % (self.path, self.mode),
                "before": self.shown_before, "after": self.shown_after}


class Plan(NamedTuple):
    """What a call does, or would do in check mode."""

    files: list[Change]
    reload: bool
    enable: bool
    restart_reasons: list[str]
    running: bool
    joined: bool
    warnings: list[str]

    @property
    def changed(self) -> bool:
        """Whether anything is written. Restart reasons are no change of this module."""
        return bool(self.files or self.reload or self.enable)


class Node:
    """A host on which K3s of one kind is wanted. ``params`` are the module's options."""

    def __init__(self, params: dict[str, Any], run: systemd.Run) -> None:
        self.params = params
        self.runtime = params["runtime"]  # type: str
        self.unit = paths.UNITS[self.runtime]
        self._run = run
        self._config_before = files.read(paths.CONFIG)
        self._existing = files.existing(self.runtime, render.read_scalar(self._config_before, "token"),
                                        render.read_scalar(self._config_before, "server"))
        self._nvidia = files.nvidia_runtime()

    def plan(self, check_mode: bool) -> Plan:
        """Decide what to do; raises Refused. Reads only."""
        warnings = self._refuse_bad_input(check_mode) + self._check_binary(check_mode)
        join_token = self._token()
        self._try_join(join_token, check_mode)
        changes = self._changes(join_token)
        known = files.recorded()
        properties = systemd.show(self._run, self.unit)
        unit = systemd.state(properties)
        running = unit.active not in ("inactive", "failed", "")
        texts = {change.path: change.text for change in changes}
        watched = evidence.watched(self.runtime)
        reasons = started.restart_reasons(known, on_disk(watched, texts, known, evidence.ignored), watched)
        unloaded = systemd.unloaded(paths.unit_file(self.runtime), properties)
        # The unit noted it at its last start, and runs without it all the same.
        if unloaded and "unit" not in reasons:
            reasons.append("unit")
        if running:
            reason, warning = nvidia.restart_reason(self._nvidia)
            reasons += [reason] if reason else []
            warnings += [warning] if warning else []
        return Plan(changes,
                    reload=paths.unit_file(self.runtime) in texts or properties.get("NeedDaemonReload") == "yes" or bool(unloaded),
                    enable=properties.get("UnitFileState") != "enabled",
                    restart_reasons=reasons if running else [],
                    running=unit.active == "active", joined=self._existing.joined, warnings=warnings + self._foreign_files())

    def apply(self, plan: Plan) -> None:
        """Write what the plan says. Config first: an interrupted run leaves nothing that could start by itself."""
        os.makedirs(paths.CONFIG_DIR, mode=0o755, exist_ok=True)
        for change in plan.files:
            replace(change.path, change.text, change.mode)
        if plan.reload:
            systemd.control(self._run, "daemon-reload")
        if plan.enable:
            systemd.control(self._run, "enable", self.unit)

    def _refuse_bad_input(self, check_mode: bool) -> list[str]:
        user = dict(self.params["config"], **self.params["secret_config"])
        problems = keys.check_config(user, self.runtime)
        problems += keys.check_env(dict(self.params["env"], **self.params["secret_env"]))
        problems += node_labels.check(self.params["labels"])
        if self.params["token"]:
            wrong = token.problem_for(self.params["token"], self.runtime, not self.params["server_url"]
                                      and not self._existing.datastore)
            problems += [wrong] if wrong else []
        if not problems:
            problems = identity.conflicts(self._existing, self.runtime, self.params["token"])
        if self.runtime == keys.AGENT and not self.params["server_url"].startswith("https://"):
            problems.append("an agent needs server_url, the https:// URL of its server")
        no_token = self._no_token()
        if no_token and not check_mode:  # where everything is only predicted, the server has no token yet
            problems.append(no_token)
        no_runtime = nvidia.default_runtime_problem(user, bool(self._nvidia.installed))
        if no_runtime and not check_mode:  # where everything is only predicted, an earlier step would have installed it
            problems.append(no_runtime)
        if problems:
            raise Refused(problems)
        return [text for text in (no_token, no_runtime) if text]

    def _no_token(self) -> str:
        existing = self._existing
        if self.runtime == keys.SERVER or self.params["token"] or (existing.joined and existing.config_token):
            return ""
        return ("there is no join token and this node has not joined yet: its server did not come up, or is not part "
                "of this run (--limit). Run the playbook with the server in it")

    def _check_binary(self, check_mode: bool) -> list[str]:
        """The binary must say exactly the wanted version. In check mode an earlier step would have placed it."""
        wanted, found = self.params["version"], installed_version(self._run)
        if found == wanted:
            return []
        problem = "%s is %s, wanted is %s: run the artifacts step first" % (
            paths.BINARY, "version " + found if found else "missing", wanted)
        if not check_mode:
            raise Refused([problem])
        return [problem]

    def _token(self) -> str:
        if self.params["token"]:
            return str(self.params["token"]).strip()
        # K3s finds a server's own token in its data; an agent needs some token in its file, even after joining
        return self._existing.config_token

    def _try_join(self, join_token: str, check_mode: bool) -> None:
        url = self.params["server_url"]
        if not self.params["verify_join"] or not identity.must_verify_join(
                self._existing, self.runtime, join_token, url):
            return
        deadline = time.monotonic() + (0 if check_mode else JOIN_PATIENCE)
        status, error = http.try_join(url, join_token)
        while join.may_heal(status) and time.monotonic() < deadline:
            time.sleep(1)
            status, error = http.try_join(url, join_token)
        problem = join.problem(status, error, url)
        if problem:
            raise Refused([problem])

    def _changes(self, join_token: str) -> list[Change]:
        config = render.to_yaml(self._config(join_token))
        env = render.environment(dict(self.params["env"], **self.params["secret_env"]))
        wanted = (
            (paths.CONFIG, config, 0o600, lambda text: render.masked(text, self._config_before)),
            (paths.env_file(self.runtime), env, 0o600, render.masked_environment),
            (paths.unit_file(self.runtime), render.unit(self.runtime), 0o644, str),
        )
        changes = []
        for path, text, mode, masked in wanted:
            before = files.read(path)
            if before != text or files.mode(path) != mode:
                changes.append(Change(path, text, mode, masked(before), masked(text)))
        return changes

    def _config(self, join_token: str) -> dict[str, Any]:
        resolv_conf = self.params["resolv_conf"]
        config = render.defaults(
            self.runtime, self.params["node_name"], self.params["node_ip"],
            resolv_conf=resolv_conf if resolv_conf and os.path.exists(resolv_conf) else "",
            server_url=self.params["server_url"], api_host=urlsplit(self.params["api_url"]).hostname or "")
        if self.runtime == keys.SERVER:
            config.update(self._new_server_config())
        if join_token:
            config["token"] = join_token
        return render.merge(config, dict(self.params["config"], **self.params["secret_config"]))

    def _new_server_config(self) -> dict[str, Any]:
        """Choices that only a new cluster can make; later runs keep what was chosen."""
        before = self._config_before
        choices = {name: value for name, value in self.params["new_server_config"].items()
                   if not self._existing.datastore or render.read_scalar(before, name)}
        # Without a token of their own, agents would hold the server's, which is as good as administrator rights.
        agent_token = render.read_scalar(before, "agent-token")
        if "agent-token-file" not in self.params["config"] and (agent_token or not self._existing.datastore):
            choices["agent-token"] = agent_token or secrets.token_hex(16)
        return choices

    def _foreign_files(self) -> list[str]:
        drop_ins = files.names(paths.CONFIG + ".d")
        return ["%s.d has %s: their keys win over those written here" % (paths.CONFIG, ", ".join(drop_ins))
                ] if drop_ins else []


def installed_version(run: systemd.Run) -> str:
    """Version that the binary on disk reports, "" when there is none."""
    if not os.access(paths.BINARY, os.X_OK):
        return ""
    code, out, err = run([paths.BINARY, "--version"])
    words = out.split()
    if code != 0 or words[:2] != ["k3s", "version"] or len(words) < 3:
        raise RuntimeError("%s --version failed: %s" % (paths.BINARY, (err or out).strip()[:300]))
    return words[2]
