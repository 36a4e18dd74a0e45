"""A policy on disk: its weights and its card in one safetensors file, read and written in numpy.

The format (https://github.com/huggingface/safetensors): 8 bytes with the length of a JSON header, the header
(name -> dtype, shape and place of each array; `__metadata__` is text), the arrays.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from readsim.allocators.trained.belief import PRIOR
from readsim.allocators.trained.network import FEATURES, HEAD, LAYERS, WIDTH, weight_shapes
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files import AnyPath
from readsim.tree_file import write_atomic

KIND = "readsim trained policy"
LARGEST = 50_000_000  # bytes of a file that is read
# The largest weight that a network can play with, and the largest logarithm of a number of the belief.
STEEPEST, LARGEST_LOGARITHM = 1e6, 30.0
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@dataclass(frozen=True, eq=False)
class Policy:
    """`weights` by name, and `card`: what the policy was trained on, for how long, and how well it did."""

    weights: dict[str, Array]
    card: dict[str, Any]


def features_digest() -> str:
    """Of what the network is told, in its order, and of its sizes: other ones are another policy."""
    named = [*FEATURES, *(name for name, _ in PRIOR), WIDTH, LAYERS, HEAD]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def save_policy(path: AnyPath, weights: Mapping[str, Array], card: Mapping[str, Any]) -> None:
    """Write the weights as 32-bit numbers, and the card; the file appears whole or not at all."""
    header: dict[str, Any] = {
        "__metadata__": {
            "kind": KIND,
            "features": features_digest(),
            "card": json.dumps(dict(card), sort_keys=True),
        }
    }
    parts, place = [], 0
    for name, value in sorted(weights.items()):
        data = np.ascontiguousarray(value, dtype=DTYPES["F32"]).tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [place, place + len(data)],
        }
        place += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_atomic(Path(path), len(text).to_bytes(8, "little") + text + b"".join(parts))


def shipped() -> Path:
    """The policy that comes with readsim."""
    return Path(str(files("readsim.allocators.trained") / "trained.safetensors"))


def load_policy(path: AnyPath) -> Policy:
    """The policy of a file. Raises ConfigError, naming the file, for what is no policy of this readsim."""
    try:
        size = Path(path).stat().st_size
        data = Path(path).read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise ConfigError(f"policy {str(path)!r}: {error.strerror or error}") from error
    try:
        return _read(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = str(error) if isinstance(error, ConfigError) else "no whole safetensors file"
        raise ConfigError(
            f"policy {str(path)!r}: {said}; expected a file that `readsim train` wrote"
        ) from error


def _read(data: bytes) -> Policy:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = header.pop("__metadata__", {})
    if about.get("kind") != KIND:
        raise ConfigError("it holds other weights than a policy's")
    if about["features"] != features_digest():
        raise ConfigError("it was trained for a network of another readsim: train it again")
    body, weights = data[8 + length :], {}
    for name, shape in weight_shapes().items():
        entry = header[name]
        first, last = entry["data_offsets"]
        value = np.frombuffer(body[first:last], dtype=DTYPES[entry["dtype"]]).astype(np.float64)
        if entry["shape"] != list(shape):
            raise ConfigError(f"{name} has the shape {entry['shape']}, not {list(shape)}")
        weights[name] = value.reshape(shape)
        most = LARGEST_LOGARITHM if name == "prior" else STEEPEST
        if not (np.abs(weights[name]) <= most).all():
            raise ConfigError(f"{name} has numbers that are not finite, or above {most:g}")
    card = json.loads(about["card"])
    if not (isinstance(card["prior"]["name"], str) and isinstance(card["updates"], int)):
        raise ConfigError("its card does not say what it was trained on")
    return Policy(weights, card)
