"""Images for GPU nodes: the lab's device plugin, and the proof that a GPU computes. Debian's Python and our programs."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from edgelab import debs, engine, images, oci, paths
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import step

SOURCES = paths.LAB / "gpu"
_STANDIN = paths.LAB / "standin"
MESSAGES = _STANDIN / "standin_common" / "device_messages.py"
CODEC = "standin_common/protobuf.py"
PYTHON = (
    "libc6 libgcc-s1 zlib1g libexpat1 libffi8 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal"
).split()
GRPC = "libstdc++6 python3-grpcio libabsl20220623 libc-ares2 libre2-9 libssl3 python3-yaml".split()
_APP = "opt/gpu"
_PRUNED = (
    "usr/lib/python3/dist-packages/yaml/*.so",  # needs libyaml; the pure Python does as well
    "usr/lib/python3/dist-packages/_yaml",
    "usr/lib/*-linux-gnu/libabsl_*test*",
)
_MAX_MIB = 40
_PATH = {"PATH": "/usr/sbin:/usr/bin"}


def ensure(folder: Path) -> None:
    """Put the archives for this machine's architecture into `folder`."""
    cache = paths.CACHE / "gpu-images" / _key()
    if not cache.exists():
        with step("GPU images") as line:
            _build(cache)
            line.note = ", ".join(f"{path.name} {path.stat().st_size / 2**20:.1f} MiB" for path in sorted(cache.iterdir()))
    for path in cache.glob("*.tar"):
        shutil.copyfile(path, folder / path.name)


def _key() -> str:
    recipe = repr((PYTHON, GRPC, _PRUNED)) + engine.tree_hash(SOURCES) + engine.file_hash(MESSAGES) + engine.file_hash(_STANDIN / CODEC)
    for module in ("gpu_images.py", "images.py", "oci.py"):
        recipe += engine.file_hash(Path(__file__).with_name(module))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _build(cache: Path) -> None:
    architecture = debs.architecture()
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgelab-gpu-images-", dir=cache.parent) as scratch:
        root, extra, out = (Path(scratch) / name for name in ("root", "extra", "out"))
        images.unpack(PYTHON, root)
        base = oci.layer_from_tree(root, "Debian's Python")
        images.unpack(GRPC, extra, _PRUNED)
        (extra / _APP).mkdir(parents=True)
        for source in (SOURCES / "plugin.py", MESSAGES):
            shutil.copyfile(source, extra / _APP / source.name)
        (extra / _APP / CODEC).parent.mkdir()
        shutil.copyfile(_STANDIN / CODEC, extra / _APP / CODEC)
        program = extra / "usr/bin/nvidia-device-plugin"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!{images.PYTHON} -B\nimport sys\nsys.path.insert(0, "/{_APP}")\nimport plugin\n'
                           'sys.exit(plugin.say(plugin.VERSION) if "--version" in sys.argv else plugin.main())\n')
        program.chmod(0o755)
        proof = oci.layer({f"{_APP}/proof.py": SOURCES / "proof.py"}, "proof")
        out.mkdir()
        plugin = oci.layer_from_tree(extra, "gRPC for Python, and the lab's device plugin")
        command = [images.PYTHON, "-B", f"/{_APP}/proof.py"]
        _write(out, "gpu-proof", "1", architecture, (base, proof), command, "65532:65532")
        _write(out, "nvidia-device-plugin", "v0.20.0", architecture, (base, plugin), ["nvidia-device-plugin"], "0:0")
        _test(root, extra)
        for old in cache.parent.iterdir():
            if old.is_dir() and old != Path(scratch):
                shutil.rmtree(old)
        os.replace(out, cache)


def _write(out: Path, name: str, version: str, architecture: str, layers, entrypoint, user: str) -> None:
    settings = {
        "Entrypoint": entrypoint,
        "User": user,
        "WorkingDir": "/",
        "Env": ["PATH=/usr/bin", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"],
        "Labels": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
    }
    path = out / f"{name}-{version}-{architecture}.tar"
    oci.write_archive(path, {f"{images.REGISTRY}/{name}:{version}": oci.Image(architecture, layers, settings)})
    if path.stat().st_size > _MAX_MIB * 2**20:
        raise LabError(f"{path.name} has {path.stat().st_size / 2**20:.0f} MiB, wanted at most {_MAX_MIB}")


def _test(root: Path, extra: Path) -> None:
    """Both programs run from the files of their images, before anything is offered."""
    shutil.copyfile(SOURCES / "proof.py", root / "proof.py")
    simulated = {**_PATH, "EDGEAI_SIMULATED_GPU": "self-test"}
    passed = run(["chroot", root, images.PYTHON, "-B", "/proof.py"], env=simulated, timeout=60)
    without = run(["chroot", root, images.PYTHON, "-B", "/proof.py"], env=_PATH, timeout=60, check=False)
    if '"result": "pass"' not in passed.stdout or without.returncode != 3:
        raise LabError(f"the proof image says {passed.stdout.strip()}, and {without.stdout.strip()} without a GPU")
    shutil.copytree(extra, root, symlinks=True, dirs_exist_ok=True)
    code = f"import sys; sys.path.insert(0, '/{_APP}'); import grpc, yaml, plugin; print(plugin.VERSION)"
    run(["chroot", root, images.PYTHON, "-B", "-c", code], env=_PATH, timeout=60)
