# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EdgeCore's journal lines mean. Source: recordings of real failures, each with the line that decided it."""

from __future__ import annotations

import re

from ansible_collections.edgeai.sites.plugins.module_utils.journal import Cause, Reader

IDENTIFIER = "edgecore"
X509 = re.compile(r"x509: |tls: expired certificate|tls: bad certificate|tls: unknown certificate")
SANDBOX = re.compile(r"Failed to create sandbox for pod")
CONNECTED = re.compile(r"Websocket connect to cloud access successful|Quic connect to cloud access successful|dial \S+ successfully")
MASK = "********"
_TOKENS = re.compile(
    r"[0-9a-f]{64}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"             # tokens, whole or cut off
    r"|eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+)*"                    # what is left of one: a JWT
    r"|(?<=, err: token )\S+(?= credentials)|(?<=token )\S+(?= credentials are in the wrong format)")

_STOPPING = "Stopping "  # systemd's word when somebody asked for it; a process that dies by itself is not stopped


def of_this_life(lines: list[str]) -> list[str]:
    """Without what an EdgeCore said that has been stopped since, perhaps in another version."""
    last = max((position for position, line in enumerate(lines) if line.startswith(_STOPPING)), default=-1)
    return lines[last + 1:]


# Order matters: the first cause that matches a line names it, and the first decisive one is reported.
CAUSES = (
    Cause("token_form", r"credentials are in the wrong format", 2,
          "there is no token, or it is not one",
          "run the playbook again: it reads the token from the cloud"),
    Cause("other_ca", r"failed to validate CA certificate. tokenCAhash", 2,
          "the CloudCore that answers has another CA than the one in the token: another cloud, or something in between",
          "check address and port 10002 of CloudCore, and that nothing terminates TLS between; then run again"),
    Cause("token_expired", r"token is expired", 2,
          "the token has expired, or the clock of CloudCore's host is wrong",
          "run the playbook again, which reads a new one; if it stays, restart CloudCore, which makes one, and compare clocks"),
    Cause("token_key", r"(token )?signature is invalid", 2,
          "the token was signed with another CA's key",
          "run the playbook again, which reads it anew; if it stays, restart CloudCore, which makes a new one"),
    Cause("certificate_expired", r"tls: expired certificate|certificate has expired or is not yet valid", 3,
          "a certificate is not valid at this time: the node was off for too long, or a clock is wrong",
          "set the clocks right; if they are, run the playbook again, which enrols the node anew"),
    Cause("san", r"x509: certificate is valid for|doesn't contain any IP SANs|certificate is not valid for any names", 2,
          "CloudCore's certificate is not for the name or address by which this node reaches it",
          "give CloudCore this name or address (cloudcore.addresses or names in fleet.yml) and run the cloudcore step, or correct it"),
    Cause("ca_changed", r"x509: certificate signed by unknown authority|tls: unknown certificate authority", 3,
          "CloudCore has another CA than the one that this node trusts; EdgeCore never enrols anew by itself",
          "run the playbook again, which enrols the node anew; losing the CA does this to every node, so keep its backup"),
    Cause("database_lost", r"Failed to initialize CSINode after retrying", 2,
          "the Node exists and this node's database does not know it, or CloudCore cannot be reached on its ports",
          "run the playbook again, which deletes the Node first; if it stays, check the ports 10000 and 10002"),
    Cause("kubelet_present", r"kubelet should not (be )?running", 1,
          "another kubelet runs on this host",
          "stop and remove it (kubelet, K3s, MicroK8s): both would drive the same pods"),
    Cause("cri_disabled", r"unknown service runtime\.v1\.RuntimeService", 2,
          "containerd's CRI plugin is switched off, or containerd is too old for it (before 1.6)",
          "run the edgecore step again; look for disabled_plugins in the files that /etc/containerd/config.toml imports"),
    Cause("containerd_down", r"validate (CRI v1 runtime API|service connection)", 3,
          "containerd does not answer",
          "systemctl status containerd; journalctl -u containerd"),
    Cause("cgroup_driver", r"expected cgroupsPath to be of format|cgroup(-root| driver| manager).*(invalid|does not|mismatch)", 3,
          "EdgeCore and containerd drive control groups differently: one by systemd, one by itself",
          "run the edgecore step again with one edgecore_cgroup_driver; a later drop-in of containerd may say otherwise"),
    Cause("cgroup_root", r"cgroup \[.*\] has some missing paths|cgroup-root .* doesn't exist", 2,
          "the control group that edgecore_config names as cgroupRoot does not exist on this host",
          "create it before EdgeCore starts (a drop-in of its unit), or take cgroupRoot out of edgecore_config"),
    Cause("pause_image", r"failed to get sandbox image", 3,
          "the pause image that every pod needs is not on this node",
          "run the artifacts step and the edgecore step again"),
    Cause("cni", r"cni plugin not initialized|NetworkPluginNotReady|failed to find plugin", 0,
          "pods get no network: no configuration in /etc/cni/net.d, or a plugin is missing",
          "run the edgecore step again; remove files of other networks from /etc/cni/net.d"),
    Cause("transport", r"websocket\.enable and quic\.enable cannot be", 1,
          "edgecore.yaml switches on both transports, or none",
          "run the edgecore step again"),
    Cause("config", r"failed to unmarshal configfile|Invalid value: |config file \S+ not exist", 1,
          "EdgeCore refuses its configuration",
          "correct the key that the line names in edgecore_config"),
    Cause("database_directory", r"unable to open database file|failed to initialize database|database disk image is malformed", 2,
          "the database cannot be opened: its directory is not writable, the disk is full or damaged",
          "check /var/lib/kubeedge and its disk (df, dmesg); a damaged database: reset the node and join it anew"),
    Cause("no_space", r"no space left on device", 2,
          "a file system is full",
          "free space under /var/lib/kubeedge, /var/lib/containerd and /var/log"),
    Cause("port_taken", r"bind: address already in use", 2,
          "another program listens on a port that EdgeCore needs",
          "find it with `ss -lntp` for the port in the line, and stop or move it"),
    Cause("https_refused", r"failed to get CA certificate.*(connection refused|no route|network is unreachable|no such host)", 0,
          "CloudCore does not answer on port 10002",
          "check that CloudCore runs, that its address is right, and that nothing blocks TCP 10002"),
    Cause("hub_refused", r"(dial websocket error|Init (websocket|quic) connection failed).*(refused|timeout|no route|unreachable)", 0,
          "CloudCore does not answer on the port of its hub",
          "check that CloudCore runs, and that nothing blocks TCP 10000 (websocket) or UDP 10001 (quic)"),
    Cause("two_hosts", r"connection is broken, will reconnect after", 0,
          "the connection to CloudCore breaks: the link is bad, or another host has the same node name and takes the session",
          "check the link; look for `session exists for <node>` in CloudCore's log, and give each host a name of its own"),
    Cause("not_connected", r"err: not connected|Unable to register node with API server", 0,
          "EdgeCore has no connection to CloudCore",
          "check the ports 10000 and 10002 of CloudCore from this node"),
)


def mask(text: str) -> str:
    """``text`` without tokens: EdgeCore prints those that it cannot use. Hashes alone are public and stay."""
    return _TOKENS.sub(MASK, text)


# Lines of every healthy start.
READER = Reader(CAUSES, mask, r"RuntimeConfig from runtime service failed|message context for group doesn't exist|not supported operation: "
                r"connect|node length from meta db is 0|Object 'Kind' is missing|failed to get kubelet healthz syncloop|oom_score_adj|rlimit")


def count(pattern: re.Pattern[str], lines: list[str]) -> int:
    """How many lines show it, of those after the last connection to the cloud: what was before has healed."""
    last = max((number for number, line in enumerate(lines) if CONNECTED.search(line)), default=-1)
    return sum(1 for line in lines[last + 1:] if pattern.search(line))
