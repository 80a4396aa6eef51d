"""Makes the weights of every lab model, the same bytes each time: `train.py OUT_DIR`. Runs while images are built.

The filters of the vision models are designed (lines in several directions, spots in several sizes); their last layer is
trained on frames whose numbers no test uses. `vision:1` saw few frames through few filters, `vision:2` many through
many. `vision:wrong` learned where the lamp is, which has nothing to do with defects. `fusion` is the weighted
least-squares solution for the sensors' known noise.
"""

import json
import sys
from pathlib import Path

import numpy as np
import workload

FIRST_TRAINING_FRAME = 1_000_000
TEST_FRAMES = range(0, 400)
GOLDEN_SEED = 7
_SIDE = 7

# Image version -> what it was made with, and what it does besides answering.
VISION = {
    "1": {"filters": "few", "frames": 300, "steps": 150},
    "2": {"filters": "many", "frames": 2000, "steps": 600},
    "wrong": {"filters": "many", "frames": 1000, "steps": 300, "target": "lamp"},
    "slow": {"filters": "many", "frames": 2000, "steps": 600, "behaviour": {"load_seconds": 10, "infer_seconds": 1.5}},
    "crash": {"filters": "many", "frames": 2000, "steps": 600, "behaviour": {"crash_after_seconds": 20}},
}


def line(angle: float, width: float) -> np.ndarray:
    """A filter that answers to bright lines in one direction."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] - _SIDE // 2
    across = y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-((across / width) ** 2))
    return _balanced(kernel)


def spot(radius: float, sign: float) -> np.ndarray:
    """A filter that answers to bright (sign 1) or dark (sign -1) spots."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] - _SIDE // 2
    return sign * _balanced(np.exp(-(x**2 + y**2) / radius**2))


def edge(angle: float) -> np.ndarray:
    """A filter that answers to a slope in one direction."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] - _SIDE // 2
    return _balanced((x * np.cos(angle) + y * np.sin(angle)) * np.exp(-(x**2 + y**2) / 9.0))


def _balanced(kernel: np.ndarray) -> np.ndarray:
    kernel = kernel - kernel.mean()
    return kernel / np.sqrt((kernel**2).sum())


def bank(size: str) -> np.ndarray:
    """A set of filters, [F, 7, 7]."""
    turns = np.arange(8) * np.pi / 8
    if size == "few":
        return np.stack([line(0.0, 1.0), line(np.pi / 2, 1.0), spot(2.0, -1), edge(0.0)])
    return np.stack(
        [
            *(line(turn, 1.0) for turn in turns),
            spot(1.5, -1),
            spot(3.0, -1),
            spot(3.0, 1),
            *(edge(turn) for turn in np.arange(8) * np.pi / 4),
        ]
    )


def vision(filters: str, frames: int, steps: int, target: str = "defect") -> dict:
    """Weights of a vision model: softmax regression on pooled filter answers, by plain gradient descent."""
    kernels = bank(filters)
    seen = [workload.frame(FIRST_TRAINING_FRAME + number) for number in range(frames)]
    labels = np.array([lamp if target == "lamp" else kind for _, kind, lamp in seen])
    inputs = workload.features(np.concatenate([picture for picture, _, _ in seen]), kernels)
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    inputs, wanted = (inputs - mean) / scale, np.eye(len(workload.CLASSES))[labels]
    dense, bias = np.zeros((inputs.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
    for _ in range(steps):
        error = (workload.softmax(inputs @ dense + bias) - wanted) / len(inputs)
        dense -= 1.0 * (inputs.T @ error + 1e-4 * dense)
        bias -= 1.0 * error.sum(axis=0)
    return {"filters": kernels, "mean": mean, "scale": scale, "dense": dense, "bias": bias}


def fusion() -> dict:
    """Weights of the fusion model: gain = (H' R^-1 H)^-1 H' R^-1."""
    half = workload.SENSORS // 2
    observe = np.repeat(np.eye(2), half, axis=0)
    noise = np.repeat([2.0, 10.0], half)
    inverse = observe.T / noise**2
    return {"gain": np.linalg.inv(inverse @ observe) @ inverse, "observe": observe, "noise": noise}


def save(folder: Path, weights: dict, description: dict) -> None:
    """Write weights.npz and model.json of one image."""
    folder.mkdir(parents=True)
    np.savez(folder / "weights.npz", **{name: value.astype(np.float32) for name, value in weights.items()})
    (folder / "model.json").write_text(json.dumps(description, indent=2, sort_keys=True) + "\n")


def golden_vision(weights: dict) -> dict:
    """What the model must answer for the golden frame, and how often it is right on frames it never saw."""
    pictures, kinds, _ = zip(*(workload.frame(number) for number in TEST_FRAMES))
    answers = workload.classify(weights, np.concatenate(pictures)).argmax(axis=1)
    scores = workload.classify(weights, workload.frame(GOLDEN_SEED)[0])[0]
    return {
        "output": "class",
        "data": int(scores.argmax()),
        "truth": workload.frame(GOLDEN_SEED)[1],
        "scores": [round(float(score), 4) for score in scores],
        "accuracy": round(float((answers == kinds).mean()), 4),
    }


def golden_fusion(weights: dict) -> dict:
    """What the fusion must answer for the golden readings."""
    values, truth = workload.readings(GOLDEN_SEED)
    state, _ = workload.fuse(weights, values)
    return {
        "output": "level",
        "data": int(np.rint(state[0, 0])),
        "truth": [round(float(part), 2) for part in truth],
        "state": [round(float(part), 2) for part in state[0]],
    }


def main(out: Path) -> None:
    """Train everything and print the golden answers as JSON."""
    golden, trained = {}, {}
    for version, made in VISION.items():
        made = dict(made)
        behaviour = made.pop("behaviour", {})
        key = repr(sorted(made.items()))
        weights = trained[key] = trained.get(key) or vision(**made)
        weights = {name: value.astype(np.float32) for name, value in weights.items()}
        save(
            out / f"vision-{version}",
            weights,
            {
                "name": "vision",
                "version": version,
                "task": "vision",
                "classes": workload.CLASSES,
                "behaviour": behaviour,
            },
        )
        golden[f"vision:{version}"] = golden_vision(weights)
    weights = fusion()
    save(out / "fusion-1", weights, {"name": "fusion", "version": "1", "task": "fusion", "behaviour": {}})
    golden["fusion:1"] = golden_fusion(weights)
    print(json.dumps(golden))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
