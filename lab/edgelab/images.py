"""The demo's workload images: Debian's Python and numpy, our server, and one small layer per model. No registry.

All images share their base layer; versions of a workload differ in the model layer (and in the config that names it).
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from edgelab import debs, engine, oci, paths
from edgelab.errors import LabError
from edgelab.process import run
from edgelab.progress import say, step

REGISTRY = "lab.edgeai.example"
SOURCES = paths.LAB / "inference"
PACKAGES = (
    "libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libgfortran5 libquadmath0 libblas3 liblapack3 "
    "libpython3.11-minimal libpython3.11-stdlib python3.11-minimal python3-numpy"
).split()
_MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
PYTHON = "/usr/bin/python3.11"
_APP = "opt/inference"
_MODELS = "/model-build"  # inside the image, while it is being made
# What a running server never reads. Patterns are relative to the root, as pathlib's glob takes them.
_PRUNED = (
    "etc",
    "usr/share",
    "usr/include",
    "usr/lib/python3/dist-packages/*.egg-info",
    "usr/bin/f2py*",
    "usr/lib/*-linux-gnu/gconv",
    "usr/lib/*-linux-gnu/audit",
    "lib/*-linux-gnu/audit",
    "usr/lib/*-linux-gnu/perl*",
    "usr/lib/tmpfiles.d",
    "usr/lib/valgrind",
    "usr/lib/python3/dist-packages/numpy/**/tests",
    "usr/lib/python3/dist-packages/numpy/**/include",
    "usr/lib/python3/dist-packages/numpy/distutils",
    "usr/lib/python3/dist-packages/numpy/doc",
    "usr/lib/python3/dist-packages/numpy/**/*.pyi",
    "usr/lib/python3/dist-packages/numpy/**/*.a",
    "usr/lib/python3/dist-packages/numpy/**/*.h",
    "usr/lib/python3.11/lib2to3",
    "usr/lib/python3.11/distutils",
    "usr/lib/python3.11/pydoc*",
    "usr/lib/python3.11/ensurepip",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/tkinter",
    "usr/lib/python3.11/sqlite3",
    "usr/lib/python3.11/curses",
    "usr/lib/python3.11/lib-dynload/_codecs_*",
    "usr/lib/python3.11/lib-dynload/_test*",
)


def ensure(folder: Path) -> dict:
    """Put every image's archive for this machine's architecture into `folder`; returns the golden answers by image."""
    cache = paths.CACHE / "images" / _key()
    if not (cache / "golden.json").exists():
        with step("workload images") as line:
            _build(cache)
            size = max(path.stat().st_size for path in cache.glob("*.tar")) / 2**20
            line.note = f"{len(list(cache.glob('*.tar')))} built and tested, {size:.1f} MiB each"
            for name, answer in sorted(json.loads((cache / "golden.json").read_text()).items()):
                say(f"    {name:<13} answers {answer['output']} {answer['data']} for seed 7")
    for path in cache.glob("*.tar"):
        shutil.copyfile(path, folder / path.name)
    return json.loads((cache / "golden.json").read_text())


def golden(name: str, answer: dict) -> dict:
    """What an inventory needs to check an image: request, expression that must be true, and what the model said."""
    expression = f"outputs[?name=='{answer['output']}'] | [0].data[0] == `{answer['data']}`"
    return {
        **answer,
        "image": name,
        "request": {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}]},
        "expect": expression,
    }


def _key() -> str:
    recipe = repr((PACKAGES, _PRUNED)) + engine.tree_hash(SOURCES)
    for module in ("images.py", "oci.py"):
        recipe += engine.file_hash(Path(__file__).with_name(module))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _build(cache: Path) -> None:
    architecture = debs.architecture()
    if architecture not in _MULTIARCH:
        raise LabError(f"workload images can be built on {' and '.join(_MULTIARCH)}, this machine is {architecture}")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgelab-images-", dir=cache.parent) as scratch:
        root, out, trained = (Path(scratch) / name for name in ("root", "out", "models"))
        _unpack(root, architecture)
        golden_text = _inside(root, "train.py", _MODELS)
        _inside(root, "selftest.py", _MODELS, input=golden_text)
        answers = json.loads(golden_text)
        _compare(answers)
        shutil.move(root / "model-build", trained)
        base = oci.layer_from_tree(root, "Debian's Python and numpy, and the inference server")
        out.mkdir()
        for folder in sorted(trained.iterdir()):
            name, version = folder.name.rsplit("-", 1)
            image = oci.Image(architecture, (base, _model_layer(folder)), _settings(name, version))
            oci.write_archive(out / f"{name}-{version}-{architecture}.tar", {f"{REGISTRY}/{name}:{version}": image})
        (out / "golden.json").write_text(
            json.dumps({name: golden(name, answer) for name, answer in answers.items()}, indent=2)
        )
        for old in cache.parent.iterdir():
            if old.is_dir() and old != Path(scratch):
                shutil.rmtree(old)
        os.replace(out, cache)


def unpack(packages, root: Path, pruned=()) -> None:
    """Unpack Debian packages below `root`, without what a running program never reads, and with Python compiled."""
    debs.unpack(packages, root)
    for pattern in (*_PRUNED, *pruned):
        for path in sorted(root.glob(pattern), reverse=True):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _unpack(root: Path, architecture: str) -> None:
    unpack(PACKAGES, root)
    libraries = root / "usr/lib" / _MULTIARCH[architecture]
    for library in (
        "blas/libblas.so.3",
        "lapack/liblapack.so.3",
    ):  # Debian's alternatives do this when it installs them
        (libraries / Path(library).name).symlink_to(library)
    (root / _APP).mkdir(parents=True)
    for module in ("server.py", "workload.py"):
        shutil.copyfile(SOURCES / module, root / _APP / module)
    # Compiled files that are never checked against their sources: equal bytes on every build, and a quick start.
    run(
        [
            "chroot",
            root,
            PYTHON,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "/usr/lib/python3.11",
            "/usr/lib/python3/dist-packages/numpy",
            f"/{_APP}",
        ],
        timeout=300,
    )


def _compare(answers: dict) -> None:
    """The answers that inventories and tests rely on are written down; new weights must not change them unseen."""
    written = json.loads((SOURCES / "golden.json").read_text())
    found = {name: {"output": answer["output"], "data": answer["data"]} for name, answer in answers.items()}
    if found != written:
        raise LabError(f"the models answer {found} for seed 7, lab/inference/golden.json says {written}")


def _inside(root: Path, script: str, *arguments: str, input: str | None = None) -> str:
    """Run a script that is not part of the image with the image's Python; returns what it printed."""
    copy = root / _APP / script
    shutil.copyfile(SOURCES / script, copy)
    try:
        return run(["chroot", root, PYTHON, "-B", f"/{_APP}/{script}", *arguments], input=input, timeout=300).stdout
    finally:
        copy.unlink()


def _model_layer(folder: Path) -> oci.Layer:
    return oci.layer({f"model/{path.name}": path for path in folder.iterdir()}, f"model {folder.name}")


def _settings(name: str, version: str) -> dict:
    return {
        "Entrypoint": [PYTHON, "-B", f"/{_APP}/server.py"],
        "User": "65532:65532",
        "WorkingDir": "/",
        "Env": ["PATH=/usr/bin", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"],
        "ExposedPorts": {"8080/tcp": {}},
        "StopSignal": "SIGTERM",
        "Labels": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
    }
