"""`kerley cache`: decode images once into a folder that trains fast, and check such a folder."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from data_cards.lineage import Parent
    from vision.cache import ImageCache

cache = typer.Typer(
    help="Decode X-rays once into a cache that is read thousands of times faster; verify one.",
    no_args_is_help=True,
)

SHOWN_AT_MOST = 20


class Storage(StrEnum):
    """How rows are kept: see `CacheSettings.storage`."""

    RAW = "raw"
    JPEG = "jpeg"


class Equalize(StrEnum):
    """Whether histograms are equalised: see `CacheSettings.apply_histogram_equalization`."""

    NONE = "none"
    MIMIC_JPG = "mimic_jpg"


@cache.command()
def build(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of X-rays (DICOM, PNG, JPEG, TIFF, BMP, WebP), one such file, or with"
            " --root a corpus from `kerley corpora list`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the cache.", show_default=False)],
    root: Annotated[Path | None, typer.Option(help="The folder that holds the corpus.")] = None,
    size: Annotated[int, typer.Option(help="Side of the square, pixels.", min=16, max=2048)] = 512,
    storage: Annotated[
        Storage, typer.Option(help="raw: fastest. jpeg: a quarter of the disk, for slow ones.")
    ] = Storage.RAW,
    white_level: Annotated[
        int | None,
        typer.Option(help="What is white in 16-bit PNG and TIFF.", min=1, max=65535),
    ] = None,
    equalize: Annotated[
        Equalize, typer.Option(help="mimic_jpg: the histograms of MIMIC-CXR-JPG.")
    ] = Equalize.NONE,
    workers: Annotated[int, typer.Option(help="Processes; the bytes are the same.", min=1)] = 1,
    skipped: Annotated[
        Path | None, typer.Option(help="CSV for the files that could not be read, with reasons.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read all back when done.")] = False,
) -> None:
    """Decode every image once: grey, anti-aliased, aspect kept, padded to a square.

    The disk that it needs is said and checked first. Stopped or killed at any point, the same
    command goes on where it was and ends with the same bytes; images that have not changed since
    a former build are taken over. What can't be read is listed and the rest goes on.

    Exit codes: 0 built, 1 built but --verify found damage, 2 not built.
    """
    from vision.cache import CacheSettings, build_cache

    settings = CacheSettings(
        size=size,
        storage=storage.value,
        white_level=white_level,
        apply_histogram_equalization=equalize.value,
    )
    paths, parents = _list_images(source, root, out)
    built = build_cache(
        paths,
        out,
        settings,
        workers=workers,
        parents=parents,
        announce=lambda said: print(said, file=sys.stderr),
    )
    _report_skipped(built, skipped)
    print(f"{out}: {len(built):,} images of {size}×{size}, {storage.value}")
    if verify:
        _verify(out, sources=False)


@cache.command(name="verify")
def verify_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the cache.")],
    sources: Annotated[
        bool, typer.Option("--sources", help="Also compare the source files' hashes.")
    ] = False,
) -> None:
    """Test every byte of a cache against its checksums; name all that is damaged or foreign.

    Exit codes: 0 sound, 1 damaged, 2 no finished cache there.
    """
    _verify(folder, sources=sources)


def _list_images(source: str, root: Path | None, out: Path) -> tuple[list[Path], list[Parent]]:
    from data_cards.corpora import CORPORA, read_source
    from data_cards.lineage import describe_listing
    from vision.cache_manifest import MANIFEST_NAME

    if root is None and (source not in CORPORA or Path(source).exists()):
        from vision.grade_table import find_images

        return list(find_images([Path(source)]).files), []
    listing = read_source(source, root)
    paths = [Path(image["path"]) for images in listing.studies["images"][:] for image in images]
    return paths, [describe_listing(listing, out / MANIFEST_NAME)]


def _report_skipped(built: ImageCache, table: Path | None) -> None:
    if table is not None:
        from configs.files import write_atomically

        with write_atomically(table) as temporary, temporary.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("path", "reason"))
            rows.writerows(built.skipped)
    if not built.skipped:
        return
    print(f"{len(built.skipped):,} files could not be read:")
    for path, reason in built.skipped[:SHOWN_AT_MOST]:
        print(f"  {path}: {reason}")
    if len(built.skipped) > SHOWN_AT_MOST:
        print(f"  and {len(built.skipped) - SHOWN_AT_MOST:,} more; --skipped FILE.csv lists all")


def _verify(folder: Path, *, sources: bool) -> None:
    from vision.cache_verify import verify_cache

    found = verify_cache(folder, check_sources=sources)
    if found.problems:
        print(f"{folder}: {len(found.problems):,} problems")
        for problem in found.problems:
            print(f"  {problem}")
        raise typer.Exit(1)
    print(f"{folder}: sound, {found.rows:,} images as they were written")
