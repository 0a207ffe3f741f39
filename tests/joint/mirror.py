"""Reads W&B's offline files without a server: a log of checksummed pieces in blocks (LevelDB's)."""

from __future__ import annotations

import json
import struct
import zlib

HEADER_BYTES, BLOCK_BYTES, FIRST_PARTS, LAST_PARTS = 7, 32768, (1, 2), (1, 4)


def read_records(file):
    """Yield the records of a `.wandb` file; what a killed process cut off ends it."""
    from wandb.proto import wandb_internal_pb2

    data, position, buffer = file.read_bytes(), HEADER_BYTES, b""
    assert data[:4] == b":W&B"
    while position + HEADER_BYTES <= len(data):
        left = BLOCK_BYTES - position % BLOCK_BYTES
        if left < HEADER_BYTES:
            position += left
            continue
        checksum, size, kind = struct.unpack("<IHB", data[position : position + HEADER_BYTES])
        piece = data[position + HEADER_BYTES : position + HEADER_BYTES + size]
        if len(piece) < size:
            return
        assert zlib.crc32(piece, zlib.crc32(bytes([kind]))) == checksum
        buffer = piece if kind in FIRST_PARTS else buffer + piece
        position += HEADER_BYTES + size
        if kind in LAST_PARTS:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(buffer)
            yield record


def find_mirror(folder):
    """Give the only mirror of a run folder."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return file


def records(folder, kind):
    """Give the records of one kind in the only mirror of a run folder."""
    found = read_records(find_mirror(folder))
    return [getattr(each, kind) for each in found if each.WhichOneof("record_type") == kind]


def key_of(item):
    return item.key or ".".join(item.nested_key)


def values_of(items):
    return {key_of(item): json.loads(item.value_json) for item in items}


def history(folder):
    """Give the logged rows without W&B's own columns; charts are dicts by dotted names."""
    rows = [values_of(row.item) for row in records(folder, "history")]
    return [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]


def config(folder):
    """Give what a run says of its settings."""
    return values_of(records(folder, "run")[0].config.update)


def summary(folder):
    """Give the last value of each number of the summary."""
    found = {}
    for record in records(folder, "summary"):
        found |= values_of(record.update)
    return found


def exit_codes(folder):
    return [record.exit_code for record in records(folder, "exit")]


def artifacts(folder):
    """Give the artifacts that a run made by name, without the tables of its charts."""
    made = [each for each in records(folder, "artifact") if each.type != "run_table"]
    return {each.name: each for each in made}


def entries(artifact):
    return [entry.path for entry in artifact.manifest.contents]


def sendable(folder):
    """Give all bytes that `wandb sync` would send, by where they come from.

    The paths on this disk by which it finds the files are not sent.
    """
    sent = {}
    for number, record in enumerate(read_records(find_mirror(folder))):
        if record.WhichOneof("record_type") == "artifact":
            record.artifact.manifest.manifest_file_path = ""
            for entry in record.artifact.manifest.contents:
                entry.local_path = ""
        sent[f"record {number}"] = record.SerializeToString()
    for place in (find_mirror(folder).parent / "files", folder / "wandb" / "data"):
        files = [path for path in place.rglob("*") if path.is_file()]
        sent |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return sent
