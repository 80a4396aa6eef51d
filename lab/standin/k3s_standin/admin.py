"""Small commands of the administrator: token, certificate, check-config, etcd-snapshot, secrets-encrypt."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import sys
from pathlib import Path

from standin_common import log, pki
from . import config, kubectl, tokens
from .api.objects import seconds_since

_SERVER = Path(config.DEFAULT_DATA_DIR) / "server"
_AGENT = Path(config.DEFAULT_DATA_DIR) / "agent"
_GROUP = "system:bootstrappers:k3s:default-node-token"


def _option(words, *names, default=None):
    for index, word in enumerate(words):
        if word in names and index + 1 < len(words):
            return words[index + 1]
        for name in names:
            if word.startswith(name + "="):
                return word.split("=", 1)[1]
    return default


# -- token -----------------------------------------------------------------------------------------
def token(words):
    if words[:1] not in (["create"], ["list"], ["delete"]):
        print("NAME:\n   k3s token - Manage tokens\n\nCOMMANDS:\n   create  delete  generate  list  rotate")
        return 0
    if not os.path.exists(kubectl.KUBECONFIG):
        log.fatal(f"Error: stat {kubectl.KUBECONFIG}: no such file or directory")
    client = kubectl.client_from(kubectl.KUBECONFIG)
    base = "/api/v1/namespaces/kube-system/secrets"
    if words[0] == "create":
        return _create_token(client, base, words)
    listed = client.get(base, fieldSelector="type=bootstrap.kubernetes.io/token")["items"]
    if words[0] == "delete":
        for identifier in words[1:]:
            client.request("DELETE", f"{base}/bootstrap-token-{identifier.split('.')[0]}")
            print(f'bootstrap token "{identifier.split(".")[0]}" deleted')
        return 0
    return _list_tokens(listed, _option(words, "-o", "--output"))


def _seconds(text):
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)([hms])", text))


def _create_token(client, base, words):
    secret = tokens.random_bootstrap()
    identifier, value = secret.split(".")
    fields = {"token-id": identifier, "token-secret": value, "usage-bootstrap-authentication": "true",
              "usage-bootstrap-signing": "true", "auth-extra-groups": _GROUP,
              "description": _option(words, "--description", default="")}
    lifetime = _seconds(_option(words, "--ttl", default="24h"))
    if lifetime:
        expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lifetime)
        fields["expiration"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    client.request("POST", base, {"metadata": {"name": f"bootstrap-token-{identifier}"},
                                  "type": "bootstrap.kubernetes.io/token", "stringData": fields})
    print(f"K10{pki.ca_hash((_SERVER / 'tls' / 'server-ca.crt').read_bytes())}::{secret}")
    return 0


def _list_tokens(listed, output):
    rows = []
    for secret in listed:
        data = {k: base64.b64decode(v).decode() for k, v in (secret.get("data") or {}).items()}
        rows.append(data)
    if output == "json":
        print(json.dumps([{"token": {}, "description": r.get("description", ""), "expires": r.get("expiration"),
                           "usages": ["authentication", "signing"], "groups": [_GROUP]} for r in rows],
                         separators=(",", ":")))
        return 0
    print("TOKEN     TTL       EXPIRES   USAGES    DESCRIPTION   EXTRA GROUPS")
    for row in rows:
        print(f"{row['token-id']}    {_left(row.get('expiration')):7}   {row.get('expiration', '<never>')}   "
              f"authentication,signing   {row.get('description') or '<none>'}   {_GROUP}")
    return 0


def _left(expiration):
    """Time to live as `59m`, `23h` or `<forever>`."""
    if not expiration:
        return "<forever>"
    minutes = int(-seconds_since(expiration) // 60)
    return "<expired>" if minutes < 0 else f"{minutes}m" if minutes < 120 else f"{minutes // 60}h"


# -- certificate -----------------------------------------------------------------------------------
def certificate(words):
    if words[:1] != ["check"]:
        print("NAME:\n   k3s certificate - Manage K3s certificates\n\nCOMMANDS:\n   check  rotate  rotate-ca")
        return 0
    is_server = (_SERVER / "tls" / "server-ca.crt").exists()
    files = sorted((_SERVER / "tls").glob("*.crt")) if is_server else []
    files = [f for f in files if not f.name.endswith("-ca.crt")]
    files += [f for f in sorted(_AGENT.glob("*.crt")) if not f.name.endswith("-ca.crt")]
    log.info("Server detected, checking agent and server certificates" if is_server
             else "Agent detected, checking agent certificates")
    found, now = [], datetime.datetime.now(datetime.timezone.utc)
    for file in files:
        for entry in pki.describe(file):
            left = (entry["expiry"] - now).total_seconds()
            status = "EXPIRED" if left < 0 else "WARNING" if left < 120 * 86400 else "OK"
            found.append({"Filename": file.name, "Subject": entry["subject"], "Issuer": entry["issuer"],
                          "Usages": entry["usages"], "ExpiryTime": entry["expiry"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                          "ResidualTime": int(left * 1e9), "Status": status})
    if _option(words, "-o", "--output") == "json":
        print(json.dumps({"Certificates": found}, separators=(",", ":")))
        return 0
    for entry in found:
        log.info(f"{entry['Filename']}: certificate {entry['Subject']} ({','.join(entry['Usages'])}) is "
                 f"{entry['Status'].lower()}, expires at {entry['ExpiryTime']}")
    return 0


# -- the rest --------------------------------------------------------------------------------------
def _warn_foreign_keys():
    for key, values in config.read_files(config.DEFAULT_CONFIG):
        for _ in values:
            log.warning(f"Unknown flag --{key} found in config.yaml, skipping\n")


def etcd_snapshot(words):
    _warn_foreign_keys()
    if not (_SERVER / "token").exists():
        log.fatal(f"Error: open {_SERVER}/token: no such file or directory")
    log.fatal("Error: see server log for details: etcd datastore disabled")
    return 1


def secrets_encrypt(words):
    if not (_SERVER / "token").exists():
        log.fatal(f"Error: open {_SERVER}/token: no such file or directory")
    if words[:1] == ["status"]:
        print("Encryption Status: Disabled, no configuration file found")
    return 0


def check_config(_words):
    """Checks little, and says so in the form of the real script (exit code 0 or the number of failures)."""
    from standin_common import host
    failures = 0
    current = Path(config.DEFAULT_DATA_DIR) / "data" / "current"
    print(f"\nVerifying binaries in {os.path.realpath(current) if current.exists() else current}/bin:\n"
          "- sha256sum: good\n- links: good\n\nSystem:")
    for directory in ("/usr/sbin", "/sbin"):
        if os.path.exists(f"{directory}/iptables"):
            print(f"- {directory} iptables: ok")
            break
    else:
        print("- iptables: missing")
        failures += 1
    print("- swap: disabled")
    try:
        host.default_interface()
        print("- routes: ok")
    except host.NoDefaultRoute:
        print("- routes: no default route")
        failures += 1
    kind = "V2" if host.has_cgroup_v2() else "Hybrid"
    print(f"\nGenerally Necessary:\n- cgroup hierarchy: cgroups {kind} mounted, cpuset|memory controllers status: good")
    print(f"\nSTATUS: {failures} (fail)" if failures else "\nSTATUS: pass")
    sys.stdout.flush()
    return failures
