# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a release for a whole fleet. An action and no module: all that it reads is on the controller."""
from __future__ import annotations

import json
import os
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.edgeai.sites.plugins.module_utils.bundle.blobs import MANIFEST_NAME
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from ansible_collections.edgeai.sites.plugins.module_utils.bundle.manifest import load_manifest
from ansible_collections.edgeai.sites.plugins.module_utils.files import replace
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.adapters.place import place_of
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.errors import RolloutError
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.forecast import forecast
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.release import MAX_BYTES, ReleaseError, load_release
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.schema import RELEASE
from ansible_collections.edgeai.sites.plugins.module_utils.rollout.show import plan_text
from ansible_collections.edgeai.sites.plugins.module_utils.workload.model import WorkloadError
from ansible_collections.edgeai.sites.plugins.plugin_utils.filters import plain

try:
    from jsonschema import Draft202012Validator
except ImportError:
    Draft202012Validator = None

ARGUMENTS = {
    "release": {"type": "path", "required": True},
    "fleet": {"type": "str", "required": True},
    "workloads": {"type": "list", "elements": "dict", "required": True},
    "sites": {"type": "list", "elements": "dict", "required": True},
    "bundle": {"type": "path"},
    "seen": {"type": "dict", "default": {}},
    "now": {"type": "int"},
    "timezone": {"type": "str", "default": "UTC"},
    "dest": {"type": "path"},
    "ledger": {"type": "path"},
    "ledger_kubeconfig": {"type": "path"},
}


class ActionModule(ActionBase):
    """Reads the release and the bundle, plans, shows, and writes the plan where that is asked for."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        given = plain(given)
        if Draft202012Validator is None:
            raise AnsibleActionFail("the Python library jsonschema is needed on the controller to check a release file; install it for "
                                    "Ansible's Python: python3 -m pip install 'jsonschema>=4.17'")
        try:
            release = load_release(_text(given["release"], MAX_BYTES), given["release"], Draft202012Validator(RELEASE).iter_errors)
            fleet = {"name": given["fleet"], "workloads": given["workloads"], "sites": given["sites"]}
            plan = make_plan(release, fleet, _manifest(given["bundle"]), given["seen"])
            outlook = forecast(plan, int(time.time()) if given["now"] is None else given["now"])
            text = plan_text(plan, outlook, given["timezone"])
        except BundleError as error:
            raise AnsibleActionFail(error.text()) from error
        except (OSError, ReleaseError, RolloutError, UnicodeDecodeError, WorkloadError) as error:
            raise AnsibleActionFail(f"cannot plan {given['release']}: {error}") from error
        place, known = _begun(given, release["release"])
        if known is not None:
            if known["hash"] != plan["hash"]:
                text = (f"The rollout of {release['release']} goes on with the plan that it began with, {known['hash']}.\nRelease, inventory or "
                        f"bundle would now give another one, {plan['hash']}. To follow it, finish or abort this rollout and give the release "
                        "another name.")
            plan = known
        changed = bool(given["dest"]) and self._write(given["dest"], plan, outlook)
        return {**result, "changed": changed, "begun": known is not None, "ledger": place, "ledger_kubeconfig": given["ledger_kubeconfig"],
                "plan": plan, "hash": plan["hash"], "forecast": outlook, "feasible": outlook["feasible"], "text": text}

    def _write(self, dest, plan, outlook):
        """Write the plan unless the file holds it already: a forecast of a later hour is no other plan."""
        try:
            with open(dest, encoding="utf-8") as stream:
                if json.load(stream)["plan"]["hash"] == plan["hash"]:
                    return False
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there is none, or none that could be kept
        if not self._task.check_mode:
            try:
                os.makedirs(os.path.dirname(os.path.abspath(dest)), mode=0o700, exist_ok=True)
                replace(dest, json.dumps({"plan": plan, "forecast": outlook}, indent=1, sort_keys=True) + "\n", 0o600)
            except OSError as error:
                raise AnsibleActionFail(f"cannot write the plan: {error}. Correct dest (rollout_plan_dest)") from error
        return True


def _begun(given, release):
    """The ledger as people write it, and the plan of a rollout that has begun there, or None."""
    if not given["ledger"]:
        return None, None
    try:
        place = place_of(given["ledger"], given["ledger_kubeconfig"])
        found = place.find()
    except (OSError, RolloutError) as error:
        raise AnsibleActionFail(f"cannot read the rollout in {given['ledger']}: {error}") from error
    plan = found and found[0]
    if plan and plan["release"] != release:
        raise AnsibleActionFail(f"found a rollout of {plan['release']} in {place.name}; wanted {release}. Give each release a ledger of its own")
    return place.name, plan


def _text(path, limit):
    with open(path, encoding="utf-8") as stream:
        return stream.read(limit + 1)


def _manifest(directory):
    """The bundle's manifest, or None where no bundle was built yet: a release may name its digests itself."""
    path = os.path.join(directory, MANIFEST_NAME) if directory else ""
    return load_manifest(_text(path, MANIFEST_MAX_BYTES), path) if path and os.path.exists(path) else None
