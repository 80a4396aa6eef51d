# Runs inside a host after it was started: what the lab needs of it, and what only hosts that are containers need.
# Arguments: 1 public key, 2 resolvers (comma separated), 3 address of the host. Safe to run again.
# Waits for the boot to end and prints "<state of systemd> <link: up or cut> <type> <public host key>".
set -eu
umask 022

put() {  # put PATH CONTENT: write only what differs
    [ "$(cat "$1" 2>/dev/null)" = "$2" ] || printf '%s\n' "$2" > "$1"
}

put /root/.ssh/authorized_keys "$1"
chmod 0600 /root/.ssh/authorized_keys

# containerd inside a container may not lower oom scores, and this host's systemd is not the root of the cgroup tree.
mkdir -p /etc/edgeai-lab
agent=/var/lib/rancher/k3s/agent
[ -d $agent ] || { mkdir -p ${agent%/*}; mkdir -m 0700 $agent; }
mkdir -p $agent/etc/containerd/config-v3.toml.d
put $agent/etc/containerd/config-v3.toml.d/10-edgelab.toml '[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false'
# The same for NVIDIA's runtime, while it is installed: containerd must not know of it before (edgelab-nvidia.path).
put /etc/edgeai-lab/nvidia.toml '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia.options]
  BinaryName = "/usr/bin/nvidia-container-runtime"
  SystemdCgroup = false'

# Debian's containerd, where EdgeCore runs: its runc gets no score that a host without CAP_SYS_RESOURCE may not set.
mkdir -p /etc/edgeai-lab/bin /etc/systemd/system/containerd.service.d
put /etc/edgeai-lab/bin/runc '#!/bin/sh
for word in "$@"; do
    [ "$before" != --bundle ] || sed -i -E "s/(\"oomScoreAdj\": *)-[0-9]+/\\10/" "$word/config.json"
    before=$word
done
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec runc "$@"'
chmod 0755 /etc/edgeai-lab/bin/runc
put /etc/systemd/system/containerd.service.d/10-edgelab.conf '[Service]
Environment=PATH=/etc/edgeai-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
# A kubelet removes pods' cgroups that it does not know, and the tree is the machine's: EdgeCore gets a root of its own in it,
# which it wants to find there.
mkdir -p /etc/systemd/system/edgecore.service.d
put /etc/systemd/system/edgecore.service.d/10-edgelab.conf '[Service]
ExecStartPre=/bin/sh -c "for tree in /sys/fs/cgroup/*/; do [ ! -e $$tree/cgroup.procs ] || mkdir -p $$tree/edgelab/%H; done"'

# Once only: from here on these files belong to whoever configures the host.
if ! [ -e /etc/edgeai-lab/prepared ]; then
    mkdir -p /etc/edgeai-lab
    put /etc/resolv.conf "$(echo "$2" | tr , '\n' | sed '/./s/^/nameserver /')"
    put /etc/hosts "127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
$3 $(hostname)"
    echo '{}' > /etc/edgeai-lab/faults.json
    touch /etc/edgeai-lab/prepared
fi

tries=0
until [ -s /etc/ssh/ssh_host_ed25519_key.pub ] && [ -S /run/dbus/system_bus_socket ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "no SSH host key or system bus after 60 s" >&2; exit 1; }
    sleep 0.2
done
state=$(systemctl is-system-running --wait) || true
link=up
[ ! -e /etc/edgeai-lab/link.nft ] || link=cut
echo "${state:-unknown} $link $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
