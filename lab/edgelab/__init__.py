"""Real edge hosts on one machine: systemd hosts under Podman, a release mirror, a demo workload and faults."""
