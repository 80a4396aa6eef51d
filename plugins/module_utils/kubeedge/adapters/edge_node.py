# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One edge node: its identity as evidence, its files, and what has to happen before EdgeCore starts (I/O)."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
import time
from typing import Any, NamedTuple

from ansible_collections.edgeai.sites.plugins.module_utils import started, systemd
from ansible_collections.edgeai.sites.plugins.module_utils.files import on_disk, replace
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import certificate, config, identity, matrix, token, upgrade
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import edge_paths as paths
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import edge_proven

try:
    import sqlite3
except ImportError:  # some systems split it off; said where it is needed
    sqlite3 = None

READ_LIMIT = 256 * 1024
UUID_FILES = ("/sys/class/dmi/id/product_uuid", "/proc/device-tree/system-id", "/proc/device-tree/vm,uuid", "/etc/machine-id")


class Refused(Exception):
    """What is wanted must not be done; nothing was written."""


class Postponed(Exception):
    """What is wanted has to wait; nothing was written."""


class Change(NamedTuple):
    """One file that differs. ``secret``: its text is not shown."""

    path: str
    text: str
    mode: int
    before: str = ""
    secret: bool = False

    def diff(self) -> dict[str, str]:
        """The change in Ansible's form."""
        after = "a token, not shown\n" if self.secret else config.shown(self.text)
        return {"before_header": self.path, "after_header": "%s (mode %04o)" % (self.path, self.mode),
                "before": "" if self.secret else config.shown(self.before), "after": after}


class Plan(NamedTuple):
    """What a call does, or would do in check mode. ``forget``: CA and certificates go. ``stop``: EdgeCore is stopped first."""

    files: list[Change]
    stop: bool
    forget: bool
    reload: bool
    enable: bool
    private: bool
    restart_reasons: list[str]
    running: bool
    warnings: list[str]

    @property
    def changed(self) -> bool:
        """Whether anything is written or stopped. Restart reasons are no change of this module."""
        return bool(self.files or self.stop or self.forget or self.reload or self.enable or self.private)


