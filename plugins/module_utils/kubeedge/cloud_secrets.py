# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen to CloudCore's secrets before it is started or goes on: keep, make, renew, or refuse.

The CA (casecret) is never touched: every edge node pins it, and a new one orphans all of them. CloudCore signs its own
certificate (cloudcoresecret) once and then uses it for ever, also when its addresses have changed; deleting that secret
before a start makes it sign a new one. The stream server's pair is made here, because CloudCore only reads it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge import cloud_certificates as certificates
from ansible_collections.edgeai.sites.plugins.module_utils.kubeedge.cloud_certificates import Certificate

NAMESPACE = "kubeedge"
CA_SECRET = "casecret"
CERTIFICATE_SECRET = "cloudcoresecret"
TOKEN_SECRET = "tokensecret"
STREAM_SECRET = "cloudcore-stream"
SECRETS = (CA_SECRET, CERTIFICATE_SECRET, TOKEN_SECRET)
# On the pod template: another value makes another pod.
MARK = "edgeai.sites/restarted-for"
RENEW_DAYS = 30
_DAY = 86400


@dataclass(frozen=True)
class Found:
    """What the cluster holds; None for what is not there. Only public parts, never a key."""

    ca: Optional[Certificate] = None
    certificate: Optional[Certificate] = None
    certificate_signed: bool = False
    token: bool = False
    stream: Optional[Certificate] = None
    # What is wrong with a secret that is there and cannot be used.
    problems: Tuple[str, ...] = ()
    mark: str = ""


@dataclass
class Plan:
    """``renew_certificate``: delete cloudcoresecret, so that the next start signs a new one."""

    first_start: bool = False
    renew_certificate: bool = False
    make_stream: bool = False
    mark: str = ""
    reasons: List[str] = field(default_factory=list)
    refusals: List[str] = field(default_factory=list)


def read(secrets: Dict[str, Dict[str, bytes]], mark: str = "") -> Found:
    """``secrets``: name -> decoded data of those that exist. ``mark``: MARK of the running pod template."""
    problems: List[str] = []
    ca_data = secrets.get(CA_SECRET, {})
    ca = _certificate(CA_SECRET, ca_data.get("cadata"), CA_SECRET in secrets, problems)
    if ca is not None and not certificates.fits(ca_data.get("cakeydata", b""), ca_data["cadata"]):
        problems.append("secret %s: its key is not that of its certificate. Restore both from the backup" % CA_SECRET)
    served = secrets.get(CERTIFICATE_SECRET, {}).get("cloudcoredata")
    return Found(
        ca=ca,
        certificate=_quiet(certificates.parse, served),
        certificate_signed=bool(ca and served and certificates.signed_by(served, ca_data["cadata"])),
        token=bool(secrets.get(TOKEN_SECRET, {}).get("tokendata")),
        stream=_quiet(certificates.parse_pem, secrets.get(STREAM_SECRET, {}).get("stream.crt")),
        problems=tuple(problems),
        mark=mark,
    )


def plan(found: Found, wanted_names: Iterable[str], stream_names: Iterable[str], now: float, stream: bool = True,
         edge_nodes: Sequence[str] = ()) -> Plan:
    """Decide. ``wanted_names``: addresses and DNS names of CloudCore; ``stream_names`` those of the stream server.

    ``edge_nodes``: names of the Nodes that EdgeCore registered; they pin the CA that the cluster had.
    """
    result = Plan(first_start=found.ca is None, mark=found.mark, refusals=list(found.problems))
    left = ["the secret " + CERTIFICATE_SECRET] if found.certificate is not None else []
    left += ["the Node " + name for name in edge_nodes]
    if found.ca is None and not found.problems and left:
        result.refusals.append(
            "the secret %s is gone while %s is there: CloudCore would make a new CA, and no edge node trusts it. Restore the "
            "CA from its backup (cloudcore_ca_restore: true); without one, delete what is left, and enrol every edge node anew"
            % (CA_SECRET, left[0] + (" (and %d more)" % (len(left) - 1) if len(left) > 1 else "")))
    reason = _certificate_reason(found, wanted_names)
    if reason and found.ca is not None:
        result.renew_certificate = True
        result.reasons.append(reason)
        old = found.certificate.sha256 if found.certificate else "none after " + found.mark
        result.mark = hashlib.sha256(old.encode("ascii", "replace")).hexdigest()[:16]
    if stream:
        reason = _stream_reason(found.stream, stream_names, now)
        result.make_stream = bool(reason)
        result.reasons += [reason] if reason else []
    return result


def stream_names(names: Iterable[str]) -> List[str]:
    """What the stream server is called: by its Service, on its host, and as CloudCore is."""
    service = "cloudcore." + NAMESPACE
    return ["cloudcore", service, service + ".svc", "127.0.0.1"] + list(names)


def name_changes(certificate: Certificate, wanted: Iterable[str]) -> Tuple[List[str], List[str]]:
    """(missing in the certificate, no longer wanted), as SANs."""
    names = {certificates.shortest(name) for name in wanted}
    return sorted(names - set(certificate.names)), sorted(set(certificate.names) - names)


def _certificate_reason(found: Found, wanted: Iterable[str]) -> str:
    if found.certificate is None:
        return "CloudCore's certificate is missing or unreadable; its CA is kept"
    if not found.certificate_signed:
        return "CloudCore's certificate is not signed by its CA"
    missing, surplus = name_changes(found.certificate, wanted)
    if missing or surplus:
        return "CloudCore's certificate is for other names: %s" % "; ".join(
            part for part in ("missing " + ", ".join(missing) if missing else "",
                              "no longer wanted " + ", ".join(surplus) if surplus else "") if part)
    return ""


def _stream_reason(stream: Optional[Certificate], names: Iterable[str], now: float) -> str:
    if stream is None:
        return "the stream server has no certificate"
    days = int((stream.expires - now) // _DAY)
    if days < RENEW_DAYS:
        return "the stream server's certificate %s" % ("expires in %d days" % days if days >= 0 else "has expired")
    missing, _surplus = name_changes(stream, names)
    return "the stream server's certificate lacks %s" % ", ".join(missing) if missing else ""


def _certificate(name: str, der: Any, exists: bool, problems: List[str]) -> Optional[Certificate]:
    certificate = _quiet(certificates.parse, der)
    if exists and (certificate is None or not certificate.is_ca):
        problems.append("secret %s: it holds no CA certificate. Restore it from the backup (cloudcore_ca_restore)" % name)
        return None
    return certificate


def _quiet(parse: Any, data: Optional[bytes]) -> Optional[Certificate]:
    try:
        return parse(data) if data else None
    except ValueError:
        return None
