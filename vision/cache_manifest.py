"""The manifest of an image cache: which generation is the finished one, sealed by its own hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs.files import hash_json, write_text
from configs.settings import Settings
from data_cards.lineage import Parent
from vision.cache_shards import CacheError
from vision.framing import CacheSettings

CACHE_SCHEMA = 2
MANIFEST_NAME = "manifest.json"
SEAL = "manifest_sha256"


class CacheManifest(Settings):
    """What `manifest.json` holds: the finished generation, its settings, its size and hashes.

    parents: what listed the images, where that is known; each image's own hash is in the index.
    """

    schema_version: int
    settings: CacheSettings
    preprocessing_hash: str
    generation: str
    rows: int
    rows_per_shard: int
    index_sha256: str
    content_hash: str
    parents: tuple[Parent, ...] = ()


def write_cache_manifest(folder: Path, manifest: CacheManifest) -> None:
    """Point the cache folder to a finished generation, in one step."""
    write_text(folder / MANIFEST_NAME, _seal(manifest.model_dump(mode="json")))


def read_cache_manifest(folder: Path) -> CacheManifest:
    """Read a manifest; raises CacheError when it is missing, changed or of another version."""
    file = folder / MANIFEST_NAME
    try:
        text = file.read_text(encoding="utf-8")
        values = json.loads(text)
    except FileNotFoundError:
        raise CacheError(f"{file}: no image cache here, or its build has not finished") from None
    except (OSError, ValueError) as error:
        raise CacheError(f"{file}: not the manifest of an image cache: {error}") from error
    if not isinstance(values, dict) or "schema_version" not in values:
        raise CacheError(f"{file}: not the manifest of an image cache")
    if values["schema_version"] != CACHE_SCHEMA:
        raise CacheError(f"{file}: made by another version of Kerley; build the cache again")
    values.pop(SEAL, None)
    if text != _seal(values):
        raise CacheError(f"{file}: changed since it was written; build the cache again")
    try:
        manifest = CacheManifest.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise CacheError(f"{file}: not the manifest of an image cache: {error}") from error
    if manifest.preprocessing_hash != manifest.settings.preprocessing_hash:
        raise CacheError(f"{file}: made by another version of Kerley; build the cache again")
    return manifest


def _seal(values: dict[str, Any]) -> str:
    """The one text of a manifest: any other byte in the file is found."""
    return json.dumps(values | {SEAL: hash_json(values)}, indent=2, ensure_ascii=False) + "\n"
