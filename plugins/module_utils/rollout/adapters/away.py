# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands on a site to which there is no way at all: nothing is known of it, and nothing is done."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.health.model import UNKNOWN, Finding, TargetJudgement
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.hands import Device, Hands, Question, Refused, Sight


class Away(Hands):
    """``reason``: why there is no way."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __exit__(self, *_error: Any) -> None:
        pass

    def refresh(self) -> None:
        pass

    def asked_for(self, name: str) -> Optional[str]:
        return None

    def device(self, name: str, digest: str) -> Device:
        return Device(False, self._reason)

    def see(self, question: Question) -> Sight:
        finding = Finding("site.api", UNKNOWN, self._reason, "an answer of the site's API")
        return Sight(TargetJudgement(question.name, (finding,)))

    def switch(self, name: str, digest: str, version: str, record: Dict[str, Any]) -> None:
        raise Refused(self._reason, False)

    def remember(self, name: str, record: Dict[str, Any]) -> None:
        pass

    def records(self) -> Dict[str, Any]:
        return {}
