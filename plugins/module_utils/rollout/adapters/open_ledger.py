# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an open ledger is, wherever it is kept: events that are numbered, written by one controller, and reduced to a state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.model import State
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.reduce import Event, reduce


class OpenLedger(ABC):
    """``plan``, ``state`` and the token under which this controller writes. Close it, or use it with ``with``."""

    plan: Dict[str, Any]
    state: State
    token: int
    _journal: ledger.Journal

    def __enter__(self) -> "OpenLedger":
        return self

    def __exit__(self, *_error: Any) -> None:
        self.close()

    @property
    def events(self) -> Sequence[Event]:
        """Return all events so far, oldest first."""
        return self._journal.events

    def append(self, event: Event) -> State:
        """Write an event and return the state after it. Fenced when another controller wrote, or may hold the ledger by now.

        It outlives this process and its machine when ``sync`` or ``close`` returns.
        """
        self._may_write()
        line, numbered = ledger.entry(self._journal, event, self.token)
        self._put(line)
        self._journal.add(line, numbered)
        self.state = reduce(self.plan, self.state, numbered)
        return self.state

    @abstractmethod
    def sync(self) -> None:
        """Wait until all events outlive this machine."""

    @abstractmethod
    def orders(self) -> List[Dict[str, Any]]:
        """Return what people ordered while this process held the ledger, oldest first, each once."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the ledger, when everything is kept."""

    @abstractmethod
    def _may_write(self) -> None:
        """Fenced when this controller must not write any more."""

    @abstractmethod
    def _put(self, line: str) -> None:
        """Take the next line of the journal."""


def check_same(known: Dict[str, Any], plan: Optional[Dict[str, Any]], where: str) -> None:
    """Raise RolloutError when a plan is given, and another one was begun in this place."""
    if plan is not None and plan["hash"] != known["hash"]:
        raise RolloutError(f"found a rollout of {known['release']} with plan {known['hash']} in {where}; wanted plan {plan['hash']}. Finish or "
                           "abort that one, or give the release another name")
