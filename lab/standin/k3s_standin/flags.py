"""The flags of `k3s server` and `k3s agent`: B takes no value, L may be repeated, S is single."""

from __future__ import annotations

_AGENT_COMMON = """
config c S; debug B; v S; vmodule S; log l S; alsologtostderr B; token t S K3S_TOKEN; token-file S K3S_TOKEN_FILE;
server s S K3S_URL; data-dir d S K3S_DATA_DIR; node-name S K3S_NODE_NAME; with-node-id B; node-label L; node-taint L;
image-credential-provider-bin-dir S; image-credential-provider-config S; selinux B K3S_SELINUX; lb-server-port S;
protect-kernel-defaults B; container-runtime-endpoint S; default-runtime S; image-service-endpoint S;
disable-default-registry-endpoint B; nonroot-devices B; pause-image S; snapshotter S; private-registry S;
system-default-registry S; node-ip i L; node-external-ip L; node-internal-dns L; node-external-dns L;
resolv-conf S K3S_RESOLV_CONF; flannel-iface S; flannel-conf S; flannel-cni-conf S; vpn-auth S; vpn-auth-file S;
kubelet-arg L; kube-proxy-arg L; rootless B; prefer-bundled-bin B; docker B; enable-pprof B; bind-address S
"""
_AGENT_ONLY = "disable-apiserver-lb B"
_SERVER_ONLY = """
https-listen-port S; advertise-address S; advertise-port S; tls-san L; tls-san-security B; cluster-cidr L;
service-cidr L; service-node-port-range S; cluster-dns L; cluster-domain S; flannel-backend S; flannel-ipv6-masq B;
flannel-external-ip B; egress-selector-mode S; servicelb-namespace S; write-kubeconfig o S K3S_KUBECONFIG_OUTPUT;
write-kubeconfig-mode S K3S_KUBECONFIG_MODE; write-kubeconfig-group S; write-kubeconfig-name S; helm-job-image S;
agent-token S K3S_AGENT_TOKEN; agent-token-file S; cluster-init B; cluster-reset B; cluster-reset-restore-path S;
kube-apiserver-arg L; etcd-arg L; kube-controller-manager-arg L; kube-scheduler-arg L; helm-controller-arg L;
kube-cloud-controller-manager-arg L; datastore-endpoint S; datastore-cafile S; datastore-certfile S;
datastore-keyfile S; etcd-expose-metrics B; etcd-disable-snapshots B; etcd-snapshot-name S;
etcd-snapshot-schedule-cron S; etcd-snapshot-reconcile-interval S; etcd-snapshot-retention S; etcd-snapshot-dir S;
etcd-snapshot-compress B; etcd-s3 B; etcd-s3-endpoint S; etcd-s3-endpoint-ca S; etcd-s3-skip-ssl-verify B;
etcd-s3-access-key S; etcd-s3-secret-key S; etcd-s3-session-token S; etcd-s3-bucket S; etcd-s3-bucket-lookup-type S;
etcd-s3-region S; etcd-s3-folder S; etcd-s3-retention S; etcd-s3-proxy S; etcd-s3-config-secret S; etcd-s3-insecure B;
etcd-s3-timeout S; default-local-storage-path S; disable L; disable-scheduler B; disable-cloud-controller B;
disable-kube-proxy B; disable-network-policy B; disable-helm-controller B; embedded-registry B; supervisor-metrics B;
secrets-encryption B; secrets-encryption-provider S; disable-apiserver B; disable-controller-manager B;
disable-etcd B; disable-agent B; kine-tls B
"""
# Of the laboratory alone: `lab-api-only` runs the server without root, kubelet and fixed ports; with
# `lab-hollow-nodes` it has that many nodes whose containers are only pretended.
_LAB = "lab-api-only B; lab-hollow-nodes S"


class Flag:
    def __init__(self, name, kind, short=None, environment=None):
        self.name, self.kind, self.short, self.environment = name, kind, short, environment


def _parse(text):
    flags = {}
    for entry in text.split(";"):
        words = entry.split()
        if words:
            name, rest = words[0], words[1:]
            short = rest.pop(0) if len(rest[0]) == 1 and rest[0].islower() else None
            flags[name] = Flag(name, rest[0], short, rest[1] if len(rest) > 1 else None)
    return flags


AGENT = {**_parse(_AGENT_COMMON), **_parse(_AGENT_ONLY)}
SERVER = {**_parse(_AGENT_COMMON), **_parse(_SERVER_ONLY), **_parse(_LAB)}
