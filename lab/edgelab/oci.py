"""A small OCI image writer: layers from files, one archive per image, the same bytes for the same input.

Only what the lab needs of the OCI image specification: gzip layers without whiteouts, one manifest per image and
architecture, an image layout inside a tar archive that containerd, Podman and Skopeo import.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """A compressed layer. `diff_id` is the digest of the uncompressed tar, as the image config wants it."""

    blob: bytes
    diff_id: str
    comment: str = ""

    @property
    def digest(self) -> str:
        """Digest of the compressed bytes."""
        return digest(self.blob)


@dataclass(frozen=True)
class Image:
    """One image for one architecture; `settings` are Entrypoint, Env, … as in an OCI image config."""

    architecture: str
    layers: tuple[Layer, ...]
    settings: dict = field(default_factory=dict)

    def config(self) -> bytes:
        """The image config document."""
        return _json(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": _EPOCH,
                "config": self.settings,
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
                "history": [{"created": _EPOCH, "created_by": layer.comment} for layer in self.layers],
            }
        )

    def manifest(self) -> bytes:
        """The manifest document; its digest is what a cluster pins."""
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MEDIA_MANIFEST,
                "config": _descriptor(MEDIA_CONFIG, self.config()),
                "layers": [_descriptor(MEDIA_LAYER, layer.blob) for layer in self.layers],
            }
        )


def digest(data: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files: dict, comment: str = "", level: int = 6) -> Layer:
    """A layer from `{path: content}`; content is bytes, a str that is a symlink's target, or a Path to copy from.

    A pair `(content, mode)` sets the mode (default 0644, or the source file's). Parent directories come by themselves,
    as 0755. Owner is root, times are zero and entries are sorted, so equal input gives equal bytes.
    """
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for directory in _directories(files):
            tar.addfile(_entry(directory, tarfile.DIRTYPE, 0o755))
        for path in sorted(files):
            _add(tar, _clean(path), files[path])
    data = raw.getvalue()
    return Layer(gzip.compress(data, level, mtime=0), digest(data), comment)


def layer_from_tree(root: Path, comment: str = "", level: int = 6) -> Layer:
    """A layer with every file and symlink below `root`."""
    files = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            files[name] = str(path.readlink())
        elif path.is_file():
            files[name] = path
    return layer(files, comment, level)


def write_archive(path: Path, images: dict) -> dict[str, str]:
    """Write `{reference: Image}` as one OCI archive; returns the manifest digest by reference.

    References are complete (`docker.io/rancher/pause:3.6`); blobs that images share are stored once.
    """
    blobs, manifests, digests = {}, [], {}
    for reference, image in images.items():
        documents = [image.config(), image.manifest(), *(layer.blob for layer in image.layers)]
        blobs.update({digest(data): data for data in documents})
        digests[reference] = digest(image.manifest())
        manifests.append(
            {
                **_descriptor(MEDIA_MANIFEST, image.manifest()),
                "platform": {"architecture": image.architecture, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": reference,
                    "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
                },
            }
        )
    members = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "mediaType": MEDIA_INDEX, "manifests": manifests}),
        **{f"blobs/sha256/{name.removeprefix('sha256:')}": data for name, data in sorted(blobs.items())},
    }
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            _add(tar, name, data)
    return digests


def _directories(files) -> list[str]:
    parents = {str(parent) for path in files for parent in PurePosixPath(_clean(path)).parents}
    return sorted(parents - {"."})


def _clean(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"a path in a layer is relative and stays inside: {path}")
    return pure.as_posix()


def _add(tar, path, content) -> None:
    content, mode = content if isinstance(content, tuple) else (content, None)
    if isinstance(content, str):
        entry = _entry(path, tarfile.SYMTYPE, 0o777)
        entry.linkname = content
        tar.addfile(entry)
        return
    if isinstance(content, Path):
        mode = content.stat().st_mode & 0o777 if mode is None else mode
        content = content.read_bytes()
    entry = _entry(path, tarfile.REGTYPE, 0o644 if mode is None else mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _entry(path, kind, mode) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, mode, 0
    return entry


def _descriptor(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def _json(document) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
