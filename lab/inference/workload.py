"""The two models of the lab, and the machines' worlds that they look at. Pure functions on numpy arrays.

`vision` classifies 32x32 camera frames of a metal sheet; `fusion` estimates where a carriage is from eight sensors.
Frames and readings are synthetic: number N always gives the same picture, so every answer can be checked anywhere.
"""

import numpy as np

SIZE = 32
CLASSES = ("good", "scratch", "dent", "stain")
SENSORS = 8

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, stream: int, count: int) -> np.ndarray:
    """`count` numbers in [0, 1) from SplitMix64: the same on every machine and with every numpy."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed & 0xFFFFFFFFFFFFFFFF) * np.uint64(0xD1342543DE82EF95) + np.uint64(stream) * np.uint64(
            0xA24BAED4963EE407
        )
        z = state + (np.arange(1, count + 1, dtype=np.uint64)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def normal(seed: int, stream: int, count: int) -> np.ndarray:
    """Standard normal numbers by Box and Muller."""
    u = np.maximum(uniform(seed, stream, count), 1e-12)
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * uniform(seed, stream + 1000, count))


def frame(number: int) -> tuple[np.ndarray, int, int]:
    """Camera frame `number`: FP32 [1,1,32,32], the index of its class in CLASSES, and the side the lamp shines from."""
    kind, lamp = number % len(CLASSES), int(uniform(number, 1, 1)[0] * 4)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1.0) - 0.5
    grain = normal(number, 2, SIZE * SIZE).reshape(SIZE, SIZE)
    brushed = sum(np.roll(grain, shift, axis=1) for shift in range(5)) / 5
    light = (x, -x, y, -y)[lamp]
    picture = 0.6 + 0.3 * light + 0.10 * brushed + 0.05 * normal(number, 3, SIZE * SIZE).reshape(SIZE, SIZE)
    at_x, at_y, turn, strength = uniform(number, 4, 4)
    dx, dy = x - 0.5 * (at_x - 0.5), y - 0.5 * (at_y - 0.5)
    angle = turn * np.pi
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    depth = 0.30 + 0.25 * strength
    if kind == 1:
        picture += depth * np.exp(-((across / 0.025) ** 2)) * (np.abs(along) < 0.30)
    elif kind == 2:
        picture += 3.5 * depth * (across / 0.10) * np.exp(-(along**2 + across**2) / 0.10**2) * 0.5
    elif kind == 3:
        picture -= 0.8 * depth * np.exp(-(((along / 0.22) ** 2 + (across / 0.14) ** 2) ** 2))
    return picture.astype(np.float32)[None, None], kind, lamp


def readings(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Sensor readings `number`: FP32 [1,8], and the true state [position in mm, speed in mm/s] behind them."""
    position, speed = 500 * (1 + np.sin(number * 0.7)), 200 * np.cos(number * 0.7)
    noise = normal(number, 7, SENSORS) * np.repeat([2.0, 10.0], SENSORS // 2)
    values = np.concatenate([np.full(SENSORS // 2, position), np.full(SENSORS // 2, speed)]) + noise
    return values.astype(np.float32)[None], np.array([position, speed])


def features(picture: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """One convolution, ReLU and pooling: FP32 [N,1,32,32] and filters [F,k,k] to [N, 3F] (mean, maximum, spread)."""
    k = filters.shape[1]
    centred = picture[:, 0] - picture[:, 0].mean(axis=(1, 2), keepdims=True)
    patches = np.lib.stride_tricks.sliding_window_view(centred, (k, k), axis=(1, 2))
    maps = patches.reshape(*patches.shape[:3], k * k) @ filters.reshape(len(filters), k * k).T
    active = np.maximum(maps, 0).reshape(len(picture), -1, len(filters))
    return np.concatenate([active.mean(axis=1), active.max(axis=1), active.std(axis=1)], axis=1)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores to probabilities, row by row."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def classify(weights: dict, picture: np.ndarray) -> np.ndarray:
    """Probabilities [N, classes] of a batch of frames."""
    seen = (features(picture, weights["filters"]) - weights["mean"]) / weights["scale"]
    return softmax(seen @ weights["dense"] + weights["bias"])


def fuse(weights: dict, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best linear estimate of the state [N,2] from readings [N,8], and how far the readings are from it [N,1]."""
    state = values @ weights["gain"].T
    rest = (values - state @ weights["observe"].T) / weights["noise"]
    return state, np.sqrt((rest**2).mean(axis=1, keepdims=True))
