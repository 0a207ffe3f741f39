"""`kerley segment`: masks of X-rays, and a table of lung areas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def segment(
    model: Annotated[Path, typer.Argument(help="Folder of a saved segmenter.")],
    paths: Annotated[list[Path], typer.Argument(help="X-ray files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for masks and lungs.csv.")],
    keep: Annotated[
        int, typer.Option(min=0, help="Keep so many of the largest pieces; 0 keeps all.")
    ] = 2,
    overlays: Annotated[
        bool, typer.Option("--overlays", help="Also draw each mask over its X-ray.")
    ] = False,
    dicom_seg: Annotated[
        bool, typer.Option(help="For DICOM, also write a DICOM Segmentation.")
    ] = True,
    threads: Annotated[
        int | None, typer.Option(min=1, help="By default as quota and load allow.")
    ] = None,
) -> None:
    """Outline lungs: a mask PNG of each X-ray at its own size, and a table of lung areas.

    Unreadable files are listed with the reason. Research software: not for clinical use.
    """
    from vision.grade_table import find_images
    from vision.segmentation.segment_files import SegmentOptions, check_out, segment_files
    from vision.segmentation.segmenter import Segmenter
    from vision.threads import choose_threads

    check_out(out, paths)
    found = find_images(paths)
    loaded = Segmenter.load(model, threads=threads or choose_threads())
    options = SegmentOptions(keep, overlays, dicom_seg)
    segmented = segment_files(loaded, found.files, out, options)
    print(segmented.summary())
    if found.ignored:
        print(f"{found.ignored} files that are no images left out")
    print(f"written: {segmented.target}. Research use only, not for clinical decisions.")
