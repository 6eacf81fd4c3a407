"""What a worker process does: fills the rows it is told to, until nobody is there to tell it. Imports no torch."""

from __future__ import annotations

import signal
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neocog.data.loading.order import Indices
from neocog.data.loading.pictures import Reason, Source

READY = "ready"


class Piece(NamedTuple):
    """Pictures for a part of a batch: rows from `start` on in the slot of the memory that all processes share."""

    slot: int
    start: int
    indices: Indices


class Done(NamedTuple):
    """What became of a piece."""

    left_out: list[Reason]
    error: str = ""
    """the traceback, where the source failed in a way that is no picture's fault"""


def serve(pipe: Connection, source: Source, place: Path, shape: tuple[int, ...]) -> None:
    """Fill pieces in the order in which they come through `pipe`, until its other end is closed or its owner ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches all processes; the owner decides
    try:
        shared = np.memmap(place, np.uint8, "r+", shape=shape)
        pipe.send(READY)
        while True:
            piece: Piece = pipe.recv()
            pipe.send(_filled(source, piece, shared))
    except (EOFError, OSError):
        place.unlink(missing_ok=True)  # the owner may have ended before it could


def _filled(source: Source, piece: Piece, shared: np.memmap[tuple[int, ...], np.dtype[np.uint8]]) -> Done:
    rows = shared[piece.slot, piece.start : piece.start + len(piece.indices)]
    try:
        return Done(source.fill(piece.indices, rows))
    except Exception:  # whatever it is, the owner reports it
        return Done([], traceback.format_exc())
