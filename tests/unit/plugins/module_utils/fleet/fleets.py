"""A small valid fleet, and a way to break it in one place."""

from __future__ import annotations

import copy

import yaml

# A fleet of one node, as text; %s: more keys of the node.
SMALL = """
plugin: edgeai.sites.fleet
fleet: small
vars:
  greeting: "{{ edge_site }} says hello"
sites:
  - name: north
    nodes:
      - {name: n1, address: 192.0.2.11, runtime: k3s_server, arch: amd64%s}
"""

FLEET = yaml.safe_load(
    """
plugin: edgeai.sites.fleet
fleet: test
workloads:
  - name: vision
    image: vision:1
    runs_on: {lines: [line-a]}
    port: 8080
    model: vision
    load_seconds: 5
    env: {MODE: fast}
    resources: {cpu: 100m, memory: 96Mi}
    gpu: 1
    health: {path: /health, expression: status == 'ok'}
    golden: {request: {inputs: []}, expect: outputs}
sites:
  - name: north-hall
    timezone: Europe/Berlin
    wan_mbit: 20
    windows: [{days: [sat], start: "22:00", end: "05:00"}]
    nodes:
      - {name: n-server, address: 192.0.2.11, runtime: k3s_server, arch: amd64}
      - {name: n-a, address: 192.0.2.12, runtime: k3s_agent, arch: arm64, gpu: tegra, lines: [line-a]}
  - name: south
    transport: quic
    nodes:
      - {name: s-a, address: s-a.example, runtime: edgecore, arch: arm, labels: {duty: gate}}
cloud:
  api: https://192.0.2.1:6443
  cloudcore: {addresses: [198.51.100.7], names: [edge.example], ports: {https: 30002}}
  nodes:
    - {name: c-1, address: "2001:db8::1", arch: amd64}
"""
)
ZONES = frozenset({"Europe/Berlin", "Europe/Paris", "UTC"})
DELETE = object()


def fleet(*changes):
    """FLEET with changes: (path, value) sets, (path, DELETE) removes. A path is written 'sites.0.nodes.1.name'."""
    data = copy.deepcopy(FLEET)
    for path, value in changes:
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        part = data
        for step in parents:
            part = part[step]
        if value is DELETE:
            del part[last]
        elif isinstance(part, list) and last == len(part):
            part.append(value)
        else:
            part[last] = value
    return data
