#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_prepare
short_description: Make a cluster ready for CloudCore, and renew its certificates where they do not fit
version_added: 0.3.0
description:
  - Looks at a cluster before CloudCore is started or updated there, and does what has to be done first. One call per
    CloudCore, run on the controller.
  - Refuses versions that do not go together, KubeEdge without the security fixes of 2026, a damaged CA, and a CA that is
    gone while CloudCore's certificate is still there.
  - Never touches the CA. When the addresses or names of CloudCore have changed it deletes only the secret
    C(cloudcoresecret); CloudCore signs a new certificate at its next start.
  - Makes the certificate of the stream server (C(kubectl logs) and C(exec)), which CloudCore only reads, and makes it anew
    30 days before it expires.
  - Finds DaemonSets that would put a pod on edge nodes, and tells or mends it.
options:
  kubeconfig:
    description: Path to the kubeconfig on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, the name of a site or V(cloud), for messages.
    type: str
    required: true
  version:
    description: Version of KubeEdge.
    type: str
    required: true
  addresses:
    description: IP addresses that CloudCore's certificate has to carry.
    type: list
    elements: str
    required: true
  names:
    description: DNS names that it has to carry.
    type: list
    elements: str
    default: []
  stream:
    description: Whether the stream server is on and needs a certificate.
    type: bool
    default: true
  unsupported_kubernetes:
    description: Let a version of Kubernetes pass that is outside KubeEdge's matrix.
    type: bool
    default: false
  edge_labels:
    description: Labels of the edge nodes, one element for each, for DaemonSets that select nodes by them.
    type: list
    elements: dict
    default: []
  keep_off_edge:
    description: Add an affinity to DaemonSets that would come to edge nodes. Without it they are only told.
    type: bool
    default: false
attributes:
  check_mode:
    description: Looks and predicts, and changes nothing.
    support: full
  diff_mode:
    description: Secrets are never shown.
    support: none
  idempotent:
    description: A second call changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
  - cryptography (Python library), which comes with ansible-core
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Prepare the cluster for CloudCore
  edgeai.sites.cloudcore_prepare:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    place: cloud
    version: v1.23.1
    addresses: [10.1.0.11]
    names: [edge.factories.example]
  delegate_to: localhost
"""

RETURN = r"""
first_start:
  description: Whether there is no CA yet. CloudCore must then be started once before it gets replicas, which would race.
  returned: success
  type: bool
renewed:
  description: Whether CloudCore has to be restarted to sign a new certificate.
  returned: success
  type: bool
mark:
  description: Value for the pod template; another one restarts CloudCore.
  returned: success
  type: str
stream_sha256:
  description: SHA-256 of the stream server's certificate, empty without a stream server.
  returned: success
  type: str
reasons:
  description: Why something was, or would be, renewed.
  returned: success
  type: list
  elements: str
kubernetes:
  description: Version of the cluster.
  returned: success
  type: str
strays:
  description: DaemonSets that would put a pod on edge nodes, with namespace, name, remedy and whether they were patched.
  returned: success
  type: list
  elements: dict
"""

import time
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates as certificates
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_daemonsets, cloud_secrets, matrix
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster

ARGUMENTS = dict(
    kubeconfig=dict(type="path", required=True),
    place=dict(type="str", required=True),
    version=dict(type="str", required=True),
    addresses=dict(type="list", elements="str", required=True),
    names=dict(type="list", elements="str", default=[]),
    stream=dict(type="bool", default=True),
    unsupported_kubernetes=dict(type="bool", default=False),
    edge_labels=dict(type="list", elements="dict", default=[]),
    keep_off_edge=dict(type="bool", default=False),
)


class Refused(Exception):
    """Why CloudCore is not set up; nothing was changed."""


def prepare(params, cluster, check_mode, now):
    """Look, decide, act; return the module's result."""
    kubernetes = cluster.version()
    found = cloud_secrets.read(cluster.secrets(), cluster.mark())
    names = params["addresses"] + params["names"]
    stream_names = cloud_secrets.stream_names(names)
    plan = cloud_secrets.plan(found, names, stream_names, now, params["stream"], cluster.edge_nodes())
    problems = matrix.problems(params["version"], kubernetes, params["unsupported_kubernetes"]) + plan.refusals
    if problems:
        raise Refused("; ".join(problems))
    strays = cloud_daemonsets.strays(cluster.daemon_sets(), params["edge_labels"] or [{}])
    stream_sha256 = found.stream.sha256 if found.stream and params["stream"] else ""
    if plan.make_stream:
        files = certificates.stream_files(stream_names, now)
        stream_sha256 = certificates.parse_pem(files["stream.crt"].encode("ascii")).sha256
        if not check_mode:
            cluster.ensure_namespace()
            cluster.keep_secret(cloud_secrets.STREAM_SECRET, {name: text.encode("ascii") for name, text in files.items()})
    if plan.renew_certificate and not check_mode:
        cluster.delete_secret(cloud_secrets.CERTIFICATE_SECRET)
    patched = params["keep_off_edge"] and keep_off(cluster, strays, check_mode)
    return dict(changed=bool(plan.make_stream or plan.renew_certificate or patched), first_start=plan.first_start,
                renewed=plan.renew_certificate, mark=plan.mark, stream_sha256=stream_sha256, reasons=plan.reasons,
                kubernetes=kubernetes, strays=[dict(stray._asdict(), patched=bool(patched)) for stray in strays])


def keep_off(cluster, strays, check_mode):
    """Patch the DaemonSets; whether there was one."""
    wanted = {(stray.namespace, stray.name) for stray in strays}
    for item in cluster.daemon_sets() if wanted and not check_mode else []:
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        if key in wanted:
            cluster.patch_daemon_set(*key, cloud_daemonsets.guard(item))
    return bool(wanted)


def main():
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params = module.params
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    if certificates.x509 is None:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        cluster = Cluster(client.KubeApi.from_kubeconfig(params["kubeconfig"]))
        result = prepare(params, cluster, module.check_mode, time.time())
    except Refused as refused:
        module.fail_json(msg="CloudCore of %s is refused: %s. Nothing was changed." % (params["place"], refused))
    except client.ApiError as error:
        module.fail_json(msg="CloudCore of %s: %s" % (params["place"], error), exception=traceback.format_exc())
    for stray in result["strays"]:
        if not stray["patched"]:
            module.warn("%s: DaemonSet %s/%s would put a pod on every edge node, where it can only fail. Remedy: %s"
                        % (params["place"], stray["namespace"], stray["name"], stray["remedy"]))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
