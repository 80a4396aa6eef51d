# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does after a run of a rollout, with the exact command. Pure."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.order import HASH_DIGITS

RUN = "ansible-playbook -i INVENTORY playbooks/rollout.yml -e release={release}"
ORDER = "ansible-playbook playbooks/rollout_control.yml -e rollout_ledger={ledger} -e rollout_order={order}"


def next_step(plan: Dict[str, Any], step: Dict[str, Any], ledger: str, release: str) -> str:
    """Return it. step: the last result of rollout_step {status, why, wave, waiting}."""
    run = RUN.format(release=release)
    status = step.get("status", "")
    if status == s.DONE:
        images = sorted({row["image"] for row in plan["targets"].values()})
        return ("The release is out. Write it into the inventory, or the next site.yml takes it back: image: " + ", image: ".join(images or ["-"]))
    if status == s.DONE_WITH_DEFERRED:
        return ("The release is out, but for the deferred targets above. When they are back: "
                + ORDER.format(ledger=ledger, order="catch_up") + ", then " + run)
    if status == s.PAUSED:
        return ("It is paused, and nothing new is begun: " + (step.get("reason") or "no reason given") + ". See to it, then one of: "
                + ", ".join(ORDER.format(ledger=ledger, order=order) for order in ("resume", "retry", "rollback", "abort")) + "; then " + run)
    if status in s.FINISHED:
        return "It has ended, and is not taken up again. A release with another name begins anew."
    if step.get("waiting") == "approval":
        digits = plan["hash"][:len("sha256:") + HASH_DIGITS]
        return f"Wave {step['at_wave']} waits for an approval. To give it: {run} -e rollout_approve={step['at_wave']} -e rollout_approve_plan={digits}"
    return "It goes on with the same command: " + run
