"""The OpenVINO engine, the fastest on a CPU, and the only door through which openvino is imported."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from neocog import runtime
from neocog.data.decode import Pixels
from neocog.data.preprocess import Preprocess
from neocog.inference.network import Floats, Network

SETTINGS = 1  # counted up when the way of compiling changes, so that older compiled networks are not taken


def door() -> ModuleType:
    """The module openvino. Its import would report to an analytics server and write into the home folder."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    module: ModuleType = openvino
    return module


def fingerprint() -> str:
    """What a compiled network depends on besides itself; read without importing openvino."""
    version = importlib.metadata.version("openvino")
    return f"openvino {version}, f32, {runtime.threads()} streams, {runtime.processor()}, settings {SETTINGS}"


def _options() -> dict[str, Any]:
    streams = runtime.threads()
    return {
        "INFERENCE_PRECISION_HINT": "f32",  # its own choice is bf16 where the processor has it: slower and off by 1e-2
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        "ENABLE_CPU_PINNING": False,
    }


class OpenVinoEngine:
    """uint8 pixels (n, height, width, channels) -> features (n, d), from any thread, each with its own stream."""

    name = "openvino"

    def __init__(self, compiled: Any):
        self._compiled = compiled
        self._local = threading.local()
        # openvino loads something of its own at the first look into a tensor; two threads that do so at once lock
        # each other out for ever (2026.4.1; 1 start of 6 with threads switched every microsecond)
        _ = door().Tensor(np.zeros(1, np.uint8)).data

    def __call__(self, batch: Pixels) -> Floats:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        self._local.request.infer([np.ascontiguousarray(batch)])
        return np.array(self._local.request.get_output_tensor(0).data, dtype=np.float32)

    def blob(self) -> bytes:
        """The compiled network, for `load`."""
        exported = self._compiled.export_model()
        return bytes(exported.getvalue() if hasattr(exported, "getvalue") else exported)


def load(blob: bytes) -> OpenVinoEngine:
    """The engine that `blob` was taken from; only for the same `fingerprint()`."""
    return OpenVinoEngine(door().Core().import_model(blob, "CPU", _options()))


def compile_network(network: Network) -> OpenVinoEngine:
    """Convert and compile the backbone; raises whatever openvino or torch raise where they cannot."""
    graph = _with_pixels(_converted(network), network.preprocess)
    return OpenVinoEngine(door().Core().compile_model(graph, "CPU", _options()))


def _converted(network: Network) -> Any:
    """The backbone as an OpenVINO graph for any batch of the one input size (SAME padding is fixed by tracing)."""
    import torch

    openvino = door()
    from openvino.frontend import FrontEndManager

    with warnings.catch_warnings():  # the converter and torch's tracer warn about each other's deprecations
        warnings.simplefilter("ignore")
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        shape = (network.preprocess.channels, *network.preprocess.size)
        net = network.backbone().eval().requires_grad_(False)
        decoder = TorchScriptPythonDecoder(
            net, example_input=(torch.zeros(1, *shape),), trace_kwargs={"check_trace": False}
        )
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.load(decoder)
        model.set_partial_shape(model.get_inputs()[0], openvino.PartialShape([-1, *shape]))
        return frontend.convert(model)


def _with_pixels(graph: Any, preprocess: Preprocess) -> Any:
    """The graph with uint8 pixels as its input, normalised inside."""
    openvino = door()
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(graph)
    source = processor.input(0)
    source.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps = source.preprocess().convert_element_type(openvino.Type.f32)
    steps.mean([255 * m for m in preprocess.mean]).scale([255 * s for s in preprocess.std])
    source.model().set_layout(openvino.Layout("NCHW"))
    return processor.build()
