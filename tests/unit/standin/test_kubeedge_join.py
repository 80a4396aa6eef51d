# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty nodes enrol with one token. What it shows: nobody hands out a token for each, and no step waits for another's.

It is the enrolment alone (CA, request, certificate) of the stand-ins over real TLS, without hosts, Ansible and containers:
no figure for how long fifty real hosts take. That only as many run at once as were allowed is the caller's doing (Ansible's forks).
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from kubeedge_standin import certificates
from kubeedge_standin.cloudcore.https import Https
from kubeedge_standin.edgecore.enrolment import Enrolment, EnrolmentProblem

NODES = 50
PATIENCE = 30.0  # seconds


class CountingHttps(Https):
    """Serves nobody before `together` ask at once, and counts them."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.now = self.most = 0
        self.together, self.lock, self.enough = 1, threading.Lock(), threading.Event()

    def _certificate(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now >= self.together:
                self.enough.set()
        try:
            assert self.enough.wait(PATIENCE), "something else than the forks kept them from running at once"
            return super()._certificate(request)
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture(name="cloud")
def _cloud():
    ca, ca_key = certificates.new_ca()
    certificate, key = certificates.new_server(ca, ca_key, ["127.0.0.1"], [])
    identity = SimpleNamespace(ca=ca, ca_key=ca_key, certificate=certificate, key=key)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    https = CountingHttps(None, identity, {"edgeCertSigningDuration": 365})
    https.start(("127.0.0.1", port))
    return https, port, certificates.new_token(ca, ca_key, time.time() + 3600)


def enrol(folder, number, port, token):
    """One node, from nothing to its certificate; returns the name in it."""
    files = {key: str(folder / f"{number}-{key}") for key in ("tlsCaFile", "tlsCertFile", "tlsPrivateKeyFile")}
    hub = {**files, "token": token, "httpServer": f"https://127.0.0.1:{port}"}
    enrolment = Enrolment(SimpleNamespace(hub=hub, name=f"edge-{number}"))
    enrolment.ensure()
    return certificates.common_name(certificates.describe(certificates.der(enrolment.certificate_file.read_bytes())))


@pytest.mark.parametrize("forks", [5, 25])
def test_fifty_nodes_join_with_one_token_and_only_the_forks_are_the_limit(cloud, tmp_path, forks):
    https, port, token = cloud
    https.together = forks
    with ThreadPoolExecutor(forks) as pool:
        names = list(pool.map(lambda number: enrol(tmp_path, number, port, token), range(NODES)))
    assert sorted(names) == sorted(f"system:node:edge-{number}" for number in range(NODES))
    assert https.most == forks


def test_a_token_that_has_expired_meanwhile_lets_nobody_in(cloud, tmp_path):
    https, port, _token = cloud
    old = certificates.new_token(https._identity.ca, https._identity.ca_key, time.time() - 1)
    with pytest.raises(EnrolmentProblem, match="token is expired"):
        enrol(tmp_path, 1, port, old)
    assert not (tmp_path / "1-tlsCertFile").exists()
