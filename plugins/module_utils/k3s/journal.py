# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What K3s's journal lines mean, and the few lines that explain a failed start."""

from __future__ import annotations

from ansible_collections.edgeai.sites.plugins.module_utils.journal import Cause, Reader
from ansible_collections.edgeai.sites.plugins.module_utils.k3s import token

# Order matters: the first cause that matches a line names it, and the first decisive one is reported.
CAUSES = (
    Cause("unknown_key", r"flag provided but not defined: -\S+", 1,
          "config.yaml (or a file in config.yaml.d) has a key that this kind of node does not know",
          "remove the key; keys given in k3s_config are checked, so look into /etc/rancher/k3s/config.yaml.d"),
    Cause("token_missing", r"--token is required|token must not be empty", 1,
          "config.yaml has no join token",
          "run the playbook with this node's server in it, so that the token is written again"),
    Cause("wrong_token", r"not authorized", 3,
          "the server refuses the join token",
          "compare the token with server/agent-token on the server; leave k3s_token to the playbook"),
    Cause("wrong_ca", r"token CA hash does not match the Cluster CA certificate hash", 2,
          "the server that answers has another CA than the one in the token: another cluster, or one that was "
          "installed anew",
          "check the server's address; after a new installation of the server, reset this node and run again"),
    Cause("node_password", r"Node password rejected|unable to verify password for node \S+ hash does not match", 2,
          "the server knows a node of this name with another password: this host was wiped, or two hosts have "
          "the same name",
          "check that the name is unique, then run `kubectl delete node NAME` on the server; the waiting agent "
          "joins by itself within seconds"),
    Cause("token_changed", r"bootstrap data already found and encrypted with different token", 1,
          "the server's token is not the one its datastore was created with",
          "set k3s_token to the old value (backup of server/token), or leave it empty if server/token is there"),
    Cause("newer_than_datastore", r"newer than datastore and could cause a cluster outage", 1,
          "a failed start left files in server/cred or server/tls that contradict the datastore",
          "remove the files that the line names, and start again: K3s writes them anew from the datastore"),
    Cause("config_mismatch", r"critical configuration value mismatch", 1,
          "this server's configuration differs from the cluster's in a value that must be the same",
          "give all servers of the site the same value for the keys that the line names"),
    Cause("cgroup_v1", r"kubelet is configured to not run on a host using cgroup v1", 1,
          "this host boots with cgroup v1, which this K3s no longer supports",
          "boot with systemd.unified_cgroup_hierarchy=1 on the kernel command line"),
    Cause("reserved_label", r"unknown 'kubernetes\.io' or 'k8s\.io' labels specified", 1,
          "a node label uses a prefix reserved for Kubernetes",
          "rename the label that the line names"),
    Cause("kubelet_flags", r"failed to (validate|parse) kubelet|failed to load kubelet config|unknown flag: --", 2,
          "the kubelet refuses its arguments",
          "correct kubelet-arg in k3s_config, or the files in agent/etc/kubelet.conf.d"),
    Cause("no_default_route", r"no default routes found|unable to find default route", 2,
          "the host has no default route, and K3s does not start without one",
          "give the host a default route; for isolated sites the role host sets up a dummy one"),
    Cause("port_taken", r"bind: address already in use", 2,
          "another program listens on a port that K3s needs",
          "find it with `ss -lntp` for the port in the line, and stop or move it"),
    Cause("noexec", r"\"k3s-(server|agent)\": executable file not found", 1,
          "the file system of /var/lib/rancher/k3s is mounted noexec (the message is misleading)",
          "mount it without noexec"),
    Cause("no_space", r"no space left on device", 2,
          "a file system is full",
          "free space under /var/lib/rancher and /var/log"),
    Cause("broken_registries", r"server is not ready: yaml: ", 2,
          "registries.yaml is not valid YAML (the message blames the server)",
          "correct /etc/rancher/k3s/registries.yaml"),
    Cause("broken_config", r"level=fatal msg=\"(Error: )?(yaml: |error unmarshal)", 1,
          "config.yaml or a file in config.yaml.d is not valid YAML",
          "look into /etc/rancher/k3s/config.yaml.d; config.yaml itself is written by this role"),
    Cause("clock", r"certificate has expired or is not yet valid", 3,
          "a certificate is not valid at this host's time",
          "set the clock right (time synchronisation); if it is right, the certificates are over a year old"),
    Cause("pause_image", r"failed to pull image \\*\"\S*mirrored-pause", 0,
          "the sandbox image that every pod needs is not on this node",
          "run the artifacts step: k3s-airgap-images belongs in /var/lib/rancher/k3s/agent/images"),
    Cause("image_import", r"Failed to process image event", 0,
          "an image archive could not be imported",
          "run the artifacts step again; the file that the line names is damaged, or the disk is full"),
    Cause("server_unreachable", r"failed to get CA certs|server is not ready: .*(dial tcp|EOF|connection re)", 0,
          "the server does not answer (the line names the agent's own port 6444, behind which the server is)",
          "check that K3s runs on the server, and that nothing blocks TCP port 6443 between them"),
    Cause("unknown_key_dropped", r"Unknown flag --\S+ found in config\.yaml, skipping", 0,
          "the server ignores a key in config.yaml or config.yaml.d",
          "correct or remove the key"),
)

# Without the modules and sysctls of the noise a host works too.
READER = Reader(CAUSES, token.mask, r"kernel module|Failed to set sysctl|Sending HTTP/1\.1 503|has been deprecated",
                skip=("Incorrect Usage", "   "))
