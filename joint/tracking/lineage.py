"""The lineage of a run told to a W&B server: inputs and makers, which offline runs cannot name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from data_cards.lineage import Lineage
from joint.tracking.artifacts import ArtifactCard, MirroredStep, plan_lineage, stage_files
from joint.tracking.wandb_run import RunName, make_artifact, start_run, tear_down

SYNC_SECONDS = 600.0


class Server(Protocol):
    """What telling a lineage needs of a server."""

    def send(self, folders: Sequence[Path]) -> None:
        """Send offline mirrors; raises SyncError where that fails."""

    def mirror(self, name: RunName, step: MirroredStep) -> None:
        """Tell of a run that it used artifacts and made others."""


class SyncError(ValueError):
    """A mirror that could not be sent; the message says why, as far as W&B said."""


def replay_lineage(server: Server, lineage: Lineage, own: RunName) -> int:
    """Tell a server what a run was made from, makers first; return how many runs it was told of.

    own: the trained run, which is there already. Told twice it changes nothing: artifacts of the
    same content are one version, and a maker's id is the hash of what it made.
    """
    steps = plan_lineage(lineage)
    for step in steps:
        if step.run_id is None:
            # Its outputs are in its mirror.
            server.mirror(own, step._replace(makes=()))
        else:
            group = "+".join(card.name for card in step.makes)
            name = own._replace(run_id=step.run_id, job=step.job, group=group)
            server.mirror(name, step)
    return len(steps)


def tell_evaluation(server: Server, lineage: Lineage, own: RunName) -> int:
    """Tell a server what a mirrored evaluation was made from; return how many runs that was."""
    used = [card for card in plan_lineage(lineage)[-1].makes if card.kind == "predictions"]
    server.mirror(own._replace(job="evaluate"), MirroredStep(None, "evaluate", tuple(used), ()))
    return 1


class WandbServer:
    """The server that the wandb library finds: a key in the environment or in `~/.netrc`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def send(self, folders: Sequence[Path]) -> None:
        """Run `wandb sync` over offline mirrors, which it marks as sent."""
        asked = [sys.executable, "-m", "wandb", "sync", *map(str, folders)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter
                asked,
                capture_output=True,
                text=True,
                check=False,
                timeout=SYNC_SECONDS,
                env={**os.environ, "WANDB_DIR": str(self.home)},
            )
        except subprocess.TimeoutExpired:
            raise SyncError(
                f"{self.home}: wandb sync did not end in {SYNC_SECONDS:.0f} s"
            ) from None
        unsent = [folder for folder in folders if not any(folder.glob("*.synced"))]
        if done.returncode or unsent:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise SyncError(f"{self.home}: W&B took {len(unsent)} mirrors not: {said}")

    def mirror(self, name: RunName, step: MirroredStep) -> None:
        """Open the run again, or for the first time, and name its inputs and outputs."""
        import wandb

        try:
            run = start_run("online", name, home=self.home, config={})
            for card in step.uses:
                # Predictions are there, and can have files beside their card.
                is_there = card.kind == "predictions"
                run.use_artifact(f"{card.name}:{card.alias}" if is_there else self._make(card))
            for card in step.makes:
                run.log_artifact(self._make(card), aliases=[card.alias])
            run.finish()
        except wandb.Error as error:
            kind = type(error).__name__
            raise SyncError(f"{self.home}: W&B did not take the lineage: {kind}") from error
        finally:
            tear_down()

    def _make(self, card: ArtifactCard) -> object:
        place = self.home / "wandb" / "upload" / "inputs" / f"{card.name}-{card.alias}"
        return make_artifact(card, stage_files(card, place, None, key=b""), root=place)
