"""Kerley's labeler, with nothing remembered and with all sentences remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rounds import Label, Task, Way, drain, serve

from text_labeler.labeler import Labeler


def prepare(task: Task) -> tuple[dict[str, Way], Label]:
    reports, profile = task["reports"], task["profile"]
    warm = Labeler(profile)

    def read(labeler: Labeler) -> None:
        drain(said.evidence for said in labeler.pipe(reports))

    def read_rows() -> None:
        drain([row._asdict() for row in said.evidence] for said in warm.pipe(reports))

    def read_cold() -> Callable[[], object]:
        cold = Labeler(profile)  # sentences are remembered by each labeler for itself
        return lambda: read(cold)

    def label() -> Iterable[list[str]]:
        for said in warm.pipe(task["whole"]):
            yield [finding for finding, code in said.labels.items() if code == 1]

    return {
        "cold": read_cold,
        "warm": lambda: lambda: read(warm),
        "warm, evidence as dictionaries": lambda: read_rows,
    }, label


if __name__ == "__main__":
    serve(prepare)
