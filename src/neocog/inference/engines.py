"""Which engine runs a network here: the fast one where it is proven to agree with torch, else torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from neocog import files, runtime
from neocog.data.builtin import whole_photographs
from neocog.data.decode import Pixels
from neocog.errors import UserError
from neocog.inference import openvino_engine
from neocog.inference.network import Floats, Head, Network

EngineName = Literal["auto", "openvino", "torch"]
TOLERANCE = 1e-4  # largest difference of a probability that counts as the same answer


class Engine(Protocol):
    """uint8 pixels (n, height, width, channels) -> features (n, d); may be called from several threads."""

    @property
    def name(self) -> str: ...

    def __call__(self, batch: Pixels) -> Floats: ...


@dataclass(frozen=True)
class Chosen:
    """An engine, and in words why it is this one."""

    engine: Engine
    why: str
    compared: tuple[Floats, Floats] | None = None
    """torch's features and this engine's, of the same photographs; None where torch runs"""


def choose(network: Network, head: Head | None, wanted: str = "auto", device: str = "auto") -> Chosen:
    """The engine for `network`; `auto` takes OpenVINO on a CPU if its answers on real pictures are torch's.

    With a `head` the compared answers are its probabilities, without one the features themselves, relative to
    the largest. The comparison's inputs are kept beside the compiled network: a verdict on another head costs a
    matrix product.
    """
    if wanted not in get_args(EngineName):
        raise UserError(f"engine must be one of {', '.join(get_args(EngineName))}, got {wanted!r}")
    if wanted == "torch" or (wanted == "auto" and device != "cpu" and _accelerated(device)):
        return Chosen(
            _torch(network, device), "asked for" if wanted == "torch" else "an accelerator is there"
        )
    if wanted == "openvino" and device not in ("auto", "cpu"):
        raise UserError(f"the openvino engine runs on the CPU, got device {device!r}; use --engine torch")
    try:
        engine, reference, given = _stored(network) or _made(network)
    except UserError:
        raise
    except Exception as error:  # the converter's own errors have no common class
        why = f"OpenVINO cannot run this network ({_reason(error)})"
        if wanted == "openvino":
            raise UserError(f"{why}; use --engine torch") from error
        return Chosen(_torch(network, "cpu"), why)
    return recheck(Chosen(engine, "", (reference, given)), network, head)


def recheck(chosen: Chosen, network: Network, head: Head | None) -> Chosen:
    """The same engine where its answers with `head` are torch's, too; else torch."""
    if chosen.compared is None:
        return chosen
    off = difference(*chosen.compared, head)
    if off > TOLERANCE:
        why = f"OpenVINO differs from torch by {off:.1e}, above {TOLERANCE:.0e}"
        return Chosen(_torch(network, "cpu"), why)
    pictures = len(chosen.compared[0])
    return Chosen(
        chosen.engine, f"agrees with torch within {off:.0e} on {pictures} photographs", chosen.compared
    )


def difference(reference: Floats, given: Floats, head: Head | None) -> float:
    """The largest difference of two engines' answers; infinite where one is not a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        if head is None:
            off = np.abs(reference - given).max() / max(float(np.abs(reference).max()), 1e-30)
        else:
            off = np.abs(head.probabilities(reference) - head.probabilities(given)).max()
    return float(off) if np.isfinite(off) else float("inf")


def _reason(error: Exception) -> str:
    """The telling line of the converter's error, which comes after some about itself."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Check 'false'", "Exception from"))]
    if lines[1:2] == ["Exception:"]:  # the network itself raised while it was traced
        lines = lines[2:]
    missing = [line for line in lines if line.startswith("No conversion rule")]
    return next(iter(missing + lines), type(error).__name__)[:120]


def _folder() -> Path:
    return runtime.cache_folder() / "engines"


def _place(network: Network) -> Path:
    key = hashlib.sha256(f"{network.key()} {openvino_engine.fingerprint()}".encode()).hexdigest()[:32]
    return _folder() / f"{key}.blob"


def _stored(network: Network) -> tuple[Engine, Floats, Floats] | None:
    """The network compiled earlier, with both engines' features of the test photographs; None if not sound."""
    place = _place(network)
    try:
        kept = load_tensors(place.with_suffix(".check").read_bytes())
        blob = place.read_bytes()
        reference, given = kept["torch"], kept["openvino"]
        if _seal(blob, reference, given) != kept["sha256"].tobytes():
            return None  # a damaged blob would load without complaint and compute something else
        return openvino_engine.load(blob), reference, given
    except Exception:  # whatever is wrong with a cached file, it is made again
        return None


def _made(network: Network) -> tuple[Engine, Floats, Floats]:
    engine = openvino_engine.compile_network(network)
    photographs = whole_photographs()
    pixels = np.stack([network.preprocess(photographs.read(i)) for i in range(len(photographs))])
    reference, given = _torch(network, "cpu")(pixels), engine(pixels)
    blob = engine.blob()
    check: dict[str, NDArray[Any]] = {
        "torch": reference,
        "openvino": given,
        "sha256": np.frombuffer(_seal(blob, reference, given), np.uint8),
    }
    place = _place(network)
    try:
        files.make_folder(place.parent)
        files.write_bytes(place, blob)
        files.write_bytes(place.with_suffix(".check"), save_tensors(check))
    except UserError:  # without a place to keep it, it is compiled each time
        pass
    return engine, reference, given


def _seal(blob: bytes, reference: Floats, given: Floats) -> bytes:
    return hashlib.sha256(blob + reference.tobytes() + given.tobytes()).digest()


def _accelerated(device: str) -> bool:
    """Whether `device` is not the CPU. Without an accelerator's library on the machine torch is not asked."""
    if device != "auto":
        return runtime.device(device).type != "cpu"
    return runtime.accelerator_possible() and runtime.device().type != "cpu"


def _torch(network: Network, device: str) -> Engine:
    from neocog.inference.torch_engine import TorchEngine

    return TorchEngine(network.backbone(), network.preprocess, runtime.device(device))
