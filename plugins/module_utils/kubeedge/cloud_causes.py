# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of CloudCore's log mean, and the few that explain why it does not come up."""

from __future__ import annotations

import re

from ansible_collections.edgeai.sites.plugins.module_utils.journal import Cause, Reader

# "token  credentials are in the wrong format" prints the token itself.
_SECRET = re.compile(r"[0-9a-f]{64}\.[\w-]+\.[\w-]+\.[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+")

CAUSES = (
    Cause("port_taken", r"address already in use", 1, "another program holds one of its ports",
          "See the line for the port and `ss -ltnp` on the host for its holder; stop that, or choose other ports (cloudcore.ports)"),
    Cause("half_a_pair", r"Both of \w+ and \w+ should be specified", 1, "only one file of a certificate and its key is there",
          "Remove what is left in /etc/kubeedge/ca and /etc/kubeedge/certs: CloudCore keeps both in the cluster's secrets"),
    Cause("stream_files", r"TLSStream\w+File not exist|tls stream ca file error", 1, "the stream server's certificate is missing",
          "Run the playbook cloudcore again, which makes it"),
    Cause("bad_config", r"(error unmarshal|unmarshaling|failed to read|yaml: ).*config|strict decoding error|Invalid value", 1,
          "it does not accept its configuration", "Correct the key of cloudcore_config that the line names"),
    Cause("forbidden", r"is forbidden: User", 0, "it lacks a right in the cluster",
          "Compare the ClusterRole cloudcore with the resource that the line names; a foreign role of that name may have replaced it"),
    Cause("no_crds", r"the server could not find the requested resource", 0, "the CRDs of KubeEdge are missing, or some of them",
          "Apply them: the role takes them from the bundle. CloudCore goes on by itself 30 seconds later"),
    Cause("no_api", r"(Get|Post|dial).*(connection refused|i/o timeout|no route to host)|apiserver not ready", 0,
          "it does not reach the API server", "Check that the API server answers at the address in the line, and its kubeconfig"),
    Cause("image", r"ErrImagePull|ImagePullBackOff|ErrImageNeverPull", 0, "its image is not on the node",
          "Run the playbook artifacts, which puts it there from the bundle"),
    Cause("no_node", r"FailedScheduling", 0, "no node takes its pod", "The line says what each node lacks; CloudCore runs on the "
          "servers of the place only, and needs its ports free there"),
)


def mask(text: str) -> str:
    """``text`` without tokens."""
    return _SECRET.sub("********", text)


# The start of every CloudCore warns of files that it then takes from its secrets.
READER = Reader(CAUSES, mask, noise=r"will load from secret|is disabled, do not register|Neither --kubeconfig nor --master")
