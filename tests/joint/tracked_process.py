"""A process that tracks as a run does: `python -m tests.joint.tracked_process OUT MODE HOW`.

HOW: "end" writes five rows and ends well; "wait" writes five rows and waits for a signal.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from joint.metrics_log import MetricsLog
from joint.resuming.stop_request import STOPPED_EXIT_CODE, StopRequest
from joint.tracking.settings import TrackingSettings
from joint.tracking.tracker import Tracker

ROWS = 5


def main(folder: Path, mode: str, how: str) -> int:
    logging.basicConfig(level=logging.WARNING)
    settings = TrackingSettings.model_validate({"wandb": mode, "timeout_seconds": 3.0})
    log = MetricsLog(folder / "metrics.jsonl")
    with StopRequest() as stop:
        tracker = Tracker(folder, settings, config={"seed": 4}, group="tests")
        tracker.catch_up(log.rows())
        first = len(list(log.rows()))
        for step in range(first, first + ROWS):
            tracker.log(log.append("train", step, {"loss": 1 / (step + 1)}))
        (folder / "ready").touch()
        while how == "wait" and not stop.requested:
            time.sleep(0.01)
        code = STOPPED_EXIT_CODE if stop.requested else 0
        tracker.finish(exit_code=code)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
