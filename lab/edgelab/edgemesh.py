"""EdgeMesh in the mirror: the agent's image and the resource definitions that it watches.

Real ones when somebody placed them (`images/edgemesh-agent-<version>-<architecture>.tar`, `edgemesh/<version>/crds`), else
the stand-in.
"""

import sys
import tempfile
from pathlib import Path

import yaml

from edgelab import crds, debs, engine, kubeedge, oci, paths
from edgelab.process import run

VERSION = "v1.17.0"
NAME = "edgemesh-agent"
# Names, versions and scopes as in build/crds/istio of EdgeMesh 1.17.
KINDS = (
    crds.Kind("destinationrule", "networking.istio.io", "v1alpha3", "DestinationRule", "destinationrules", status=True),
    crds.Kind("gateway", "networking.istio.io", "v1alpha3", "Gateway", "gateways", status=True),
    crds.Kind("virtualservice", "networking.istio.io", "v1alpha3", "VirtualService", "virtualservices", status=True),
)


def ensure(mirror: Path) -> None:
    """Add what is missing of EdgeMesh to a mirror."""
    native = debs.architecture()
    if not any((mirror / "images").glob(f"{NAME}-v*-{native}.tar")):
        image = oci.Image(native, (kubeedge.system(kubeedge.PYTHON), oci.layer({f"usr/local/bin/{NAME}": (_program(), 0o755)}, NAME)), {
            "Entrypoint": [NAME], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]})
        oci.write_archive(mirror / "images" / f"{NAME}-{VERSION}-{native}.tar", {f"docker.io/kubeedge/{NAME}:{VERSION}": image})
    if not any((mirror / "edgemesh").rglob("*.yaml")):
        folder = mirror / "edgemesh" / VERSION / "crds"
        folder.mkdir(parents=True)
        for kind in KINDS:
            (folder / f"{kind.file}.yaml").write_text(yaml.safe_dump(crds.document(kind), sort_keys=False), encoding="utf-8")


def _program() -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgelab-edgemesh-") as scratch:
        out = Path(scratch) / NAME
        run([sys.executable, paths.LAB / "standin/build_edgemesh.py", "--out", out], timeout=120)
        return out.read_bytes()


def lock_entries(folder: Path) -> list[dict]:
    """Entries of the lock file for the resource definitions."""
    return [
        {
            "name": "edgemesh-crd-" + path.stem.removeprefix("crd-").lower(),
            "kind": "manifest",
            "version": path.parts[-3],
            "file": f"edgemesh/{{version}}/crds/{path.name}",
            "sha256": {path.name: engine.file_hash(path)},
        }
        for path in sorted((folder / "edgemesh").glob("v*/crds/*.yaml"))
    ]
