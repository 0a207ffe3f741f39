"""Read a whole image cache and say everything in it that is not as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from configs.files import hash_file
from vision.cache import ImageCache, hash_content
from vision.cache_block import Source
from vision.cache_build import name_generation
from vision.cache_manifest import MANIFEST_NAME, read_cache_manifest
from vision.cache_shards import CacheError, name_shard


class Verification(NamedTuple):
    """How many rows were read, and a sentence for each thing that is wrong (none: it is sound)."""

    rows: int
    problems: tuple[str, ...]


def verify_cache(folder: Path, *, check_sources: bool = False) -> Verification:
    """Test every byte of a cache against its checksums, and that nothing else lies in it.

    `check_sources` also reads the source files and compares them with what was decoded. On a
    terminal a progress bar is shown. Raises CacheError when there is no finished cache.
    """
    if not (folder / MANIFEST_NAME).is_file():
        read_cache_manifest(folder)
    try:
        cache = ImageCache.open_index(folder)
    except CacheError as error:
        return Verification(0, (str(error),))
    problems = [*_check_index(cache), *_find_foreign(cache)]
    with tqdm(total=len(cache.shards), unit="image", desc="verify", disable=None) as bar:
        for shard in range(cache.shards.count):
            problems += _check_shard(cache, shard, check_sources=check_sources)
            bar.update(min(cache.shards.rows_each, len(cache.shards) - int(bar.n)))
    return Verification(len(cache), tuple(problems))


def _check_index(cache: ImageCache) -> Iterator[str]:
    manifest, index = cache.manifest, cache.index
    file = cache.folder / manifest.generation / "index.parquet"
    if index["row"].tolist() != list(range(manifest.rows)):
        yield f"{file}: its rows are not 0 to {manifest.rows - 1}"
    rows = index[["path", "bytes", "mtime_ns"]].itertuples(index=False, name=None)
    if name_generation(tuple(Source(*row) for row in rows), cache.settings) != manifest.generation:
        yield f"{file}: it lists other files than those that the folder is named by"
    if hash_content(index, cache.settings) != manifest.content_hash:
        yield f"{file}: its hashes are not those of the manifest"


def _find_foreign(cache: ImageCache) -> Iterator[str]:
    """Name what lies in the folder and is no part of the cache, and a changed build.json."""
    home = cache.folder / cache.manifest.generation
    shards = {home / "shards" / name_shard(i, cache.settings) for i in range(cache.shards.count)}
    known = {cache.folder / MANIFEST_NAME, cache.folder / ".lock", home / "index.parquet"}
    for file in sorted(cache.folder.rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        if file == home / "build.json":
            wanted = json.dumps(cache.manifest.preprocessing_hash, indent=2) + "\n"
            if file.read_bytes() != wanted.encode():
                yield f"{file}: changed since it was written"
        elif file not in shards | known:
            yield f"{file}: no part of the cache"


def _check_shard(cache: ImageCache, shard: int, *, check_sources: bool) -> Iterator[str]:
    first = shard * cache.shards.rows_each
    lines = cache.index.iloc[first : first + cache.shards.rows_each]
    lines = lines[lines["reason"].isna()]
    try:
        cache.shards.check_size(shard)
    except CacheError as error:
        yield str(error)
        return
    for row, path, sha256 in lines[["row", "path", "sha256"]].itertuples(index=False):
        try:
            cache.shards.check_row(int(row))
        except CacheError as error:
            yield str(error)
        if check_sources:
            yield from _check_source(Path(path), str(sha256))


def _check_source(path: Path, sha256: str) -> Sequence[str]:
    try:
        found = hash_file(path)
    except OSError as error:
        return [f"{path}: the source can't be read ({error.strerror})"]
    return [] if found == sha256 else [f"{path}: the source has changed since it was decoded"]
