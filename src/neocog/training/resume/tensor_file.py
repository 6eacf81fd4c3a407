"""Tensors to a safetensors file one at a time, with the file's SHA-256 on the way.

The library's own `save_file` gives mode 0600 whatever the umask, no errno when the disk is full, refuses tensors that
share memory, and needs all of them on the CPU at once. Reading is the library's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

from neocog.errors import UserError

DTYPES = {  # the format's names
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
ALIGNMENT = 8  # bytes to which the header is padded, so that what is mapped into memory is aligned


def write_tensors(file: BinaryIO, tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of what was written. Tensors that share memory are written each for itself.

    Raises UserError for a tensor that the format cannot hold: sparse, quantised, of a rare type.
    """
    digest = hashlib.sha256()
    for part in _parts(tensors):
        digest.update(part)
        file.write(part)
    return digest.hexdigest()


def file_size(tensors: Mapping[str, Tensor]) -> int:
    """Bytes that `write_tensors` writes."""
    return len(_header(tensors)) + sum(map(_size, tensors.values()))


def _parts(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    yield _header(tensors)
    for name in _in_order(tensors):
        yield _data(tensors[name])


def _in_order(tensors: Mapping[str, Tensor]) -> list[str]:
    """Wide elements first, so that each tensor begins at a multiple of its element's size."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in _in_order(tensors):
        tensor = tensors[name]
        if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.is_meta:
            raise UserError(
                f"a checkpoint can hold dense tensors of the usual types, got {tensor.dtype} ({tensor.layout}, "
                f"on {tensor.device.type}) for {name!r}; keep it out of the state dict"
            )
        end = start + _size(tensor)
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": [*tensor.shape],
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _data(tensor: Tensor) -> memoryview:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    flat = plain.as_strided(
        (plain.numel(),), (1,)
    )  # one element, or none, counts as contiguous with any stride
    return flat.view(torch.uint8).numpy().data
