# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the ledger of a rollout is: in a directory of the controller, or in a cluster. Who uses it need not know (I/O)."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi.client import ApiError, KubeApi
from ansible_collections.edgeai.sites.plugins.module_utils.rollout import ledger_objects
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters import ledger_cluster, ledger_file
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_cluster import LedgerCluster
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.ledger_file import LedgerFile
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.open_ledger import OpenLedger
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.ledger import Journal

Plan = Dict[str, Any]


class Place(ABC):
    """A place for one ledger. ``name``: as people write it; ``directory``: where the commands of its gates are run."""

    name: str
    directory: str

    @abstractmethod
    def open(self, plan: Optional[Plan], now: int, run: str) -> OpenLedger:
        """Open the ledger to act on it, or begin it when there is none and a plan is given. Held when another controller has it open."""

    @abstractmethod
    def find(self) -> Optional[Tuple[Plan, Journal]]:
        """Return plan and journal, also while another controller has the ledger open; None when no rollout has begun here."""

    @abstractmethod
    def leave_order(self, order: Dict[str, Any], now: float) -> None:
        """Leave an order for the controller that has the ledger open; it takes it within a second."""

    def read(self) -> Tuple[Plan, Journal]:
        """Return plan and journal; RolloutError when no rollout has begun here."""
        found = self.find()
        if found is None:
            raise RolloutError(f"found no rollout in {self.name}; wanted the place in which one was started")
        return found


class Directory(Place):
    """A directory of the controller, which has to outlive its process."""

    def __init__(self, path: str) -> None:
        self.name = os.path.normpath(path)
        self.directory = os.path.dirname(os.path.abspath(path))

    def open(self, plan: Optional[Plan], now: int, run: str) -> LedgerFile:
        return LedgerFile(self.name, plan, now, run)

    def find(self) -> Optional[Tuple[Plan, Journal]]:
        return ledger_file.read_ledger(self.name) if os.path.exists(os.path.join(self.name, ledger_file.PLAN)) else None

    def leave_order(self, order: Dict[str, Any], now: float) -> None:
        ledger_file.leave_order(self.name, order, now)


class Cluster(Place):
    """ConfigMaps in a namespace of a cluster, which outlives every controller."""

    def __init__(self, name: str, namespace: str, base: str, kubeconfig: Optional[str], say: Callable[[str], None]) -> None:
        if client.urllib3 is None:
            raise RolloutError("the Python library kubernetes is needed on the controller for a ledger in a cluster; install it for Ansible's "
                               "Python: python3 -m pip install 'kubernetes>=24.2.0'")
        if not kubeconfig:
            raise RolloutError(f"found the ledger {name} without ledger_kubeconfig; wanted the path of the kubeconfig of its cluster "
                               "(rollout_ledger_kubeconfig)")
        self.name, self.directory = name, os.getcwd()
        self._at = namespace, base
        self._say = say
        try:
            self._api = KubeApi.from_kubeconfig(kubeconfig)
        except ApiError as error:
            raise RolloutError(str(error)) from error

    def open(self, plan: Optional[Plan], now: int, run: str) -> LedgerCluster:
        return LedgerCluster(self._api, *self._at, plan, now, run, self._say)

    def find(self) -> Optional[Tuple[Plan, Journal]]:
        return ledger_cluster.find_ledger(self._api, *self._at)

    def leave_order(self, order: Dict[str, Any], now: float) -> None:
        ledger_cluster.leave_order(self._api, *self._at, order, now)


def place_of(ledger: str, kubeconfig: Optional[str] = None, say: Callable[[str], None] = lambda _text: None) -> Place:
    """Return the place that ``ledger`` names: the path of a directory, or ``configmap:<namespace>/<name>`` with the kubeconfig of its cluster.

    say: told when somebody is waited for. RolloutError when there is no such place.
    """
    found = ledger_objects.place(ledger)
    return Cluster(ledger, *found, kubeconfig, say) if found else Directory(ledger)
