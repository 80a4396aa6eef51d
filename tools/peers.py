"""Other ways to a K3s cluster, run as they ship: same hosts, same binary, same K3s settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`nodes`: host variables with their name; `files`: path of each K3s file by its release name."""

    nodes: list[dict]
    files: dict[str, Path]
    version: str
    connection: dict[str, str]
    collections: str

    @property
    def server(self) -> dict:
        return next(node for node in self.nodes if node["edge_runtime"] == "k3s_server")

    def hosts(self, runtime: str) -> dict:
        return {node["name"]: {"ansible_host": node["ansible_host"]} for node in self.nodes if node["edge_runtime"] == runtime}

    @property
    def server_config(self) -> dict:
        # Without our agents' token: peers hand out their own, and a second one would lock their agents out for ever.
        given = {key: value for key, value in self.server.get("k3s_config", {}).items() if key != "agent-token"}
        return json.loads(json.dumps(given))

    @property
    def agent_config(self) -> dict:
        return {key: value for key, value in self.server_config.items() if key in ("kubelet-arg", "resolv-conf")}


@dataclass(frozen=True)
class K3sAnsible:
    """k3s-ansible in its air-gap mode."""

    checkout: Path
    settings: Settings
    name = "k3s-ansible"

    def prepare(self, scratch: Path) -> tuple[list[str], dict[str, str]]:
        """Write inventory and files into `scratch`; returns the command and its environment."""
        given = self.settings
        for name, path in given.files.items():
            (scratch / name).symlink_to(path)
        (scratch / "k3s-install.sh").symlink_to(self.checkout.parent / "install.sh")
        inventory = scratch / "inventory.yml"
        inventory.write_text(json.dumps({"k3s_cluster": {
            "children": {"server": {"hosts": given.hosts("k3s_server")}, "agent": {"hosts": given.hosts("k3s_agent")}},
            "vars": {
                **given.connection,
                "k3s_version": given.version, "token": "bench-token-0123456789", "airgap_dir": str(scratch),
                "api_endpoint": given.server["ansible_host"], "user_kubectl": False,
                "server_config_yaml": json.dumps(given.server_config), "agent_config_yaml": json.dumps(given.agent_config),
            },
        }}))
        return ["ansible-playbook", "-i", str(inventory), "playbooks/site.yml"], {"ANSIBLE_COLLECTIONS_PATH": given.collections}


@dataclass(frozen=True)
class PyratLabs:
    """The role xanmanning.k3s in its air-gap mode, which brings the binary and no images."""

    checkout: Path
    settings: Settings
    name = "PyratLabs"

    def prepare(self, scratch: Path) -> tuple[list[str], dict[str, str]]:
        """Write playbook, inventory and files into `scratch`; returns the command and its environment."""
        given = self.settings
        (scratch / "roles").mkdir()
        (scratch / "roles/xanmanning.k3s").symlink_to(self.checkout)
        (scratch / "files").mkdir()
        (scratch / "files/k3s").symlink_to(given.files["k3s"])
        playbook, inventory = scratch / "cluster.yml", scratch / "inventory.yml"
        playbook.write_text(json.dumps([{"hosts": "k3s_cluster", "roles": ["xanmanning.k3s"]}]))
        servers = {name: {**values, "k3s_control_node": True} for name, values in given.hosts("k3s_server").items()}
        inventory.write_text(json.dumps({"k3s_cluster": {
            "hosts": {**servers, **given.hosts("k3s_agent")},
            "vars": {
                **given.connection,
                "k3s_release_version": given.version, "k3s_airgap": True, "k3s_server": given.server_config,
                "k3s_agent": given.agent_config, "k3s_become": False, "k3s_use_unsupported_config": True,
                # Its look at cgroups misreads machines with both versions.
                "k3s_skip_env_checks": True,
                "k3s_registration_address": given.server["ansible_host"],
            },
        }}))
        return ["ansible-playbook", "-i", str(inventory), str(playbook)], {
            "ANSIBLE_COLLECTIONS_PATH": given.collections, "ANSIBLE_ROLES_PATH": str(scratch / "roles"),
            "ANSIBLE_INJECT_FACT_VARS": "true"}


def found_peers(directory: Path, settings: Settings) -> list:
    """The peers whose checkouts are in `directory`."""
    peers = []
    if (directory / "k3s-ansible/playbooks/site.yml").exists() and (directory / "install.sh").exists():
        peers.append(K3sAnsible(directory / "k3s-ansible", settings))
    if (directory / "pyratlabs/tasks/main.yml").exists():
        peers.append(PyratLabs(directory / "pyratlabs", settings))
    return peers
