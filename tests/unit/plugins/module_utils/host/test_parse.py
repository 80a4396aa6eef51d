from __future__ import annotations

import base64

import pytest
from ansible_collections.edgeai.sites.plugins.module_utils.host import parse

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:192C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0B4D590A:C350 0100007F:192B 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt
   0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 99 1
   1: 00000000000000000000000001000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 98 1
"""


def test_only_listening_sockets_count():
    assert parse.listeners(TCP) == [{"address": "127.0.0.1", "port": 6444, "inode": "4711"}]


def test_ipv6_addresses_are_in_words_of_the_machine():
    assert [(entry["address"], entry["port"]) for entry in parse.listeners(TCP6)] == [("::", 6443), ("::1", 6443)]


@pytest.mark.parametrize(("path", "mount"), [
    ("/var/lib/rancher", "/var/lib/rancher"),
    ("/var/lib/rancher2", "/var"),
    ("/usr/local/bin", "/"),
    ("/data disk/x", "/data disk"),
])
def test_mount_of_takes_whole_path_parts(path, mount):
    table = parse.mounts(
        "/dev/a / ext4 rw 0 0\n/dev/b /var ext4 rw 0 0\n/dev/c /var/lib/rancher ext4 rw,noexec 0 0\n/dev/d /data\\040disk xfs rw 0 0\n")
    assert parse.mount_of(path, table)["mount"] == mount


def test_the_later_of_two_mounts_on_one_point_wins():
    table = parse.mounts("/dev/a / ext4 rw 0 0\n/dev/b /x ext4 rw 0 0\n/dev/c /x ext4 rw,noexec 0 0\n")
    assert "noexec" in parse.mount_of("/x", table)["options"]


@pytest.mark.parametrize(("servers", "usable"), [
    (["192.0.2.53"], ["192.0.2.53"]),
    (["192.0.2.53", "2001:db8::53"], ["192.0.2.53", "2001:db8::53"]),
    (["127.0.0.53"], []),
    (["192.0.2.53", "127.0.0.53"], []),
    (["fe80::1%eth0"], []),
    (["nonsense"], []),
    ([], []),
])
def test_one_loopback_nameserver_spoils_all(servers, usable):
    assert parse.usable_nameservers(servers) == usable


def test_resolv_conf_with_comments_and_options():
    text = "# made by hand\nsearch plant.example\nnameserver 192.0.2.53\n  nameserver\t192.0.2.54  \noptions edns0\n"
    assert parse.nameservers(text) == ["192.0.2.53", "192.0.2.54"]


HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


@pytest.mark.parametrize(("row", "routes"), [
    ("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
     [{"interface": "eth0", "gateway": "192.168.1.1", "metric": 100}]),
    ("eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", []),
    ("eth0\t00000000\t0101A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0\n", []),
    ("*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n", []),
    ("tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n", []),
    ("", []),
])
def test_default_routes(row, routes):
    assert parse.default_routes_v4(HEADER + row) == routes


def test_the_interface_of_an_address():
    rows = ("eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            "eth1\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n")
    assert parse.interface_of("192.168.1.20", HEADER + rows) == "eth1"
    assert parse.interface_of("192.168.2.20", HEADER + rows) == ""


def test_the_reject_route_of_the_kernel_is_no_way_out():
    zero = "0" * 32
    reject = f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
    real = f"{zero} 00 {zero} 00 20010db8000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
    assert parse.default_routes_v6(reject) == []
    assert parse.default_routes_v6(reject + real) == [{"interface": "eth0", "gateway": "2001:db8::1", "metric": 1024}]


def test_own_addresses_without_loopback_and_network():
    text = ("Main:\n  |-- 192.0.2.0\n     /24 link UNICAST\n  |-- 192.0.2.11\n     /32 host LOCAL\n  |-- 192.0.2.255\n"
            "     /32 link BROADCAST\n  |-- 127.0.0.1\n     /32 host LOCAL\n")
    assert parse.local_addresses_v4(text) == ["192.0.2.11"]


def test_module_names_in_every_kind_of_list():
    text = "kernel/net/netfilter/nf_conntrack.ko.zst: kernel/lib/libcrc32c.ko\nbr_netfilter 32768 0 - Live 0x0\nkernel/a/xt-b.ko\n"
    assert parse.module_names(text) == {"nf_conntrack", "br_netfilter", "xt_b"}


@pytest.mark.parametrize(("text", "version", "flavour"), [
    ("iptables v1.8.9 (nf_tables)\n", "1.8.9", "nft"),
    ("iptables v1.8.7 (legacy)\n", "1.8.7", "legacy"),
    ("iptables v1.6.1\n", "1.6.1", "legacy"),
    ("sh: iptables: not found\n", "", ""),
])
def test_iptables_version(text, version, flavour):
    assert parse.iptables_version(text) == {"version": version, "flavour": flavour}


@pytest.mark.parametrize(("text", "version"), [
    ("k3s version v1.36.5+k3s1 (66a14f0e)\ngo version go1.26.8\n", "v1.36.5+k3s1"),
    ("k3s version v1.36.5+k3s1.standin (0)\n", "v1.36.5+k3s1.standin"),
    ("Segmentation fault\n", ""),
])
def test_k3s_version(text, version):
    assert parse.k3s_version(text) == version


@pytest.mark.parametrize(("text", "version"), [
    ("Version=252.39-1~deb12u1\n", 252), ("Version=v239\n", 239), ("Version=252-32.el9_4\n", 252), ("Failed to connect\n", 0),
])
def test_systemd_version(text, version):
    assert parse.systemd_version(text) == version


@pytest.mark.parametrize("text", [
    "token: secret\nserver: https://192.0.2.11:6443 # ours\nkubelet-arg:\n  - a=b\nnode-label+: x\n",
    '{"token": "secret", "server": "https://192.0.2.11:6443", "kubelet-arg": ["a=b"], "node-label": "x"}',
    "'token': 'secret'\n\"server\": \"https://192.0.2.11:6443\"\nkubelet-arg: [a=b]\nnode-label:\n- x\n",
])
def test_config_gives_all_keys_and_no_secret(text):
    found = parse.k3s_config(text)
    assert found == {
        "keys": ["kubelet-arg", "node-label", "server", "token"], "values": {"server": "https://192.0.2.11:6443"}}


def certificate(name, tail=b"0Y0\x13"):
    subject = b"system:node:" + name.encode()
    body = base64.b64encode(b"\x30\x82\x13" + bytes([len(subject)]) + subject + tail).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("name", ["hall1", "cam-a.plant.example", "n0"])
def test_node_name_ends_where_der_says(name):
    # The byte after the name is 0x30, the digit 0.
    assert parse.kubelet_node_name(certificate(name)) == name


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n", "QUFB"])
def test_no_certificate_no_name(text):
    assert parse.kubelet_node_name(text) == ""


def test_builtin_options_are_those_with_y():
    assert parse.builtin_options("CONFIG_VXLAN=y\nCONFIG_DUMMY=m\n# CONFIG_IPVLAN is not set\n") == {"VXLAN"}
