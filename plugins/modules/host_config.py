#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_config
short_description: Prepares a host for K3s or EdgeCore in one call
version_added: 0.1.0
description:
  - Kernel modules and settings, time service, journal, time zone and, at sites without them, a resolver file for pods and a
    default route into nowhere. All of it now and after a reboot.
  - Installs no packages and needs no network.
  - What cannot be done on this host is a verdict V(warn) in RV(verdicts), not a change that would come again with every run.
    In a container that is every kernel setting outside C(net.), for it belongs to the machine below.
author: edgeai.sites contributors (@edgeai-sites)
options:
  isolated:
    description:
      - The site has no way out. If the host has no default route, a unit C(edgeai-dummy-route.service) adds one (interface
        C(edgeai0), metric 1000), because K3s does not start without. If it has no usable nameserver either,
        C(/etc/edgeai/resolv.conf) gets one that never answers.
      - V(false) removes the unit.
    type: bool
    default: false
  resolvers:
    description: Addresses of nameservers for pods, written to C(/etc/edgeai/resolv.conf) for the K3s setting C(resolv-conf).
    type: list
    elements: str
    default: []
  ntp_servers:
    description: Time servers of the site, for systemd-timesyncd, or for chrony where it reads C(/etc/chrony/sources.d).
    type: list
    elements: str
    default: []
  timezone:
    description: Name of a time zone. Empty leaves the host's.
    type: str
    default: ""
  kernel_modules:
    description: Kernel modules that must work.
    type: list
    elements: str
    default: [overlay, br_netfilter, nf_conntrack]
  sysctls:
    description: Kernel settings to add to those that K3s needs, or to replace them.
    type: dict
    default: {}
  journal_max_mib:
    description: Size in MiB that the persistent journal may have. V(0) leaves the host's journal settings.
    type: int
    default: 200
attributes:
  check_mode:
    description: Says what it would do and writes nothing.
    support: full
  diff_mode:
    description: Shows files and values before and after.
    support: full
  idempotent:
    description: A second call changes nothing, also after a reboot.
    support: full
"""

EXAMPLES = r"""
- name: Prepare a host of a site without a way out
  edgeai.sites.host_config:
    isolated: true
    resolvers: [192.168.40.1]
    ntp_servers: [192.168.40.1]
    timezone: Europe/Berlin
  become: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{kind: sysctl, target: vm.overcommit_memory, reason: the running value differs}]
  contains:
    kind:
      description: What kind of step it is.
      type: str
    target:
      description: The file, unit, module or setting.
      type: str
    reason:
      description: Why it is needed.
      type: str
verdicts:
  description: What is wanted and cannot be done here, each with its remedy.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.host import apply, plan
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.host.verdict import warned

ARGUMENTS = {
    "isolated": {"type": "bool", "default": False},
    "resolvers": {"type": "list", "elements": "str", "default": []},
    "ntp_servers": {"type": "list", "elements": "str", "default": []},
    "timezone": {"type": "str", "default": ""},
    "kernel_modules": {"type": "list", "elements": "str", "default": ["overlay", "br_netfilter", "nf_conntrack"]},
    "sysctls": {"type": "dict", "default": {}},
    "journal_max_mib": {"type": "int", "default": 200},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = dict(module.params, sysctls={name: str(value) for name, value in module.params["sysctls"].items()})
    errors = plan.check_wanted(wanted)
    if errors:
        module.fail_json(msg="; ".join(errors))
    host, done = LocalHost(), []
    try:
        actions, verdicts = plan.plan(apply.snapshot(host, wanted), wanted)
        for action in actions:
            if not module.check_mode:
                refusal = _try(host, action)
                if refusal:
                    verdicts.append(refusal)
                    continue
            done.append(action)
    except apply.StepFailed as error:
        module.fail_json(msg=f"Could not prepare this host: {error}", actions=[_shown(action) for action in done])
    module.exit_json(
        changed=bool(done),
        actions=[_shown(action) for action in done],
        verdicts=verdicts,
        diff=[_diff(action) for action in done if action.before or action.after],
    )


def _try(host, action):
    """A verdict when the kernel refuses a setting: kernels are built without some, and that must not stop a site."""
    try:
        apply.apply(host, action)
    except apply.StepFailed as error:
        if action.kind != "sysctl":
            raise
        return warned("sysctls", str(error), f"{action.target} = {action.after}",
                      "This kernel does not allow it; set host_sysctls to another value, or use another kernel.")
    return None


def _shown(action):
    return {"kind": action.kind, "target": action.target, "reason": action.reason}


def _diff(action):
    header = f"{action.target} ({action.kind})"
    return {"before_header": header, "after_header": header, "before": _lines(action.before), "after": _lines(action.after)}


def _lines(text):
    return text if not text or text.endswith("\n") else f"{text}\n"


if __name__ == "__main__":
    main()