def read(path: str) -> str:
    """Text of a small file; "" when it is absent."""
    try:
        with open(path, "rb") as stream:
            return stream.read(READ_LIMIT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def facts(run: systemd.Run) -> dict[str, Any]:
    """Evidence for identity.found. No secret is in it."""
    found = {"certificate": None, "unreadable": ""}  # type: dict[str, Any]
    pem = read(paths.CERTIFICATE)
    if pem:
        try:
            found["certificate"] = certificate.read(pem)._asdict()
        except ValueError as error:
            found["unreadable"] = str(error)
    known = database_node()
    found.update(
        ca_sha256=certificate.sha256(read(paths.CA)), key_fits=_key_fits(), database=bool(known), database_node=known,
        machine_id=read("/etc/machine-id").strip(),
        system_uuid=next((text for text in (_uuid(path) for path in UUID_FILES) if text), ""),
        active=systemd.state(systemd.show(run, paths.UNIT)).active in ("active", "activating", "reloading"))
    return found


def _uuid(path: str) -> str:
    try:
        return read(path).strip("\0\n ")
    except OSError:
        return ""


def _key_fits() -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(paths.CERTIFICATE, paths.KEY)
        return True
    except (OSError, ssl.SSLError):
        return False


def database_node() -> str:
    """The node that EdgeCore's database knows, "" without one.

    Of a database that was not closed (power loss) a copy is asked: to finish it would be to write, which is EdgeCore's business.
    """
    if not os.path.exists(paths.DATABASE) or os.path.getsize(paths.DATABASE) == 0:
        return ""
    if sqlite3 is None:
        raise OSError("Python's sqlite3 is missing on this host, and EdgeCore's database cannot be read without; install it")
    try:
        return _ask("file:%s?mode=ro" % paths.DATABASE)
    except sqlite3.Error:
        folder = tempfile.mkdtemp(prefix="edgeai-edgecore-")
    try:
        for suffix in ("", "-journal", "-wal"):
            if os.path.exists(paths.DATABASE + suffix):
                shutil.copyfile(paths.DATABASE + suffix, os.path.join(folder, "edgecore.db" + suffix))
        return _ask("file:%s/edgecore.db" % folder)
    except sqlite3.Error:
        return ""  # damaged beyond use: as good as lost
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(uri: str) -> str:
    connection = sqlite3.connect(uri, uri=True, timeout=5)
    try:
        rows = connection.execute("SELECT key FROM meta WHERE key LIKE '%/node/%' LIMIT 10").fetchall()
        return identity.database_node([str(row[0]) for row in rows])
    finally:
        connection.close()


class EdgeNode:
    """The files of a node. ``params`` are the options of edgecore_config, ``decision`` of identity.decide among them."""

    def __init__(self, params: dict[str, Any], run: systemd.Run) -> None:
        self.params, self._run = params, run
        self.wanted = config.Wanted(
            node_name=params["node_name"], version=params["version"], server=params["server"], ports=params["ports"],
            transport=params["transport"], address=params["address"], cgroup_driver=params["cgroup_driver"],
            pause_image=params["pause_image"], taints=params["taints"], config=params["config"], mesh=params["mesh"],
            resolv_conf=params["resolv_conf"] if params["resolv_conf"] and os.path.exists(params["resolv_conf"]) else "")

    def plan(self, check_mode: bool) -> Plan:
        """Decide what to do; raises Refused. Reads only."""
        warnings = self._refuse(check_mode)
        properties = systemd.show(self._run, paths.UNIT)
        running = systemd.state(properties).active not in ("inactive", "failed", "")
        changes = self._changes()
        texts = {change.path: change.text for change in changes if change.path != paths.TOKEN}
        reasons = started.restart_reasons(
            _recorded(), on_disk(config.WATCHED, texts, _recorded()), config.WATCHED) if running else []
        # What is not loaded was noted all the same.
        unloaded = systemd.unloaded(paths.UNIT_FILE, properties)
        if running and unloaded and "unit" not in reasons:
            reasons.append("unit")
        if running and self.params["start_reason"]:
            reasons.append(self.params["start_reason"])
        stop = running and self.params["action"] in (identity.RE_ENROL, identity.DELETE_NODE_FIRST)
        return Plan(
            files=changes, stop=stop, forget=self.params["forget"] and any(os.path.lexists(path) for path in (paths.CA_DIR, paths.CERTIFICATES)),
            reload=paths.UNIT_FILE in texts or properties.get("NeedDaemonReload") == "yes" or bool(unloaded),
            enable=properties.get("UnitFileState") != "enabled", private=_mode(paths.DATA) != 0o700,
            restart_reasons=reasons if not stop else [], running=running and not stop, warnings=warnings)

    def apply(self, plan: Plan) -> None:
        """Do what the plan says. EdgeCore stops before its certificates go, and the token comes last."""
        if plan.stop:
            systemd.control(self._run, "stop", paths.UNIT)
        if plan.forget:
            for path in (paths.CA_DIR, paths.CERTIFICATES):
                shutil.rmtree(path, ignore_errors=True)
        os.makedirs(paths.CONFIG_DIR, mode=0o755, exist_ok=True)
        os.makedirs(paths.DATA, mode=0o700, exist_ok=True)
        os.chmod(paths.DATA, 0o700)  # the database holds secrets as plain text
        for change in plan.files:
            replace(change.path, change.text, change.mode)
        if plan.reload:
            systemd.control(self._run, "daemon-reload")
        if plan.enable:
            systemd.control(self._run, "enable", paths.UNIT)

    def _refuse(self, check_mode: bool) -> list[str]:
        kept = edge_proven.kept()
        problems = config.check(self.wanted) + matrix.problems(self.wanted.version)
        problems += upgrade.refusals(kept, self.wanted.version, self.params["cloud_version"])
        if self.params["action"] in (identity.REFUSE, identity.WAIT):
            problems.append("its identity was refused before; run the playbook again")
        if self.params["needs_token"] and not check_mode:  # where all is only predicted, there may be no cloud yet
            problems += _token_problem(self.params["token"], self.params["ca_sha256"])
        missing = "" if os.access(paths.BINARY, os.X_OK) else "%s is missing: run the artifacts step first" % paths.BINARY
        if missing and not check_mode:
            problems.append(missing)
        if problems:
            raise Refused("; ".join(problems))
        waits = upgrade.postponed(kept, self.wanted.version, self.params["out_of_reach"])
        if waits:
            raise Postponed(waits)
        return [missing] if missing else []

    def _changes(self) -> list[Change]:
        wanted = [(paths.CONFIG, config.to_yaml(config.document(self.wanted)), 0o600, False), (paths.UNIT_FILE, config.unit(), 0o644, False)]
        if self.params["needs_token"]:  # in check mode there may be none yet, and it is not shown anyway
            wanted.append((paths.TOKEN, self.params["token"].strip(), 0o600, True))
        changes = []
        for path, text, mode, secret in wanted:
            before = read(path)
            if before != text or _mode(path) != mode:
                changes.append(Change(path, text, mode, before, secret))
        return changes


def _token_problem(text: str, ca_sha256: str) -> list[str]:
    """The form, the CA and the time by this node's clock, which is the one that counts for its certificate."""
    try:
        found = token.parse(text)
    except token.TokenError as error:
        return [str(error)]
    if ca_sha256 and found.ca_sha256 != ca_sha256:
        return ["the token is another CA's: it pins %s…, CloudCore has %s…. Take it from the same cloud" % (
            found.ca_sha256[:12], ca_sha256[:12])]
    if found.expires <= time.time():
        return ["the token expired %d min ago by this node's clock. Set the clocks right, or restart CloudCore, which makes a new one"
                % ((time.time() - found.expires) / 60)]
    return []


def _recorded() -> started.Record | None:
    text = read(paths.STARTED)
    return started.parse(text) if text else None


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        return None
