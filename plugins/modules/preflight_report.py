#!/usr/bin/python
# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Compares what hosts are with what they are meant to become, and says which sites may go on
version_added: 0.1.0
description:
  - Takes the results of M(edgeai.sites.host_probe) of all hosts of a run and judges each host alone (architecture, memory,
    disk, control groups, ports, resolver, default route, clock, an existing K3s, ...) and the hosts together (duplicate
    names, addresses and machine-ids, agents of another cluster).
  - Runs on the controller, once for the whole run, and reads nothing but its options.
  - A host that did not answer is a verdict of its own. No data never counts as a pass.
  - Never fails because of what it finds, so that healthy sites can go on; RV(sites_refused) names the others.
author: edgeai.sites contributors (@edgeai-sites)
options:
  probes:
    description: Result of M(edgeai.sites.host_probe) by host, also those that failed or were unreachable.
    type: dict
    required: true
  sites:
    description: Name of the site by host. Hosts without an entry in O(probes) are reported as not looked at.
    type: dict
    required: true
attributes:
  check_mode:
    description: Computes only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: edgeai.sites.host_probe
"""

EXAMPLES = r"""
- name: Write one report for all hosts
  edgeai.sites.preflight_report:
    probes: >-
      {{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, '__preflight_probe'))) }}
    sites: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'edge_site'))) }}"
  delegate_to: localhost
  run_once: true
  register: __preflight_report
"""

RETURN = r"""
verdicts:
  description: What was looked at and how it came out, by site, worst first.
  returned: always
  type: list
  elements: dict
  contains:
    site:
      description: Name of the site.
      type: str
    host:
      description: Name of the host.
      type: str
    check:
      description: What was looked at.
      type: str
    verdict:
      description: How it came out. V(fail) and V(error) refuse the site.
      type: str
      sample: fail
    found:
      description: What is there.
      type: str
    wanted:
      description: What should be there.
      type: str
    remedy:
      description: What to do, with commands. Empty when the verdict is V(pass).
      type: str
sites_refused:
  description: Sites with at least one V(fail) or V(error), sorted.
  returned: always
  type: list
  elements: str
sites_ready:
  description: The other sites, sorted.
  returned: always
  type: list
  elements: str
text:
  description: The report as people read it.
  returned: always
  type: str
"""

# Its work is done by the action plugin of the same name, in the controller's own process.
