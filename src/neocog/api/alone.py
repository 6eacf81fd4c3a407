"""Verbs that one process does: several, as torchrun starts them, would do the same work over and over."""

from __future__ import annotations

from neocog import runtime
from neocog.errors import UserError


def demand_alone(verb: str) -> None:
    """Raise where this is one of several processes."""
    if runtime.launched():
        raise UserError(
            f"{verb} runs in one process; start it without torchrun (train and eval share their work)"
        )
