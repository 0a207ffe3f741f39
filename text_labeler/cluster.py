"""Mines on a Dask cluster: one that is there, or one made on this machine for the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from text_labeler.engines import CHUNKS_AHEAD, EngineError, Work

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30


class DaskCluster:
    """Workers of a Dask cluster; a chunk whose worker is lost goes to another one.

    `address` is a scheduler's (`tcp://host:8786`); without it, a cluster of `workers` processes is
    made on this machine and ends with the run. Workers need Kerley installed, the same version,
    and no shared disk: chunks and parts travel as bytes. Raises EngineError when `distributed` is
    not installed.
    """

    def __init__(self, address: str | None = None, *, workers: int = 1) -> None:
        try:
            import distributed  # noqa: F401  asked for early: a clear word before long work
        except ImportError:
            raise EngineError(
                "the engine dask needs the package distributed: pip install 'kerley[cluster]'"
            ) from None
        self.address = address
        self.workers = workers

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give results as they come; EngineError when the cluster is not there or gives up."""
        from distributed import KilledWorker, as_completed

        with ExitStack() as stack:
            client = self._connect(stack)
            numbers: dict[Future, int] = {}
            finished = as_completed()
            try:
                for number, chunk in work:
                    # The chunk travels with its task, so that the scheduler can send both again.
                    future = client.submit(label, chunk, *settings, pure=False)
                    numbers[future] = number
                    finished.add(future)
                    while len(numbers) >= CHUNKS_AHEAD * _count_slots(client):
                        done = next(finished)
                        yield numbers.pop(done), done.result()
                for done in finished:
                    yield numbers.pop(done), done.result()
            except KilledWorker as error:
                raise EngineError(
                    "several workers died over the same reports (out of memory?); what was finished"
                    " is kept: run the same command again to go on"
                ) from error

    def _connect(self, stack: ExitStack) -> Client:
        import dask
        from distributed import Client, LocalCluster

        # Dask warns of work that travels with its task; here that is what keeps it.
        quiet = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
        stack.enter_context(dask.config.set(quiet))
        place: Any = self.address
        if self.address is None:
            place = stack.enter_context(
                LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",  # any free port, this machine alone
                )
            )
        try:
            return stack.enter_context(Client(place, timeout=CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            raise EngineError(
                f"{self.address}: no Dask scheduler answers there ({error})"
            ) from error


def _count_slots(client: Client) -> int:
    """Count what runs at the same time now: workers come and go."""
    return max(1, sum(map(int, client.nthreads().values())))
