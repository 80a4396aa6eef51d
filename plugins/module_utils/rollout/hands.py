# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout can do at one site, whatever runs there. Behind it an API server, or in tests a picture of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Dict, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.exam import Answers, Exam


class Refused(Exception):
    """A change was not made; the text says why. ``changed``: None when it may have been made all the same."""

    def __init__(self, text: str, changed: Optional[bool]) -> None:
        super().__init__(text)
        self.changed = changed


@dataclass(frozen=True)
class Question:
    """What is wanted to be known of one target: whether it runs this digest well, and what its model answers.

    expect: what the first answer of a well model fulfils; after: the answers have to be of an exam that began then or later.
    """

    name: str
    digest: str
    expect: str
    exam: Exam
    after: int


@dataclass(frozen=True)
class Sight:
    """What was seen of a target. ``answers``: of the container that runs now, begun as late as asked for; else None."""

    judgement: TargetJudgement
    answers: Optional[Answers] = None


@dataclass(frozen=True)
class Device:
    """What a device says of itself before its switch. checks: of the gate preflight, None for what cannot be told.

    told: False when its site's API could not be asked; then nothing is known of the device, and ``reason`` is the API's.
    missing: why the image could not be brought there, as far as somebody tried; present: whether it is there.
    """

    online: bool
    reason: str = ""
    digest: str = ""
    lock: str = ""
    present: Optional[bool] = None
    missing: str = ""
    told: bool = True
    checks: Optional[Dict[str, Optional[bool]]] = None


class Hands(ABC):
    """Everything returns at once, with what is known at the moment; targets are named as in the plan, ``site/deployment``."""

    @abstractmethod
    def refresh(self) -> None:
        """Take a new look at the whole site. Until the next one every answer is about this moment."""

    @abstractmethod
    def asked_for(self, name: str) -> Optional[str]:
        """Return the digest that the target's workload asks for, "" for none, None while that cannot be seen."""

    @abstractmethod
    def device(self, name: str, digest: str) -> Device:
        """Return what the device says now; ``digest``: of the image that it is to get."""

    @abstractmethod
    def see(self, question: Question) -> Sight:
        """Judge a target now, and ask its model in the background if that is still needed."""

    @abstractmethod
    def switch(self, name: str, digest: str, version: str, record: Dict[str, Any]) -> None:
        """Give the workload this image. Doing it again is harmless. Raises Refused."""

    @abstractmethod
    def remember(self, name: str, record: Dict[str, Any]) -> None:
        """Write the target's own record to its workload; what does not succeed is left for the next time."""

    @abstractmethod
    def records(self) -> Dict[str, Any]:
        """Return the records that the workloads carry, by target; without the unreadable ones."""
