"""The weights of an ONNX graph, in the order of its nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.weights.read import Graph

WEIGHTED = ("Conv", "Gemm", "MatMul", "BatchNormalization")  # whose weights may also be constant nodes


def read_graph(path: Path) -> Graph:
    """Every stored floating-point array that a node uses, as torch lays it out: linear weights are (out, in)."""
    graph = _graph(path)
    from onnx.numpy_helper import to_array

    stored = {tensor.name: (tensor.name, to_array(tensor)) for tensor in graph.initializer}
    constants: dict[str, tuple[str, NDArray[Any]]] = {}
    found = Graph()
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.output[0], to_array(node.attribute[0].t)
            continue
        known = stored | constants if node.op_type in (*WEIGHTED, "Reshape") else stored
        if node.op_type == "Reshape" and all(name in known for name in node.input):  # weights in another form
            name, array = known[node.input[0]]
            stored[node.output[0]] = name, array.reshape(tuple(known[node.input[1]][1]))
            continue
        for place, name in enumerate(node.input):
            if name in known:
                stored_as, array = known[name]
                _take(found, stored_as, array.T if _transposed(node, place) and array.ndim == 2 else array)
    if not found:
        raise UserError(f"{path} stores no weights; give an ONNX file that holds its initialisers")
    return found


def _graph(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UserError('ONNX files need the package onnx; run: pip install "neocog[onnx]"') from error
    try:
        return onnx.load(path).graph
    except Exception as error:  # protobuf's DecodeError, onnx's checks of external data
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(
            f"{path} is damaged or no ONNX file ({reason}); copy it again, with its external data if it has any"
        ) from error


def _take(found: Graph, name: str, array: NDArray[Any]) -> None:
    if name in found or array.dtype.kind != "f" or not array.ndim:
        return  # seen before, or no weight: a shape, a scalar factor
    found[name] = np.asarray(array, np.float32 if array.dtype == np.float16 else array.dtype, order="C")


def _transposed(node: Any, place: int) -> bool:
    """Whether this input is a linear layer's weight stored as (in, out)."""
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    return place == 1 and (
        node.op_type == "MatMul" or (node.op_type == "Gemm" and not flags.get("transB", 0))
    )
