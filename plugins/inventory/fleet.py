# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Reads fleet.yml, the description of all sites of a fleet
version_added: 0.1.0
author:
  - edgeai.sites contributors (@edgeai)
description:
  - One file describes every site, its nodes, its camera lines and what runs on them.
  - The file is checked as a whole before anything is done with it. Each mistake is reported with file, line,
    column and key, with what was found and what was wanted, and all of them at once.
  - The groups are C(sites) with one child C(site_NAME) for each site (dashes become underscores), by runtime
    C(k3s_servers), C(k3s_agents) and C(edgecore_nodes), and C(gpu_nodes) and C(cloud).
  - A plain YAML inventory that sets the same groups and variables works the same.
requirements:
  - jsonschema >= 4.17 (Python library, on the controller)
notes:
  - The file is named C(fleet.yml) or C(fleet.yaml), or ends with C(.fleet.yml) or C(.fleet.yaml).
  - Values under O(vars), and the C(vars) of sites and nodes, may be templates and may be encrypted with Ansible Vault.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [edgeai.sites.fleet]
  fleet:
    description: The name of the fleet, an RFC 1123 label. It becomes C(edge_fleet).
    type: str
    required: true
  vars:
    description: Variables for all hosts.
    type: dict
    default: {}
  workloads:
    description: The inference workloads of the fleet. They become C(edge_workloads).
    type: list
    elements: dict
    default: []
  sites:
    description:
      - The sites. A site has C(name), C(nodes), and may have C(timezone) (IANA name, default C(UTC)), C(wan_mbit),
        C(windows), C(api), C(transport), C(cloudcore) and C(vars).
      - A node has C(name), C(address), C(runtime) (V(k3s_server), V(k3s_agent) or V(edgecore)) and C(arch)
        (V(amd64), V(arm64) or V(arm)), and may have C(gpu) (V(none), V(dgpu) or V(tegra)), C(labels), C(lines)
        and C(vars).
      - EdgeCore nodes of a site with a C(k3s_server) join the CloudCore of that server, those of other sites the
        CloudCore of the cloud. C(transport) (V(websocket) or V(quic)) is how they reach it.
      - C(cloudcore) says how CloudCore runs and is reached; it may have C(shape) (V(cluster) or V(host)), C(addresses),
        C(names) and C(ports) (C(websocket), C(quic), C(https), C(stream), C(tunnel)).
    type: list
    elements: dict
    required: true
  cloud:
    description:
      - Hosts of the central side, with C(nodes), C(api), C(cloudcore) and C(vars). A node here needs no C(runtime).
    type: dict
    default: {}
"""

EXAMPLES = r"""
# inventories/demo/fleet.yml, used as: ansible-playbook -i inventories/demo edgeai.sites.site
plugin: edgeai.sites.fleet
fleet: demo
workloads:
  - name: vision
    image: vision:1
    runs_on: {lines: [line-a]}
    port: 8080
sites:
  - name: lab-factory
    timezone: Europe/Berlin
    windows:
      - {days: [sat, sun], start: "01:00", end: "05:00"}
    nodes:
      - {name: hall1-server, address: 192.0.2.11, runtime: k3s_server, arch: amd64}
      - {name: camera-a, address: 192.0.2.12, runtime: k3s_agent, arch: arm64, gpu: tegra, lines: [line-a]}
"""

from pathlib import Path
from zoneinfo import available_timezones

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

from ansible_collections.edgeai.sites.plugins.module_utils.fleet.expand import Layout, expand
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.explain import explain
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.parse import parse
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.rules import check
from ansible_collections.edgeai.sites.plugins.module_utils.fleet.schema import FLEET

try:
    from jsonschema import Draft202012Validator
except ImportError:
    Draft202012Validator = None

try:
    import jmespath
except ImportError:  # only the verifying steps need it, and they say so themselves
    jmespath = None

_SUFFIXES = (".fleet.yml", ".fleet.yaml")


class InventoryModule(BaseInventoryPlugin):
    NAME = "edgeai.sites.fleet"
    # fleet.yml is written by the operator: its strings may be templates, as in any YAML inventory.
    trusted_by_default = True

    def verify_file(self, path):
        name = Path(path).name
        return super().verify_file(path) and f".{name}".endswith(_SUFFIXES)

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        _refuse_mistakes(Path(path))
        # Read again by Ansible's own loader: it marks templates as trusted and keeps vaulted values encrypted.
        _fill(inventory, expand(self._read_config_data(path)))


def _refuse_mistakes(path):
    if Draft202012Validator is None:
        raise AnsibleParserError(
            f"{path}: the Python library jsonschema is needed on the controller to check this file; "
            "install it for Ansible's Python: python3 -m pip install 'jsonschema>=4.17'"
        )
    text = path.read_text(encoding="utf-8")
    if text.startswith("$ANSIBLE_VAULT"):
        raise AnsibleParserError(
            f"{path}: the whole file is encrypted, so mistakes in it could not be shown; "
            "encrypt single values instead: ansible-vault encrypt_string"
        )
    document, findings = parse(text)
    if document is not None:
        findings = explain(document, Draft202012Validator(FLEET).iter_errors(document.data))
        findings += check(document, available_timezones(), _expression_error if jmespath else None)
    if findings:
        findings.sort(key=lambda finding: (finding.line, finding.column))
        count = "1 mistake" if len(findings) == 1 else f"{len(findings)} mistakes"
        raise AnsibleParserError("\n".join([f"{path} has {count}:"] + [finding.text(str(path)) for finding in findings]))


def _expression_error(expression):
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        return str(error).replace("\n", " ")
    return None


def _fill(inventory, layout: Layout):
    for name, group in layout.groups.items():
        inventory.add_group(name)
        for key, value in group.variables.items():
            inventory.set_variable(name, key, value)
    for name, group in layout.groups.items():
        for child in group.children:
            inventory.add_child(name, child)
    for name, host in layout.hosts.items():
        for group in host.groups:
            inventory.add_host(name, group=group)
        for key, value in host.variables.items():
            inventory.set_variable(name, key, value)
