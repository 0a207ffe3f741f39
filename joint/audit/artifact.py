"""An audit's export at W&B: numbers and hashes; its texts and ids only when asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from configs.files import hash_file, write_json
from joint.tracking.artifacts import ArtifactCard
from joint.tracking.settings import WandbMode
from joint.tracking.wandb_run import RunName, make_artifact, make_environment, start_run, tear_down
from text_labeler.audit.certificate import Certificate, read_certificate
from text_labeler.audit.exporting import Exported
from text_labeler.audit.records import AuditError

TIMEOUT_SECONDS = 30.0


def log_export(exported: Exported, project: str, mode: WandbMode, *, with_text: bool) -> Path:
    """Log an export as artifact `audit` of a run of its own; return the folder of W&B's files.

    Its card has the hashes of labels, sample, log and files, and each measure with its interval;
    the log's head and the measures are the run's summary too. with_text: the files of the export
    go along. Raises AuditError where W&B fails: who asks for it must know; the export stays.
    """
    import wandb

    home = exported.folder.resolve()
    card = describe_export(exported)
    place = home / "wandb" / "upload" / card.name
    files = [_write_card(card, place)]
    if with_text:
        files += [Path(shutil.copy2(file, place)) for file in exported.files]
    name = RunName(f"audit-{card.alias}", project, "audit", "audit", TIMEOUT_SECONDS)
    with _environment(make_environment(home)):
        try:
            run = start_run(mode, name, home=home, config={})
            run.log_artifact(make_artifact(card, files, root=place), aliases=[card.alias])
            run.summary.update({"log_head": card.hash, **card.content["measures"]})
            run.finish()
        except wandb.Error as error:
            # The kind of error only: W&B's messages can hold paths and names.
            raise AuditError(f"W&B did not take the audit: {type(error).__name__}") from error
        finally:
            tear_down()
    return home / "wandb"


def describe_export(exported: Exported) -> ArtifactCard:
    """Say of an export what may leave: counts, hashes, and the certificate's measures."""
    certificate = read_certificate(exported.folder / "certificate.json")
    content = {
        "kind": "audit",
        "hash": exported.log_head,
        "labels": certificate.plan.labels.table_hash,
        "sampling_list": certificate.plan.sampling_hash,
        "pool": certificate.plan.pool,
        "counts": {
            "items": exported.items,
            "settled": exported.settled,
            "reads": exported.reads,
            "standing": exported.standing,
            "readers": len({read.reader for read in certificate.reads}),
        },
        "measures": dict(_list_measures(certificate)),
        "files": {file.name: hash_file(file) for file in exported.files},
    }
    return ArtifactCard("audit", exported.log_head, content)


def _list_measures(certificate: Certificate) -> Iterator[tuple[str, float]]:
    for finding in certificate.estimate.findings:
        for one in finding.measures:
            if one.interval is not None:
                start = f"{finding.finding}/{one.measure}"
                yield start, one.interval.value
                yield f"{start}/lower", one.interval.lower
                yield f"{start}/upper", one.interval.upper


def _write_card(card: ArtifactCard, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    write_json(place / "card.json", dict(card.content))
    return place / "card.json"


@contextmanager
def _environment(values: Mapping[str, Any]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
