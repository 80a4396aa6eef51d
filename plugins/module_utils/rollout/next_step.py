# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does after a run of a rollout, with the exact commands. Pure."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from ansible_collections.edgeai.sites.plugins.module_utils.rollout import states as s
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.order import HASH_DIGITS

# What each order is for, where a rollout was paused.
AFTER_A_PAUSE = (("retry", "has what has failed tried again, once it is resumed"), ("resume", "goes on, if the rule that stopped it holds no more"),
                 ("rollback", "takes everything back that was updated"), ("abort", "ends it, and leaves everything as it is"))


def next_step(plan: Dict[str, Any], step: Dict[str, Any], where: Dict[str, str], release: str, inventory: Sequence[str]) -> str:
    """Return it, as lines. step: the last result of rollout_step {status, why, at_wave, waiting, reason, standing}.

    where: {ledger, kubeconfig, site}; of a ledger in a directory only the first, of one in a cluster the second or the third too.
    """
    play = "ansible-playbook " + "".join(f"-i {path} " for path in inventory)
    run = play + f"playbooks/rollout.yml -e release={release}"
    if where["site"]:
        run += f" -e rollout_ledger_site={where['site']}"
        order = play + f"playbooks/rollout_control.yml -e release={release} -e rollout_ledger_site={where['site']}"
    else:
        cluster = f" -e rollout_ledger={where['ledger']} -e rollout_ledger_kubeconfig={where['kubeconfig']}" if where["kubeconfig"] else ""
        run += cluster
        order = "ansible-playbook playbooks/rollout_control.yml" + (cluster or f" -e rollout_ledger={where['ledger']}")
    order += " -e rollout_order="
    status = step.get("status", "")
    if status == s.DONE:
        images = sorted({row["image"] for row in plan["targets"].values()})
        return _lines("The release is out. Write it into the fleet's workloads, or the next site.yml takes it back:", *(f"image: {name}" for name in images))
    if status == s.DONE_WITH_DEFERRED:
        return _lines("The release is out, but for the deferred targets above. When they are back:", order + "catch_up", run)
    if status == s.PAUSED:
        return _lines(f"It is paused, and nothing new is begun: {step.get('reason') or 'no reason was given'}. See to it, then one of:",
                      *(f"{order}{name}  # {what}" for name, what in AFTER_A_PAUSE), "and go on with:", run)
    if status in s.FINISHED:
        return "It has ended, and is not taken up again. A release with another name begins anew."
    if step.get("waiting") == "approval":
        digits = plan["hash"][:len("sha256:") + HASH_DIGITS]
        return _lines(f"Wave {step['at_wave']} waits for a person. To approve it:",
                      f"{run} -e rollout_approve={step['at_wave']} -e rollout_approve_plan={digits}")
    stands = f" ({step['standing']})" if step.get("standing") else ""
    return _lines(f"It is not over{stands}, and goes on with the same command:", run)


def _lines(first: str, *others: str) -> str:
    return "\n".join([first, *("  " + line for line in others)])
