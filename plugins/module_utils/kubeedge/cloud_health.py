# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When CloudCore counts as up, by evidence: what runs, what it serves, and whether edge nodes could join with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_causes
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_secrets import SECRETS, Found, name_changes

WELL, WAITING, FAILED = "well", "waiting", "failed"


@dataclass(frozen=True)
class Served:
    """What came from one address: of /ca.crt its SHA-256, of the TLS handshake that of the server's certificate.

    ``error``: why nothing came. ``proxy``: asked through the API server, where the certificate cannot be seen.
    """

    address: str
    ca_sha256: str = ""
    certificate_sha256: str = ""
    error: str = ""
    proxy: bool = False


@dataclass(frozen=True)
class Running:
    """The Deployment as the API shows it, or the unit as systemd does. ``lines``: of its log, oldest first."""

    ready: bool
    text: str
    lines: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One look. ``token_problem``: empty for a token that CloudCore will accept."""

    running: Running
    found: Found
    served: Tuple[Served, ...]
    token_problem: str = ""


@dataclass
class Verdict:
    """``rows``: check, verdict (pass, warn, fail, inconclusive), found, wanted, remedy."""

    state: str
    rows: List[Dict[str, str]] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """The first thing that is not as wanted."""
        row = next((row for row in self.rows if row["verdict"] in ("fail", "inconclusive")), None)
        return "%s: found %s, wanted %s" % (row["check"], row["found"], row["wanted"]) if row else ""


def judge(seen: Seen, wanted_names: List[str]) -> Verdict:
    """Judge one look. ``wanted_names``: the addresses and DNS names that its certificate has to carry."""
    rows = [_running(seen.running), _secrets(seen.found)]
    if seen.found.ca is not None:
        rows += [_certificate(seen.found, wanted_names), _token(seen)] + _answers(seen)
    if all(row["verdict"] in ("pass", "warn") for row in rows):
        return Verdict(WELL, rows)
    hopeless = any(finding.decisive for finding in cloud_causes.READER.findings(list(seen.running.lines)))
    return Verdict(FAILED if hopeless else WAITING, rows)


def message(place: str, verdict: Verdict, seen: Optional[Seen], seconds: float) -> str:
    """What a person is told, with the lines that explain it."""
    if verdict.state == WELL:
        return "%s: CloudCore is up after %.0f s" % (place, seconds)
    text = "%s: CloudCore is not up after %.0f s. %s" % (place, seconds, verdict.reason)
    remedies = [row["remedy"] for row in verdict.rows if row["verdict"] != "pass" and row["remedy"]]
    lines = list(seen.running.lines) if seen else []
    for finding in cloud_causes.READER.findings(lines)[:1]:
        remedies.insert(0, "%s. Remedy: %s" % (finding.cause.meaning, finding.cause.remedy))
    if remedies:
        text += ". Most likely: " + remedies[0]
    excerpt = cloud_causes.READER.excerpt(lines)
    return text + ("\nIts log:\n" + "\n".join(excerpt) if excerpt else "")


def row(check: str, good: bool, found: str, wanted: str, remedy: str = "", bad: str = "fail") -> Dict[str, str]:
    """One row of a verdict; the remedy only where it is needed."""
    return {"check": "cloudcore." + check, "verdict": "pass" if good else bad, "found": found, "wanted": wanted,
            "remedy": "" if good else remedy}


def _running(running: Running) -> Dict[str, str]:
    return row("running", running.ready, running.text, "all of it running and ready")


def _secrets(found: Found) -> Dict[str, str]:
    there = [name for name, part in zip(SECRETS, (found.ca, found.certificate, found.token)) if part]
    return row("secrets", len(there) == len(SECRETS), ", ".join(there) or "none", ", ".join(SECRETS),
               "CloudCore writes them at its start, once the CRDs of KubeEdge exist and it may write secrets there")


def _certificate(found: Found, wanted_names: List[str]) -> Dict[str, str]:
    if found.certificate is None:
        return row("names", False, "no certificate", ", ".join(wanted_names))
    missing, _surplus = name_changes(found.certificate, wanted_names)
    names = ", ".join(found.certificate.names)
    return row("names", not missing and found.certificate_signed, names if found.certificate_signed else names + " (of another CA)",
               ", ".join(wanted_names), "run the playbook cloudcore again: it renews the certificate and keeps the CA")


def _token(seen: Seen) -> Dict[str, str]:
    return row("token", not seen.token_problem, seen.token_problem or "a token that nodes can join with",
               "a fresh token of this CA")


def _answers(seen: Seen) -> List[Dict[str, str]]:
    """Every address has to serve the CA and the certificate that the cluster holds. One that cannot be reached from here
    is a warning when another one answers: edge nodes may reach what the controller does not."""
    wanted = "the CA %s…" % seen.found.ca.sha256[:12] if seen.found.ca else "a CA"
    answered = any(one.ca_sha256 for one in seen.served)
    rows = []
    for one in seen.served:
        check = "answer[%s]" % one.address
        if one.error:
            rows.append(row(check, False, one.error, wanted, _UNREACHED, bad="warn" if answered else "inconclusive"))
        elif seen.found.ca is None or one.ca_sha256 != seen.found.ca.sha256:
            rows.append(row(check, False, "the CA %s…" % one.ca_sha256[:12], wanted, _OTHER_CA))
        else:
            same = one.proxy or (seen.found.certificate is not None and one.certificate_sha256 == seen.found.certificate.sha256)
            rows.append(row(check, same, wanted if same else "the right CA with another certificate",
                            wanted + " and the certificate in cloudcoresecret", _OTHER_CERTIFICATE))
    return rows or [row("answer", False, "no address to ask", wanted)]


_UNREACHED = ("open TCP from here and from the edge sites to this address, or check what forwards it; a load balancer has to pass "
              "TCP through and must not end TLS")
_OTHER_CA = "something else answers there, or a CloudCore of another cluster: see what holds the port"
_OTHER_CERTIFICATE = ("CloudCore has not been restarted since its certificate was renewed, or a TLS proxy stands in between; it "
                      "must pass TCP through")


def public(found: Found) -> Dict[str, Any]:
    """What may be shown of the secrets."""
    certificate = found.certificate
    return {
        "ca_sha256": found.ca.sha256 if found.ca else "",
        "names": list(certificate.names) if certificate else [],
        "stream_expires": found.stream.expires if found.stream else None,
    }
