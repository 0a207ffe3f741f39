"""The one training loop, with the same result on any number of processes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from tqdm import tqdm

from configs.settings import Settings
from joint.bad_rows import NormStatistics, describe_rows, find_bad_outputs
from joint.batch_stream import GlobalBatch, stream_batches
from joint.losses.gather import RowGather
from joint.losses.micro_batches import backward_in_parts
from joint.losses.over_processes import GlobalLosses, combine_losses
from joint.optimizer import (
    OptimizerSettings,
    build_optimizer,
    learning_rate_at,
    set_learning_rate,
)
from joint.prediction import predict_rows
from joint.resuming.checkpoints import KEPT, Checkpoints, Progress
from joint.resuming.stop_request import StopRequest
from joint.speed.settings import SpeedSettings, speed_up
from joint.task import Batch, Rows, Task

Record = Callable[[str, int, Mapping[str, float | None]], None]

logger = logging.getLogger(__name__)


class TrainingError(ValueError):
    """Training that cannot go on; the message says at which step and why."""


class LoopSettings(Settings):
    """How long and how to train.

    steps: optimizer steps. checkpoint_every (steps), checkpoint_minutes (looked at every
    log_every steps): when to save besides at the end, at a new best score and at a stop;
    keep_checkpoints: how many, and the best one. micro_batch: rows that a process holds
    activations of at a time; null for all of its share (the gradient is the same). clip_norm:
    the largest norm of a gradient; null leaves it as it is. max_skipped: this many steps in a
    row with a loss or gradient that is not finite end the run.
    """

    steps: int = Field(500, ge=1)
    evaluate_every: int = Field(100, ge=1)
    log_every: int = Field(10, ge=1)
    checkpoint_every: int = Field(100, ge=1)
    checkpoint_minutes: float | None = Field(None, gt=0)
    keep_checkpoints: int = Field(KEPT, ge=1)
    clip_norm: float | None = Field(1.0, gt=0)
    max_skipped: int = Field(20, ge=1)
    micro_batch: int | None = Field(None, ge=1)
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    speed: SpeedSettings = SpeedSettings()
    evaluation_batch: int = Field(128, ge=1)
    threads: int | None = Field(None, ge=1)


@dataclass(frozen=True)
class LoopReport:
    """How the loop ended: interrupted ones go on when started again."""

    progress: Progress
    interrupted: bool
    seconds: float
    samples: int


class Loop:
    """Model, optimizer and progress of one training run, on one of its processes."""

    def __init__(
        self,
        task: Task,
        accelerator: Accelerator,
        settings: LoopSettings,
        optimizer: OptimizerSettings,
    ) -> None:
        self.task = task
        self.accelerator = accelerator
        self.settings = settings
        self.optimizer_settings = optimizer
        model = task.model
        speed_up(model, settings.speed)
        prepared = accelerator.prepare(model, build_optimizer(model, optimizer))
        self.model: nn.Module = prepared[0]
        self.optimizer: torch.optim.Optimizer = prepared[1]
        self.progress = Progress()
        self._saved_at = time.monotonic()

    def resume(self, checkpoints: Checkpoints) -> int:
        """Go on from the newest checkpoint where there is one; return the steps already taken."""
        self.progress = checkpoints.resume(self.accelerator, self.task) or self.progress
        self._saved_at = time.monotonic()
        return self.progress.step

    def run(self, checkpoints: Checkpoints, record: Record) -> LoopReport:
        """Train to the last step, or until a stop is asked for; either way a checkpoint stands."""
        first, start, samples = self.progress.step, time.monotonic(), 0
        shown = self.accelerator.is_main_process
        self.model.train()
        with (
            StopRequest() as stop,
            tqdm(
                total=self.settings.steps,
                initial=first,
                unit="step",
                disable=not shown,
                mininterval=1.0,
            ) as bar,
        ):
            for place, batch in stream_batches(
                self.task, self.accelerator, self.progress, self.settings.steps
            ):
                values = self.take_step(batch, place, stop_requested=stop.requested)
                samples += len(place.rows)
                bar.update()
                bar.set_postfix(loss=f"{values['loss']:.4f}", refresh=False)
                rate = samples / (time.monotonic() - start)
                interrupted = bool(values.pop("stop"))
                self._keep(values | {"samples_per_second": rate}, checkpoints, record, interrupted)
                if interrupted:
                    break
        seconds = time.monotonic() - start
        return LoopReport(self.progress, self.progress.step < self.settings.steps, seconds, samples)

    def take_step(
        self, batch: Batch, place: GlobalBatch, *, stop_requested: bool = False
    ) -> dict[str, float]:
        """Take one optimizer step on this process's share of a global batch.

        Returns the global losses, the gradient's norm before clipping, and whether any process
        was asked to stop. A step whose loss or gradient is not finite leaves every weight alone.
        """
        rate = learning_rate_at(place.step, self.settings.steps, self.optimizer_settings)
        set_learning_rate(self.optimizer, rate)
        sizes = share_sizes(len(place.rows), self.accelerator.num_processes)
        gather = RowGather(sizes, self.accelerator.process_index)
        own = gather.sizes[gather.rank]
        combined: list[GlobalLosses] = []
        statistics = NormStatistics(self.model)
        prepared = self.task.prepare(batch)
        bad_outputs: list[Tensor] = []

        def total_loss(outputs: Batch, inputs: Batch) -> Tensor:
            outputs = {name: value[:own] for name, value in outputs.items()}
            inputs = {name: value[:own] for name, value in inputs.items()}
            bad_outputs.append(find_bad_outputs(outputs))
            sums = self.task.losses(outputs, inputs, gather)
            combined.append(
                combine_losses(
                    sums,
                    self.task.loss_weights,
                    outputs,
                    accelerator=self.accelerator,
                    flag=stop_requested,
                )
            )
            return combined[0].total

        self.optimizer.zero_grad()
        backward_in_parts(
            self.model,
            prepared,
            total_loss,
            accelerator=self.accelerator,
            parts=self._count_parts(max(gather.sizes)),
        )
        largest = self.settings.clip_norm or math.inf
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), largest)
        values = _to_numbers(combined[0], norm)
        if not self._update_weights(values):
            statistics.put_back()
            bad_inputs = self.task.find_bad_rows(prepared)[:own]
            self._report_skip(place, gather, (bad_inputs, bad_outputs[0]))
        self.progress.move_past(place.step, place.epoch, place.number)
        return values | {"learning_rate": rate, "skipped": float(self.progress.skipped)}

    def predict(self, rows: Rows) -> dict[str, NDArray[np.float32]]:
        """Run the model over rows, unaugmented; every process gets all outputs in row order."""
        return predict_rows(
            self.task, self.model, self.accelerator, rows, size=self.settings.evaluation_batch
        )

    def _update_weights(self, values: Mapping[str, float]) -> bool:
        """Step where loss and gradient are finite; say whether they were."""
        if np.isfinite([values["loss"], values["gradient_norm"]]).all():
            self.optimizer.step()
            self.progress.skipped_in_a_row = 0
            return True
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()  # fp16: a smaller scale for the next step
        return False

    def _report_skip(
        self, place: GlobalBatch, gather: RowGather, bad: tuple[Tensor, Tensor]
    ) -> None:
        """Count a skipped step and log which of this process's studies it fails on."""
        progress, step = self.progress, place.step
        progress.skipped += 1
        progress.skipped_in_a_row += 1
        names = self.task.name_rows(place.rows[gather.rank :: len(gather.sizes)])
        inputs, outputs = (describe_rows(names, each.tolist()) for each in bad)
        where = f"; pixels or labels of {inputs}" if inputs else ""
        where = where or (f"; outputs of {outputs}" if outputs else "")
        logger.warning("step %d skipped: its loss or gradient is not finite%s", step, where)
        if progress.skipped_in_a_row >= self.settings.max_skipped:
            raise TrainingError(
                f"step {step}: {progress.skipped_in_a_row} steps in a row had a loss or"
                " gradient that is not finite; try a smaller learning rate or mixed_precision: no"
            )

    def _keep(
        self,
        values: Mapping[str, float],
        checkpoints: Checkpoints,
        record: Record,
        interrupted: bool,
    ) -> None:
        """Log, evaluate and save what is due after a step."""
        step, settings = self.progress.step, self.settings
        is_end = step == settings.steps
        if step % settings.log_every == 0 or is_end:
            record("train", step, values)
        if step % settings.evaluate_every == 0 or is_end:
            metrics = self.task.evaluate(self.predict)
            self.model.train()
            record("validate", step, metrics)
            score, best = metrics["score"], self.progress.best_score
            if score is not None and (best is None or score > best):
                self.progress.best_score, self.progress.best_step = score, step
        is_best = self.progress.best_step == step
        if is_end or interrupted or is_best or self._is_checkpoint_due():
            checkpoints.save(self.accelerator, self.progress, self.task)
            self._saved_at = time.monotonic()

    def _is_checkpoint_due(self) -> bool:
        step, settings = self.progress.step, self.settings
        if step % settings.checkpoint_every == 0:
            return True
        if settings.checkpoint_minutes is None or step % settings.log_every != 0:
            return False
        late = time.monotonic() - self._saved_at >= 60 * settings.checkpoint_minutes
        # Clocks differ: all processes save where one of them is late.
        flag = torch.tensor(float(late), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    def _count_parts(self, share: int) -> int:
        return -(-share // self.settings.micro_batch) if self.settings.micro_batch else 1


def _to_numbers(losses: GlobalLosses, norm: Tensor | float) -> dict[str, float]:
    """Bring a step's numbers to the host, all in one transfer."""
    # FSDP2 leaves the norm in parts, one on each process.
    norm = norm.full_tensor() if isinstance(norm, DTensor) else torch.as_tensor(norm)
    named = {"stop": losses.flag_sum, "loss": losses.loss, "gradient_norm": norm}
    named |= {f"loss_{name}": mean for name, mean in losses.means.items()}
    numbers = torch.stack([value.detach().to(losses.loss) for value in named.values()]).tolist()
    return dict(zip(named, numbers, strict=True))


def share_sizes(rows: int, processes: int) -> tuple[int, ...]:
    """Give how many rows of a global batch each process has: dealt in turn, so at most 1 apart."""
    return tuple(len(range(rank, rows, processes)) for rank in range(processes))
