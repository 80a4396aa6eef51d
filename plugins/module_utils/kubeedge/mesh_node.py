# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does EdgeMesh work on this node, and what does it leave behind? From evidence to a verdict; from rules to their undoing. Pure."""

from __future__ import annotations

import re
import shlex
import struct
from typing import NamedTuple, Optional

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.mesh_facts import (
    ADDRESS, CHAINS, CLUSTER_DOMAIN, LINK, PORT,
)

READY, PROGRESSING, HOPELESS = "ready", "progressing", "hopeless"
#: A Service that every cluster has.
PROBE_NAME = "kubernetes.default.svc." + CLUSTER_DOMAIN


class Seen(NamedTuple):
    """One look. Texts are "" when all is well, else what is wrong.

    ``services``: how many metaServer lists, None without an answer (``meta`` says why). ``link``: addresses of the
    link, None when it is not there. ``relays``: relay -> why none of its addresses answers.
    """

    services: Optional[int] = None
    meta: str = ""
    kube_proxy: str = ""
    link: Optional[tuple[str, ...]] = None
    listening: str = ""
    dns: str = ""
    relays: dict[str, str] = {}


class Verdict(NamedTuple):
    state: str
    stage: str
    reason: str
    remedy: str


def judge(seen: Seen) -> Verdict:
    """What EdgeMesh stands on comes first: the later signs follow from it."""
    if seen.kube_proxy:
        return Verdict(HOPELESS, "kube_proxy", seen.kube_proxy, "Two would take the same traffic: keep kube-proxy off edge nodes "
                       "(cloudcore_keep_off_edge: true) and reboot this one")
    if seen.services is None:
        return Verdict(PROGRESSING, "meta_server", "EdgeCore's metaServer does not answer: %s" % seen.meta,
                       "Run the edgecore step, which switches it on where edgemesh_state is present; then read journalctl -u edgecore")
    if seen.services == 0:
        return Verdict(PROGRESSING, "services", "metaServer lists no service, not even the API server's",
                       "CloudCore's dynamicController is off, or the link is down: look for it in cloudcore_config and run the "
                       "cloudcore step")
    if seen.link is None:
        return Verdict(PROGRESSING, "link", "there is no link %s" % LINK,
                       "The agent has not started (look at its pod), or the kernel has no module dummy: modprobe dummy")
    if ADDRESS not in seen.link:
        return Verdict(PROGRESSING, "link", "%s has the address %s and not %s" % (LINK, ", ".join(seen.link) or "none", ADDRESS),
                       "Something else made this link: delete it (ip link delete %s) and restart the agent's pod" % LINK)
    if seen.listening:
        return Verdict(PROGRESSING, "port", "nothing listens on %d/tcp here: %s" % (PORT, seen.listening),
                       "Read the log of the agent's pod on this node")
    if seen.dns:
        return Verdict(PROGRESSING, "dns", "the mesh's DNS at %s does not know %s: %s" % (ADDRESS, PROBE_NAME, seen.dns),
                       "Read the log of the agent's pod; another program may hold port 53 there")
    bad = sorted(name for name in seen.relays if seen.relays[name])
    if bad:
        return Verdict(PROGRESSING, "relay", "the relay %s cannot be reached: %s" % (bad[0], seen.relays[bad[0]]),
                       _of_relay(bad[0], seen.relays[bad[0]]))
    return Verdict(READY, "ready", "%d services, %d of %d relays" % (seen.services, len(seen.relays), len(seen.relays)), "")


def _of_relay(name: str, problem: str) -> str:
    if "refused" in problem and "no answer" not in problem:
        return "The way there is open and no agent listens: look at the agent's pod on %s, and at the address" % name
    return "Open %d/tcp from this node to that relay, or correct its addresses in edgemesh_relays" % PORT


def query(name: str, number: int) -> bytes:
    """A DNS question for the IPv4 address of a name."""
    labels = b"".join(struct.pack("B", len(part)) + part.encode("ascii") for part in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def answer_problem(data: bytes, number: int) -> str:
    """What is wrong with the answer to it; "" for at least one record."""
    if len(data) < 12:
        return "an answer of %d bytes" % len(data)
    found, flags, _questions, answers = struct.unpack(">HHHH", data[:8])
    if found != number or not flags & 0x8000:
        return "an answer to another question"
    code = flags & 0x0F
    if code:
        return {2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}.get(code, "DNS error %d" % code)
    return "" if answers else "no address"


def undo(saved: str) -> str:
    """Input for ``iptables-restore --noflush`` that removes EdgeMesh's chains and the rules that lead to them; "" for nothing.

    ``saved``: what iptables-save printed.
    """
    text, table, lines, chains = "", "", [], []  # type: str, str, list[str], list[str]
    for line in saved.splitlines():
        if line.startswith("*"):
            table, lines, chains = line, [], []
        elif line.startswith(":"):
            name = line[1:].split(" ")[0]
            chains += [name] if name in CHAINS else []
        elif line.startswith("-A ") and _leads_there(line):
            lines.append("-D" + line[2:])
        elif line == "COMMIT" and chains:
            flush = ["-F " + name for name in chains]
            text += "\n".join([table] + lines + flush + ["-X " + name for name in chains] + ["COMMIT", ""])
    return text


def _leads_there(line: str) -> bool:
    """A rule of another chain that jumps into one of EdgeMesh's."""
    words = shlex.split(line)
    targets = [words[index + 1] for index, word in enumerate(words[:-1]) if word in ("-j", "-g")]
    return words[1] not in CHAINS and bool(set(targets) & set(CHAINS))


def listed(text: str) -> tuple[str, ...]:
    """IPv4 addresses in the output of ``ip -o -4 addr show``."""
    return tuple(re.findall(r"\binet ([0-9.]+)", text))
