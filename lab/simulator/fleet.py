"""Many sites at once, and the files by which the collection finds them: kubeconfigs, an inventory, a bundle's list."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator import models
from simulator.kubelets import IMAGE
from simulator.record import Record
from simulator.site import MODEL, PORT, WORKLOAD, Authority, Site

FLEET = "simulated"
# A known question and its only right answer: frame 7 is of class 3.
REQUEST = {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]}
EXPECT = "outputs[?name=='class'] | [0].data[0] == `3`"
HEALTH = {"path": "/health", "expression": "status == 'ok' && model.loaded"}
LABELS = {"camera": "1"}
# The K3s that nodes say they run.
K3S_VERSION = "v1.36.5+k3s1.standin"


def digest_of(version: str) -> str:
    """Return the digest of the simulated image ``vision:<version>``."""
    return "sha256:" + hashlib.sha256(f"vision:{version}".encode()).hexdigest()


# Versions of the one image, all of which are on every node. The inventory names version 1.
VERSIONS = {"1": models.RIGHT, "2": models.RIGHT, **{kind: kind for kind in models.KINDS if kind != models.RIGHT}}
IMAGES = {version: digest_of(version) for version in VERSIONS}


def layout(sites: int, nodes: int) -> dict[str, list[str]]:
    """Return {site: [node, …]}: the nodes spread as evenly as may be. ValueError where a site would have none."""
    if not 1 <= sites <= nodes:
        raise ValueError(f"{nodes} nodes for {sites} sites; wanted at least one site, and a node for each")
    return {f"site-{site + 1}": [f"s{site + 1}-n{number + 1}" for number in range(nodes // sites + (site < nodes % sites))]
            for site in range(sites)}


class Fleet:
    """Use it with ``with``. ``sites``: name -> Site; ``record``: of all requests. Its files are in ``directory``:

    ``<site>/kubeconfig``, ``inventory/fleet.yml`` and ``bundle/bundle.json``. version: of the image that all begin with;
    options of sites: see Site.
    """

    def __init__(self, directory: Path, sites: int, nodes: int, requests: Path | None = None, version: str = "1", **options):
        self.directory = directory
        self.record = Record(requests)
        authority = Authority(directory / "tls")
        kinds = {IMAGES[version]: kind for version, kind in VERSIONS.items()}
        self.sites = {name: Site(name, names, IMAGES[version], list(IMAGES.values()), authority, self.record, kinds=kinds, **options)
                      for name, names in layout(sites, nodes).items()}

    def __enter__(self) -> "Fleet":
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(Site.settle, self.sites.values()))
        for name, site in self.sites.items():
            self._write(f"{name}/kubeconfig", site.kubeconfig, 0o600)
        self._write("inventory/fleet.yml", json.dumps(inventory(self), indent=1))
        self._write("inventory/group_vars/all.yml", json.dumps({
            "edge_state_dir": str(self.directory), "edge_bundle_dir": str(self.directory / "bundle"), "k3s_version": K3S_VERSION}, indent=1))
        self._write("bundle/bundle.json", json.dumps({"schema": 1, "artifacts": [artifact(version) for version in sorted(IMAGES)]}, indent=1))
        return self

    def __exit__(self, *_error) -> None:
        for site in self.sites.values():
            site.close()
        self.record.close()

    def kubeconfig(self, site: str) -> Path:
        """Return the path of a site's kubeconfig."""
        return self.directory / site / "kubeconfig"

    def switch(self, site: str, version: str) -> None:
        """Give all models of a site the image of this version, as somebody would by hand."""
        objects = self.sites[site].objects
        for deployment in objects.all("deployments"):
            objects.edit("deployments", deployment, lambda new: new["spec"]["template"]["spec"]["containers"][0].update(
                image=f"{IMAGE}@{IMAGES[version]}"))

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
        path.write_text(text, encoding="utf-8")


def inventory(fleet: Fleet) -> dict:
    """Return the fleet.yml: one workload on every node, nobody to reach by SSH. JSON is YAML, too."""
    def node(name: str, site: int, number: int) -> dict:
        return {"name": name, "address": f"10.{site}.{number // 250}.{number % 250 + 1}", "runtime": "k3s_agent" if number else "k3s_server",
                "arch": "amd64", "labels": LABELS}

    return {
        "plugin": "edgeai.sites.fleet", "fleet": FLEET,
        "workloads": [{"name": WORKLOAD, "image": "vision:1", "runs_on": {"labels": LABELS}, "port": PORT, "model": MODEL, "load_seconds": 5,
                       "resources": {"cpu": "10m", "memory": "16Mi"}, "health": HEALTH, "golden": {"request": REQUEST, "expect": EXPECT}}],
        "sites": [{"name": name, "timezone": "UTC", "nodes": [node(each, number, place) for place, each in enumerate(site.nodes)]}
                  for number, (name, site) in enumerate(fleet.sites.items())]}


def artifact(version: str) -> dict:
    """Return the entry of an image in a bundle's list; there is no file behind it."""
    return {"name": WORKLOAD, "kind": "image", "version": version, "os": "linux", "arch": "amd64", "size": 1,
            "sha256": IMAGES[version].partition(":")[2], "source": "https://simulated.example/", "file_name": f"vision-{version}-amd64.tar",
            "image": {"reference": f"{IMAGE}:{version}", "digest": IMAGES[version]}}
