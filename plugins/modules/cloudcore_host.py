#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_host
short_description: Run CloudCore as a service of a host
version_added: 0.3.0
description:
  - Writes C(cloudcore.yaml), the systemd unit and the files of the stream server, each only when it differs, starts CloudCore
    or restarts it when what runs was started with something else, and waits until it serves its CA.
  - Refuses a host without the program or the kubeconfig, and one that runs EdgeCore.
  - When it does not come up the message has the journal lines that explain it.
  - The files of the stream server are read from the cluster's secret on the controller, and pass to the host unseen.
options:
  config:
    description: Text of C(cloudcore.yaml).
    type: str
  kubeconfig:
    description: The kubeconfig on the host that the configuration names.
    type: path
    default: /etc/rancher/k3s/k3s.yaml
  cluster_kubeconfig:
    description: The kubeconfig on the controller, for the secret of the stream server. Without it there is no stream server.
    type: path
  https_port:
    description: Port on which CloudCore serves its CA.
    type: int
    default: 10002
  renewed:
    description: Whether its certificate has to be signed anew, which is a reason for a restart.
    type: bool
    default: false
  deadline:
    description: Seconds to wait.
    type: int
    default: 120
  state:
    description: V(absent) stops the service and removes it with its files. The program stays.
    type: str
    choices: [present, absent]
    default: present
  stream_files:
    description: Files of the stream server, PEM. Set by the part of this module that runs on the controller.
    type: dict
    default: {}
attributes:
  action:
    description: Has a part on the controller, which reads the secret.
    support: full
  check_mode:
    description: Predicts files and restarts, and writes nothing.
    support: full
  diff_mode:
    description: Shows the files, private keys left out.
    support: full
  idempotent:
    description: A second call changes nothing.
    support: full
seealso:
  - module: edgeai.sites.cloudcore_prepare
  - module: edgeai.sites.cloudcore_health
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Run CloudCore on the host
  edgeai.sites.cloudcore_host:
    config: "{{ cloudcore_text }}"
    cluster_kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
  become: true
"""

RETURN = r"""
restart_reasons:
  description: Why the running CloudCore was, or would be, restarted.
  returned: success, with O(state=present)
  type: list
  elements: str
written:
  description: Files that were, or would be, written or removed.
  returned: success
  type: list
  elements: str
waited_seconds:
  description: How long it took to come up.
  returned: success, with O(state=present)
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_causes, cloud_host
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cloud_host import Host, Refused, diff


def present(module, host):
    params = module.params
    wanted = cloud_host.wanted_files(params["config"], params["stream_files"])
    plan = host.plan(wanted, params["kubeconfig"], params["renewed"], module.check_mode)
    waited = 0.0
    if not module.check_mode:
        host.apply(plan)
        problem, lines, waited = host.wait(params["https_port"], params["deadline"])
        if problem:
            module.fail_json(msg=explain(problem, lines, waited), restart_reasons=plan.reasons)
    module.exit_json(changed=plan.changed, restart_reasons=plan.reasons, waited_seconds=round(waited, 1),
                     written=[item.path for item, _before in plan.files], diff=diff(plan.files))


def explain(problem, lines, waited):
    text = "CloudCore is not up after %.0f s: %s." % (waited, problem)
    for finding in cloud_causes.READER.findings(lines)[:1]:
        text += " Most likely: %s. Remedy: %s." % (finding.cause.meaning, finding.cause.remedy)
    return text + " Journal:\n" + "\n".join(cloud_causes.READER.excerpt(lines) or ["(empty)"])


def main():
    module = AnsibleModule(
        argument_spec=dict(
            config=dict(type="str"),
            kubeconfig=dict(type="path", default="/etc/rancher/k3s/k3s.yaml"),
            cluster_kubeconfig=dict(type="path"),
            https_port=dict(type="int", default=10002),
            renewed=dict(type="bool", default=False),
            deadline=dict(type="int", default=120),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            stream_files=dict(type="dict", default={}, no_log=True),
        ),
        required_if=[("state", "present", ["config"])],
        supports_check_mode=True,
    )
    host = Host(module.run_command)
    try:
        if module.params["state"] == "absent":
            gone = host.remove(module.check_mode)
            module.exit_json(changed=bool(gone), written=gone)
        present(module, host)
    except Refused as refused:
        module.fail_json(msg="CloudCore is refused on this host: %s. Nothing was written." % refused)
    except (OSError, RuntimeError) as error:
        module.fail_json(msg="CloudCore could not be set up: %s" % error)


if __name__ == "__main__":
    main()
