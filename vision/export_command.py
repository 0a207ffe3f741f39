"""The command `kerley export`: a grader with an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def export(
    grader: Annotated[Path, typer.Argument(help="Folder of a saved grader.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the grader's own adds to it.")],
) -> None:
    """Write a grader with an ONNX file, so that it grades faster and without PyTorch.

    The scores in ONNX are compared with PyTorch's; nothing is written where they differ.
    """
    from vision.onnx_export import export_grader

    written = export_grader(grader, out)
    print(f"largest difference from torch: {written.difference:.1e}")
    print(f"written: {written.file} ({written.file.stat().st_size / 1e6:.1f} MB)")
