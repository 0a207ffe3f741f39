"""One launch at a time works in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from joint.run_folder import RunFolderError

LOCK_FILE = "lock"


@contextmanager
def lock_run(folder: Path, accelerator: Accelerator) -> Iterator[None]:
    """Hold a run folder for this launch; every process raises RunFolderError when it is held.

    The system lets go when the main process ends, however it ends: a lock is never left behind.
    """
    with ExitStack() as held:
        free = [True]
        if accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            # Opened to append: another launch's file is not emptied.
            free[0] = _try_to_lock(held.enter_context((folder / LOCK_FILE).open("a")))
        if not broadcast_object_list(free)[0]:
            raise RunFolderError(
                f"{folder}: another process trains in this folder; wait for it to end, or give"
                " this run another name"
            )
        yield


def _try_to_lock(file: IO[str]) -> bool:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
