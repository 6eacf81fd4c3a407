"""What a run keeps on disk, and what ends it early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from math import isfinite
from time import monotonic
from types import TracebackType

import torch

from neocog.bundle import SNAPSHOTS, snapshot_name, snapshots
from neocog.data.loading.loader import Batch
from neocog.data.loading.pictures import Labelled
from neocog.errors import UserError
from neocog.files import make_folder, whole_file
from neocog.training.network.low_rank import merged_state
from neocog.training.processes.distributed import World
from neocog.training.processes.exchange import ALONE, word_of_first, words_of_all
from neocog.training.resume.checkpoint import Checkpoint, NotFinite, latest, write_checkpoint
from neocog.training.resume.events import Events, Scalars, scalars_to
from neocog.training.resume.interruption import Interruption
from neocog.training.resume.saving import CHECKPOINTS, Saving
from neocog.training.resume.tensor_file import write_tensors
from neocog.training.state import State, demand_same

STEPS_LOGGED = 20  # from one line of events.jsonl to the next
SNAPSHOT = "newest.safetensors"  # until its sum is known
NAMED = 8  # pictures named when a loss is no number


class Diverged(UserError):
    """The loss became infinite or no number; the weights before that step were not changed."""


class Keeping:
    """Saves a run's state, listens for signals and watches the clock; use it in a `with` statement."""

    def __init__(self, saving: Saving, say: Callable[[str], None] = lambda text: None, world: World = ALONE):
        self._saving, self._say, self._world = saving, say, world
        self._interruption = Interruption(self._saving.limit)
        self._events: Events | None = None
        self._scalars: Scalars | None = None
        self._saved, self._saved_step = monotonic(), -1
        self._constants: frozenset[str] = frozenset()
        self._stack = ExitStack()

    def __enter__(self) -> Keeping:
        self._stack.enter_context(self._interruption)
        self._saved = monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _ends(self, state: State) -> str:
        """Why the run should end now, in any of its processes; empty where it should not."""
        limit = self._saving.steps
        asked = self._interruption.asked
        if not asked and limit is not None and state.step >= limit:
            asked = f"{limit:,} steps are done"
        together = self._world.any(bool(asked))
        return asked or ("another process was stopped" if together else "")

    def restore(self, state: State) -> None:
        """Put the newest checkpoint into `state`, where the run goes on from one."""
        self._constants = infinite(state)
        folder = self._saving.folder
        stored = latest(folder / CHECKPOINTS, self._say) if folder and self._saving.resume else None
        self._demand_one(stored)
        if stored is not None:
            demand_same(stored.facts["identity"], self._saving.identity)
            state.restore(stored)
            self._saved_step = state.step
            self._say(f"going on from step {state.step:,}, epoch {state.position.epoch + 1}")
        self._open_logs(state.step)

    def _open_logs(self, step: int) -> None:
        """The run's log and TensorBoard's, without what an earlier attempt said of steps that come again."""
        folder = self._saving.folder
        if folder is None or not self._world.first:
            return
        self._events = self._stack.enter_context(Events(folder))
        self._events.trim(step)
        if self._saving.tensorboard:
            self._scalars = self._stack.enter_context(scalars_to(folder / "tensorboard", step))

    def _demand_one(self, stored: Checkpoint | None) -> None:
        """Raise unless all processes see the same checkpoint."""
        step = stored.step if stored else -1
        if self._world.sum([step])[0] != step * self._world.size:
            raise UserError(
                f"all processes must see the same checkpoints, process {self._world.rank} sees step {step:,}; "
                "give an --output that every machine can read"
            )

    def demand_finite(self, mean: float, state: State, batches: Sequence[Batch], pictures: Labelled) -> None:
        """Raise where the mean loss of a step is infinite or no number, with the pictures that were in it."""
        if isfinite(mean):
            return
        with suppress(NotFinite):  # what a batch norm has seen of that step
            self.save(state)
        kept = f"; the state after step {self._saved_step:,} is kept" if self._saved_step >= 0 else ""
        kept = word_of_first(self._world, kept)
        shown = ", ".join(words_of_all(self._world, named(batches, pictures)))
        raise Diverged(
            f"the loss became {mean} in step {state.step + 1:,} of epoch {state.position.epoch + 1}"
            f"{kept}; use a smaller --lr, or look at what was in that step: {shown}"
        )

    def after_step(self, state: State, mean: float) -> str:
        """Log the step, and save if it is time. Returns why the run should end now; empty where it should not."""
        if state.step % STEPS_LOGGED == 0:
            self._log("step", state.step, {"epoch": state.position.epoch + 1, "loss": mean, "lr": state.lr})
        reason = self._ends(state)
        if reason or monotonic() - self._saved >= self._saving.every:
            self.save(state)
        return reason

    def snapshot(self, state: State) -> None:
        """Keep the network's weights as they are, those of the newest epochs only."""
        newest = self._saving.snapshots
        if not newest or not self._saving.folder or not self._world.first:
            return
        folder = make_folder(self._saving.folder / SNAPSHOTS)
        with whole_file(folder / SNAPSHOT) as file:
            total = write_tensors(file, merged_state(state.net))
        epoch = state.position.epoch
        # later ones are of an attempt before the run went back
        for other, path in snapshots(self._saving.folder):
            if other <= epoch - newest or other >= epoch:
                path.unlink()
        (folder / SNAPSHOT).replace(folder / snapshot_name(epoch, total))

    def after_epoch(self, state: State) -> None:
        """Log the epoch."""
        self._log("epoch", state.step, state.rows[-1].to_json())
        if monotonic() - self._saved >= self._saving.every:
            self.save(state)

    def _log(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        if self._events:
            self._events.add(kind, step=step, **figures)
        if self._scalars:
            self._scalars(step, {f"{kind}/{name}": value for name, value in figures.items()})

    def save(self, state: State) -> None:
        """Write a checkpoint, if this process is the one that does."""
        if self._saving.folder and self._world.first and state.step != self._saved_step:
            folder = self._saving.folder / CHECKPOINTS
            checkpoint = state.checkpoint(self._saving.identity)
            write_checkpoint(folder, checkpoint, self._saving.keep, constants=self._constants)
            self._saved_step = state.step
        self._saved = monotonic()


def infinite(state: State) -> frozenset[str]:
    """Tensors of a checkpoint that are infinite from the beginning, as masks are, so that it is no sign of anything."""
    there = [name for name, buffer in state.net.named_buffers() if not torch.isfinite(buffer).all()]
    return frozenset(f"{part}.{name}" for name in there for part in ("net", "average", "best"))


def named(batches: Sequence[Batch], pictures: Labelled) -> str:
    """The pictures of a step."""
    places = [int(place) for batch in batches for place in pictures.places(batch.picks.indices)]
    names = ", ".join(pictures.source.name(place) for place in places[:NAMED])
    return f"{names} and {len(places) - NAMED:,} more" if len(places) > NAMED else names
