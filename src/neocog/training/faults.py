"""Why a run stopped that could not help it: no memory, no space, a killed loading process; in one line each."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from neocog.data.loading.processes import WorkerLost
from neocog.errors import UserError
from neocog.files import FULL
from neocog.training.recipes.recipe import Recipe

OUT_OF_MEMORY = (  # what torch and the libraries below it say in a plain RuntimeError
    "can't allocate memory",  # DefaultCPUAllocator
    "not enough memory",  # the same on Windows
    "out of memory",  # CUDA, MPS
    "ALLOC_FAILED",  # cuBLAS, cuDNN
    "bad_alloc",
)


def explained(error: BaseException, doing: str, recipe: Recipe, saved: int | None = None) -> UserError | None:
    """What to tell the user in place of `error`; None where it is none of these faults.

    `doing` is what the run was at, as in "training"; `saved` is the step of its last checkpoint.
    """
    chain = list(_causes(error))
    if any(map(_is_memory, chain)):
        return UserError(f"{doing} needs more memory than there is; {_smaller(recipe)}{_resume(saved)}")
    if isinstance(error, WorkerLost) or (isinstance(error, UserError) and any(map(_is_full, chain))):
        return UserError(f"{error}{_resume(saved)}")
    if any(map(_is_full, chain)):
        return UserError(f"{doing} needs space on the disk, which is full; free some{_resume(saved)}")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def _smaller(recipe: Recipe) -> str:
    if recipe.batch_size == 1:
        return "a batch is one picture already: give a smaller --img-size or another --model"
    half = recipe.batch_size // 2
    passes = -(-recipe.batch_size * recipe.accumulate // half)
    return (
        f"give a smaller --batch-size than {recipe.batch_size}: {half} with --grad-accum-steps {passes} "
        "learns from as many pictures a step"
    )


def _resume(saved: int | None) -> str:
    return "" if saved is None else f"; --resume auto goes on from step {saved:,}"
