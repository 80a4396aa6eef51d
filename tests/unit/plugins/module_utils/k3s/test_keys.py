# Copyright (c) 2026 edgeai.sites contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of config.yaml: names, types, and what is refused although K3s knows it."""

from __future__ import annotations

import pytest

from ansible_collections.edgeai.sites.plugins.module_utils.k3s import keys

SERVER, AGENT = keys.SERVER, keys.AGENT


@pytest.mark.parametrize(("config", "runtime"), [
    ({}, AGENT),
    ({"kubelet-arg": ["max-pods=40"], "flannel-iface": "eth0", "debug": True, "lb-server-port": 7443}, AGENT),
    ({"disable-apiserver-lb": True}, AGENT),
    ({"tls-san": "api.example", "disable": ["traefik"], "write-kubeconfig-mode": "0640"}, SERVER),
    ({"etcd-s3-timeout": "5m0s", "etcd-snapshot-retention": 5, "flannel-backend": "host-gw"}, SERVER),
    ({"kubelet-arg": ["fail-cgroupv1=false", "read-only-port=0"]}, SERVER),
    ({"cluster-cidr": ["10.42.0.0/16"], "lb-server-port": 6444}, SERVER),
])
def test_good_config_has_no_problems(config, runtime):
    assert keys.check_config(config, runtime) == []


@pytest.mark.parametrize(("config", "runtime", "expected"), [
    ({"flanel-iface": "eth0"}, AGENT, "did you mean flannel-iface?"),
    ({"kubelet_arg": []}, AGENT, "did you mean kubelet-arg?"),
    ({"tls-sans": "x"}, SERVER, "did you mean tls-san?"),
    ({"tls-sans": "x"}, AGENT, "did you mean tls-san (a server key)?"),
    ({"zzzzqqqq": 1}, SERVER, "zzzzqqqq: K3s has no such key"),
    ({"tls-san": "x"}, AGENT, "only a K3s server knows this key"),
    ({"secrets-encryption": True}, AGENT, "only a K3s server knows this key"),
    ({"disable-apiserver-lb": True}, SERVER, "only a K3s agent knows this key"),
    ({"no-deploy": "traefik"}, SERVER, "use disable"),
    ({"token": "x"}, AGENT, "k3s_token"),
    ({"data-dir": "/data"}, SERVER, "/var/lib/rancher/k3s"),
    ({"cluster-reset": True}, SERVER, "one-time action"),
    ({"kubelet-arg+": ["a=b"]}, AGENT, "write the whole list under kubelet-arg"),
    ({"debug": "yes"}, AGENT, "wanted true or false, found 'yes'"),
    ({"debug": 1}, AGENT, "wanted true or false"),
    ({"lb-server-port": "6444"}, AGENT, "wanted a whole number"),
    ({"lb-server-port": True}, AGENT, "wanted a whole number"),
    ({"flannel-iface": ["eth0"]}, AGENT, "wanted a string"),
    ({"tls-san": [1]}, SERVER, "wanted a list of strings"),
    ({"tls-san": [""]}, SERVER, "wanted a list of strings"),
    ({"etcd-s3-timeout": "5 minutes"}, SERVER, "wanted a duration"),
    ({"write-kubeconfig-mode": 420}, SERVER, "unquoted, YAML reads 0644 as the number 420"),
    ({"write-kubeconfig-mode": "rw"}, SERVER, "wanted a quoted octal mode"),
    ({"write-kubeconfig-mode": "0644"}, SERVER, "every local user a cluster administrator"),
    ({"flannel-backend": "wireguard"}, SERVER, "none of none, vxlan, host-gw, wireguard-native"),
    ({"disable": ["treafik"]}, SERVER, "none of coredns"),
    ({"kube-apiserver-arg": ["anonymous-auth=true"]}, SERVER, "without credentials"),
    ({"kubelet-arg": ["--authorization-mode=AlwaysAllow"]}, AGENT, "every caller would be an administrator"),
    ({"kubelet-arg": ["read-only-port=10255"]}, AGENT, "tell everybody"),
    ({"kubelet-arg": ["max-pods"]}, AGENT, "not of the form flag=value"),
    ({"flannel-iface": "eth0\ntoken: x"}, AGENT, "line break or control character"),
    ({"log": "a\u2028b"}, AGENT, "line break or control character"),
])
def test_bad_config_is_explained(config, runtime, expected):
    problems = keys.check_config(config, runtime)
    assert len(problems) == 1
    assert expected in problems[0]


def test_all_problems_are_told_at_once():
    assert len(keys.check_config({"a-b": 1, "debug": 2, "tls-san": "x"}, AGENT)) == 3


def test_secret_values_are_not_in_problems():
    problems = keys.check_config({"etcd-s3-secret-key": ["hush-hush"]}, SERVER)
    assert len(problems) == 1
    assert "hush-hush" not in problems[0]


def test_every_refused_or_secret_or_limited_key_is_a_key():
    assert set(keys.REFUSED) | set(keys.SECRET) | set(keys.CHOICES) <= set(keys.KEYS)
    assert not set(keys.REMOVED) & set(keys.KEYS)


@pytest.mark.parametrize(("env", "expected"), [
    ({"NO_PROXY": "10.0.0.0/8"}, None),
    ({"K3S_TOKEN": "x"}, "set it by the variable k3s_token"),
    ({"A B": "x"}, "letters, digits and underscores"),
    ({"A": "x\nB=y"}, "line break"),
])
def test_env(env, expected):
    problems = keys.check_env(env)
    assert (problems == []) if expected is None else (expected in problems[0])


@pytest.mark.parametrize(("name", "value", "secret"), [
    ("NO_COLOR", "1", False),
    ("AWS_SECRET_ACCESS_KEY", "x", True),
    ("HTTPS_PROXY", "http://proxy:3128", True),
    ("CATTLE_URL", "https://user:pw@host/", True),
    ("CATTLE_URL", "https://host/", False),
])
def test_secret_env(name, value, secret):
    assert keys.is_secret_env(name, value) is secret
