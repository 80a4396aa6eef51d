#!/usr/bin/python

# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudcore_health
short_description: Prove that CloudCore is up and that edge nodes can join it
version_added: 0.3.0
description:
  - Waits, until a deadline, for evidence that CloudCore works. One call per CloudCore, run on the controller.
  - All pods are ready (shape V(cluster)), its three secrets exist, its certificate carries the wanted addresses and names
    and is signed by the CA, a fresh token of this CA is there, and each address serves exactly that CA and that
    certificate. Being started proves nothing; without its CRDs CloudCore runs for ever and serves nothing.
  - An address that the controller does not reach is a warning when another one answers. When none does, the API server
    is asked to reach the pods.
  - When it does not come up the message says what is missing, with the lines of its log that explain it.
attributes:
  check_mode:
    description: Looks once and does not fail.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
requirements:
  - kubernetes (Python library) >= 24.2.0
  - cryptography (Python library), which comes with ansible-core
options:
  kubeconfig:
    description: Path to the kubeconfig on the controller.
    type: path
    required: true
  place:
    description: Where CloudCore runs, for messages.
    type: str
    required: true
  shape:
    description: How it runs. On a V(host) M(edgeai.sites.cloudcore_host) looks at the unit.
    type: str
    choices: [cluster, host]
    default: cluster
  addresses:
    description: IP addresses at which edge nodes reach it.
    type: list
    elements: str
    required: true
  names:
    description: DNS names that its certificate has to carry. They need not be known to the controller.
    type: list
    elements: str
    default: []
  https_port:
    description: Its port for certificates and tokens.
    type: int
    default: 10002
  deadline:
    description: Seconds to wait.
    type: int
    default: 120
author:
  - edgeai.sites contributors (@edgeai-sites)
"""

EXAMPLES = r"""
- name: Prove that CloudCore is up
  edgeai.sites.cloudcore_health:
    kubeconfig: ~/.edgeai/factories/cloud/kubeconfig
    place: cloud
    addresses: [10.1.0.11]
  delegate_to: localhost
"""

RETURN = r"""
healthy:
  description: Whether everything is as wanted.
  returned: always
  type: bool
seconds:
  description: How long it took.
  returned: always
  type: float
ca_sha256:
  description: SHA-256 of the CA that edge nodes pin.
  returned: always
  type: str
names:
  description: Addresses and names in its certificate.
  returned: always
  type: list
  elements: str
stream_expires:
  description: End of the stream server's certificate, in seconds since 1970; none without one.
  returned: always
  type: float
verdicts:
  description: Rows of check, verdict (pass, warn, fail, inconclusive), found, wanted and remedy.
  returned: always
  type: list
  elements: dict
"""

import time
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.edgeai.sites.plugins.module_utils.kubeapi import client
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates as certificates
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_health, cloud_secrets, token
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters import tls
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.adapters.cluster import Cluster, served

PAUSE = 1.0
# The log is read when it may explain something, not while a start takes its usual seconds.
LINES_AFTER = 5.0

ARGUMENTS = dict(
    kubeconfig=dict(type="path", required=True),
    place=dict(type="str", required=True),
    shape=dict(type="str", default="cluster", choices=["cluster", "host"]),
    addresses=dict(type="list", elements="str", required=True),
    names=dict(type="list", elements="str", default=[]),
    https_port=dict(type="int", default=10002),
    deadline=dict(type="int", default=120),
)


def look(cluster, params, with_lines):
    """One look at everything."""
    if params["shape"] == "cluster":
        running = cluster.running(with_lines)
    else:
        running = cloud_health.Running(True, "its unit is active")
    secrets = cluster.secrets()
    found = cloud_secrets.read(secrets)
    answers = [served(address, *tls.fetch(address, params["https_port"])) for address in params["addresses"]]
    if params["shape"] == "cluster" and not any(answer.ca_sha256 for answer in answers):
        answers += cluster.ca_through_proxy(params["https_port"]) if running.ready else []
    return cloud_health.Seen(running, found, tuple(answers), token_problem(secrets, cluster.api.now()))


def token_problem(secrets, now):
    """Why nodes could not join with the token of the cluster; empty when they can."""
    ca = secrets.get(cloud_secrets.CA_SECRET, {})
    try:
        token.verify(secrets.get(cloud_secrets.TOKEN_SECRET, {}).get("tokendata", b"").decode("ascii", "replace"),
                     ca.get("cadata", b""), now, ca.get("cakeydata"))
    except token.TokenError as error:
        return str(error)
    return ""


def wait(params, cluster, once):
    """Look until it is well or hopeless, at the latest until the deadline; return the result and a message."""
    begun, seen = time.monotonic(), None
    names = params["addresses"] + params["names"]
    while True:
        waited = time.monotonic() - begun
        late = waited >= params["deadline"]
        try:
            seen = look(cluster, params, with_lines=late or waited >= LINES_AFTER)
            verdict = cloud_health.judge(seen, names)
        except client.ApiError as error:
            if late or once:
                raise
            verdict = cloud_health.Verdict(cloud_health.WAITING, [cloud_health.row("api", False, str(error), "an answer")])
        if verdict.state != cloud_health.WAITING or late or once:
            break
        time.sleep(PAUSE)
    waited = time.monotonic() - begun
    public = cloud_health.public(seen.found if seen else cloud_secrets.Found())
    result = dict(public, healthy=verdict.state == cloud_health.WELL, seconds=round(waited, 1), verdicts=verdict.rows)
    return result, cloud_health.message(params["place"], verdict, seen, waited)


def main():
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    if client.urllib3 is None:
        module.fail_json(msg=missing_required_lib("kubernetes"))
    if certificates.x509 is None:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        cluster = Cluster(client.KubeApi.from_kubeconfig(module.params["kubeconfig"]))
        result, msg = wait(module.params, cluster, module.check_mode)
    except client.ApiError as error:
        module.fail_json(msg="CloudCore of %s: %s" % (module.params["place"], error), exception=traceback.format_exc())
    if not result["healthy"] and not module.check_mode:
        module.fail_json(msg=msg, **result)
    for row in result["verdicts"]:
        if row["verdict"] == "warn":
            module.warn("%s: %s: %s. %s" % (module.params["place"], row["check"], row["found"], row["remedy"]))
    module.exit_json(changed=False, msg=msg, **result)


if __name__ == "__main__":
    main()
