"""Mines on a Dask cluster: one that is there, or one made on this machine for the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from text_labeler.engine import CHUNKS_AHEAD, EngineError, Work

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30


class DaskCluster:
    """Workers of a Dask cluster; a chunk whose worker is lost goes to another one.

    `address` is a scheduler's (`tcp://host:8786`); without it, a cluster of `workers` processes is
    made on this machine and ends with the run. Workers need Kerley installed, the same version,
    and no shared disk: chunks and parts travel as bytes. Raises EngineError when `distributed` is
    not installed, and when no scheduler answers.
    """

    def __init__(self, address: str | None = None, *, workers: int = 1) -> None:
        try:
            import distributed  # noqa: F401  asked for apart, so that its own errors stay theirs
        except ImportError:
            raise EngineError(
                "the engine dask needs the package distributed: pip install 'kerley[cluster]'"
            ) from None
        with ExitStack() as stack:
            self._client = _connect(stack, address, workers)
            self._stack = stack.pop_all()

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give results as they come; EngineError when the cluster gives up."""
        from distributed import KilledWorker, as_completed

        numbers: dict[Future, int] = {}
        finished = as_completed()
        try:
            for number, chunk in work:
                # The chunk travels with its task, so that the scheduler can send both again.
                future = self._client.submit(label, chunk, *settings, pure=False)
                numbers[future] = number
                finished.add(future)
                while len(numbers) >= CHUNKS_AHEAD * self._count_slots():
                    done = next(finished)
                    yield numbers.pop(done), done.result()
            for done in finished:
                yield numbers.pop(done), done.result()
        except KilledWorker as error:
            raise EngineError(
                "several workers died over the same reports (out of memory?); what was finished"
                " is kept: run the same command again to go on"
            ) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the cluster, and end it where it was made for this run."""
        self._stack.close()

    def _count_slots(self) -> int:
        """Count what runs at the same time now: workers come and go."""
        return max(1, sum(map(int, self._client.nthreads().values())))


def _connect(stack: ExitStack, address: str | None, workers: int) -> Client:
    import dask
    from distributed import Client, LocalCluster

    # Dask warns of work that travels with its task; here that is what keeps it.
    quiet = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
    stack.enter_context(dask.config.set(quiet))
    if address is None:
        place: Any = stack.enter_context(
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # any free port: None would take a fixed one
            )
        )
    else:
        place = address
    try:
        return stack.enter_context(Client(place, timeout=CONNECT_SECONDS))
    except (OSError, ValueError) as error:
        raise EngineError(f"{address}: no Dask scheduler answers there ({error})") from error
