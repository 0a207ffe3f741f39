"""From a run, a grader or a label table to its lineage, and where its things lie on this disk.

Runs and graders import what trains them, which takes seconds; a label table does not.
"""

from __future__ import annotations

from pathlib import Path

from data_cards.lineage import LineageError
from data_cards.lineage_tables import NO_MANIFEST, Trace, read_any_manifest, trace_table
from joint.lineage.found import Found

SETTINGS_NAME = "settings.yaml"
PREDICTIONS_NAMES = {"predictions.parquet", "predictions.csv"}
CARD_NAME = "grader.json"
MODEL_NAMES = ("classifier.json", "segmenter.json")
"""By these a folder is known; the modules that write them are too slow to import for a table."""


def find_lineage(given: Path) -> Found:
    """Find the lineage of a run folder, a grader's or another model's, or a label table.

    Raises LineageError where none of these lies, or nothing there says what it was made from;
    GraderError, ModelFolderError and RunFolderError for damaged ones.
    """
    is_predictions = given.name in PREDICTIONS_NAMES and (given.parent / SETTINGS_NAME).is_file()
    if given.is_file() and not is_predictions:
        return _find_of_table(given)
    home = given.parent if is_predictions else given
    if (home / CARD_NAME).is_file():
        from joint.lineage.runs import find_of_grader

        return find_of_grader(home)
    if any((home / name).is_file() for name in MODEL_NAMES):
        from joint.image_runs.lineage_places import find_of_model

        return find_of_model(home)
    if (home / SETTINGS_NAME).is_file():
        from joint.lineage.runs import find_of_run

        return find_of_run(home)
    what = "neither run nor model lies there" if given.is_dir() else "no such file or folder"
    raise LineageError(
        f"{given}: {what}; expected a run folder ({SETTINGS_NAME}), a model's folder"
        f" ({CARD_NAME}, {', '.join(MODEL_NAMES)}) or a label table (Parquet)"
    )


def _find_of_table(table: Path) -> Found:
    if table.suffix != ".parquet":
        raise LineageError(f"{table}: not a label table in Parquet; other files have no manifest")
    manifest = read_any_manifest(table)
    if manifest is None:
        raise LineageError(f"{table}: {NO_MANIFEST}")
    trace = Trace()
    trace_table(trace, table, manifest.table_hash)
    return Found(trace.lineage(), trace.places)
