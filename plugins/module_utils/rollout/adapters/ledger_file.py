# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in a directory of the controller (I/O): one writer, each intent on the disk before anything follows from it.

The directory must outlive the controller's process: in AWX that is a mounted volume, not the job's own container.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.open_ledger import OpenLedger, check_same
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import REBUILD, Fenced, Held, RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import State
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import check_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event

PLAN, JOURNAL, SNAPSHOT, LOCK, ORDERS = "plan.json", "journal.jsonl", "snapshot.json", "lock", "orders"
# A thousand events are read in a tenth of a second; a snapshot for fewer would be written more often than it is ever read.
SNAPSHOT_EVERY = 1000
MAX_BYTES = 256 << 20


class LedgerFile(OpenLedger):
    """The ledger in a directory, held by a lock."""

    def __init__(self, directory: str, plan: Optional[Dict[str, Any]], now: int, run: str = ""):
        """Open the ledger in ``directory``, or begin it when there is none and a plan is given. run: the name of this run, for people.

        RolloutError when another controller on this machine holds it, or when it is damaged or of another plan.
        """
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.directory = directory
        self._lock: Optional[int] = _locked(os.path.join(directory, LOCK))
        self._file: Optional[int] = None
        self._unsynced = False
        try:
            self.plan = self._planned(plan)
            path = os.path.join(directory, JOURNAL)
            if not os.path.exists(path):
                replace(path, ledger.header(self.plan, now), 0o600)
                _settle(directory)
            self._journal = ledger.parse(_read(path), self.plan)
            self._file = os.open(path, os.O_RDWR)
            os.ftruncate(self._file, self._journal.length)
            self.state: State = ledger.restore(self.plan, self._journal, self._snapshot())
            self.token = self._journal.token + 1
            self.append({"type": "takeover", "at": now, **({"run": run} if run else {})})
        except BaseException:
            self.close()
            raise

    def append(self, event: Event) -> State:
        state = super().append(event)
        if self._journal.seq % SNAPSHOT_EVERY == 0:
            replace(os.path.join(self.directory, SNAPSHOT), ledger.snapshot(state), 0o600)
        return state

    def sync(self) -> None:
        if self._unsynced:
            os.fsync(self._file)
            self._unsynced = False

    def orders(self) -> List[Dict[str, Any]]:
        found = []
        for path in sorted(glob.glob(os.path.join(self.directory, ORDERS, "*.json"))):
            document = _json(_read(path), path)
            os.unlink(path)
            if isinstance(document, dict):
                found.append(document)
        return found

    def close(self) -> None:
        try:
            self.sync()
        finally:
            for descriptor in (self._file, self._lock):
                if descriptor is not None:
                    os.close(descriptor)
            self._file = self._lock = None

    def _planned(self, plan: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        path = os.path.join(self.directory, PLAN)
        if os.path.exists(path):
            known = check_plan(_json(_read(path), path))
            check_same(known, plan, self.directory)
            return known
        if plan is None:
            raise RolloutError(f"found no rollout in {self.directory}; start one with a plan")
        replace(path, json.dumps(check_plan(plan), indent=1, sort_keys=True) + "\n", 0o600)
        _settle(self.directory)
        return plan

    def _snapshot(self) -> Optional[str]:
        path = os.path.join(self.directory, SNAPSHOT)
        return _read(path).decode("utf-8", "replace") if os.path.exists(path) else None

    def _put(self, line: str) -> None:
        _write(self._file, line.encode("ascii"), self._journal.length)
        self._unsynced = True

    def _may_write(self) -> None:
        """A lock can be lost without a word (network file systems): the file itself shows whether somebody else wrote."""
        path = os.path.join(self.directory, JOURNAL)
        mine = os.fstat(self._file)
        try:
            there = os.stat(path)
        except FileNotFoundError:
            raise Fenced(f"found {path} gone: nothing more was written. {REBUILD}") from None
        if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino) or there.st_size != self._journal.length:
            raise Fenced(f"found that somebody else wrote to {path}: another controller has taken the rollout over, and nothing more was done "
                         "here. Look at the rollout's status")


def leave_order(directory: str, order: Dict[str, Any], now: float) -> None:
    """Leave an order for the process that holds the ledger; it looks once a second."""
    place = os.path.join(directory, ORDERS)
    os.makedirs(place, mode=0o700, exist_ok=True)
    replace(os.path.join(place, f"{now:017.6f}-{os.getpid()}.json"), json.dumps(order), 0o600)


def read_ledger(directory: str) -> Tuple[Dict[str, Any], ledger.Journal]:
    """Return the plan and the journal in ``directory`` without a lock or a change, also while another process writes.

    RolloutError when it is damaged; a line that is being written counts as not written yet.
    """
    path = os.path.join(directory, PLAN)
    plan = check_plan(_json(_read(path), path))
    return plan, ledger.parse(_read(os.path.join(directory, JOURNAL)), plan)


def _locked(path: str) -> int:
    """Open and lock a file; the lock goes when the file is closed or its process ends, however it does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 64).decode("ascii", "replace").strip() or "another process"
        os.close(descriptor)
        raise Held(f"found that {holder} holds {path}: this rollout is being run already. Wait for it, or end it; its work is not "
                   "lost") from None
    os.ftruncate(descriptor, 0)
    _write(descriptor, f"process {os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def _write(descriptor: int, data: bytes, at: int) -> None:
    """All of it: a disk that fills up may take a part first, and says so at the next."""
    while data:
        done = os.pwrite(descriptor, data, at)
        data, at = data[done:], at + done


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise RolloutError(f"found more than {MAX_BYTES} bytes in {path}; it is no file of a rollout")
    return data


def _json(data: bytes, path: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise RolloutError(f"found no JSON in {path} ({error}); make the plan again with the release file") from error


def _settle(directory: str) -> None:
    """A new name is on the disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
