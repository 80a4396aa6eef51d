#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_probe
short_description: Says what a host is and what runs on it, without changing anything
version_added: 0.1.0
description:
  - Collects, in one call, the evidence that M(edgeai.sites.preflight_report) and the roles decide on - machine, memory,
    disks, control groups, ports and who holds them, resolver, routes, clock, kernel modules, firewall, systemd, an existing
    K3s and the cluster that it belongs to, EdgeCore, container engines, signs of NVIDIA hardware.
  - Runs no program but C(systemctl show), C(iptables --version) and C(k3s --version), each with a deadline; where there are
    signs of NVIDIA also C(modinfo), C(ldconfig -p) and C(dpkg-query -W) or C(rpm -qa).
  - Where O(intent) names a CloudCore (C(cloudcore) with C(server), C(ports) and C(transport)) its ports are tried, as EdgeCore would
    use them before it has a certificate.
  - Where O(intent) names relays of EdgeMesh (C(mesh) with C(relays)) their port 20006/tcp is tried.
  - A probe that fails leaves an entry in C(errors) and never ends the call.
  - No secret leaves the host. Of the K3s configuration only the names of the keys and a few harmless values are returned.
author: edgeai.sites contributors (@edgeai-sites)
options:
  intent:
    description:
      - What the host is meant to become. It is returned as it is, so that evidence and intent stay together
        until M(edgeai.sites.preflight_report) compares them.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Reads only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
notes:
  - Its action plugin adds C(controller_clock) to RV(evidence), the controller's time before and after the call.
  - Needs root to see the processes behind ports and the files of K3s.
seealso:
  - module: edgeai.sites.preflight_report
"""

EXAMPLES = r"""
- name: Look at the host
  edgeai.sites.host_probe:
    intent:
      node: "{{ inventory_hostname }}"
      runtime: "{{ edge_runtime }}"
  become: true
  register: __preflight_probe
"""

RETURN = r"""
ansible_facts:
  description: The evidence as a fact for later roles, see RV(evidence). It holds no secrets.
  returned: always
  type: dict
  contains:
    edge_evidence:
      description: Same as RV(evidence).
      returned: always
      type: dict
evidence:
  description: What was found, one key per probe.
  returned: always
  type: dict
  sample:
    schema: 1
    errors: []
    machine: {arch: x86_64, cpus: 4, kernel: 6.1.0-18-amd64, hostname: hall1, model: "", container: ""}
    controller_clock: {before: 1795457168.2, after: 1795457169.4}
    memory: {total_bytes: 8247103488, available_bytes: 7400000000, swap_bytes: 0}
    cgroup: {version: 2, controllers: [cpu, cpuset, io, memory, pids]}
    ports: [{port: 22, address: 0.0.0.0, pid: 812, process: sshd, executable: /usr/sbin/sshd, unit: ssh.service}]
intent:
  description: The option O(intent).
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.host.evidence import collect
from ansible_collections.edgeai.sites.plugins.module_utils.host.sources import LocalHost
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import mesh_host, probe


def main():
    module = AnsibleModule(argument_spec={"intent": {"type": "dict", "default": {}}}, supports_check_mode=True)
    evidence = collect(LocalHost())
    cloudcore = module.params["intent"].get("cloudcore")
    if cloudcore:
        evidence["cloudcore"] = probe.look(cloudcore["server"], cloudcore["ports"], cloudcore["transport"])
    mesh = module.params["intent"].get("mesh")
    if mesh:
        evidence["mesh"] = mesh_host.try_relays(mesh["relays"])
    module.exit_json(
        changed=False,
        evidence=evidence,
        intent=module.params["intent"],
        ansible_facts={"edge_evidence": evidence},
    )


if __name__ == "__main__":
    main()
