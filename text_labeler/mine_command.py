"""The command `kerley mine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from text_labeler.command_error import CommandError

if TYPE_CHECKING:
    from data_cards.report_table.reader import ReportColumns
    from data_cards.study import Listing
    from text_labeler.score_sheet import ScoreSheet


def mine(
    source: Annotated[
        str,
        typer.Argument(
            help="A corpus; a CSV, JSONL or Parquet of reports; a folder of .txt reports;"
            " hub:owner/name[:config][:split]."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The label table to write (Parquet).")],
    root: Annotated[Path | None, typer.Option(help="Where the corpus lies.")] = None,
    study_column: Annotated[
        str | None, typer.Option(help="The table's column of study ids, if not study_id.")
    ] = None,
    report_column: Annotated[
        str | None, typer.Option(help="The table's column of reports, if not report.")
    ] = None,
    patient_column: Annotated[
        str | None, typer.Option(help="The table's column of patients, if not patient_id.")
    ] = None,
    labeler: Annotated[
        str,
        typer.Option(help="kerley, or miccai2020: the founding paper's keywords, severity only."),
    ] = "kerley",
    profile: Annotated[
        str | None, typer.Option(help="What counts as which finding (kerley: chexpert).")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A folder of rules of your own, laid over Kerley's.")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            help="table; or a CSV beside it: mimic, or chexpert, as chexpert-labeler writes it:"
            " that one HOLDS THE TEXT OF THE REPORTS.",
        ),
    ] = "table",
    gold: Annotated[
        list[Path] | None,
        typer.Option(help="A reference to score the labels against, for their card."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[str, typer.Option(help="processes of this machine, or dask.")] = "processes",
    cluster: Annotated[
        str | None,
        typer.Option(help="With dask: the scheduler's address; else a cluster of --workers here."),
    ] = None,
) -> None:
    """Label the reports of a corpus, with the words behind each label."""
    from data_cards.corpora import read_source
    from text_labeler.engines import make_engine
    from text_labeler.label_card import write_label_card
    from text_labeler.label_formats import FORMATS, write_label_csv
    from text_labeler.labelers import make_labeler, read_labeler_settings
    from text_labeler.mining import mine_corpus

    if layout not in FORMATS:
        raise CommandError(f"--format {layout}: expected one of {', '.join(FORMATS)}")
    # Before the corpus is read: a mistake in the rules is told at once.
    settings = read_labeler_settings(labeler, profile=profile, rules=rules)
    make_labeler(settings)
    columns = _name_columns(study_column, report_column, patient_column)
    table = out if layout == "table" else out.with_suffix(".parquet")
    _check_gold(table, gold or [])
    with make_engine(engine, workers=workers, cluster=cluster) as runner:
        listing = read_source(source, root, columns=columns)
        manifest = mine_corpus(listing, table, settings, runner)
    card = write_label_card(table, manifest, _score_gold(table, gold or [], listing))
    rate = manifest.studies / max(manifest.seconds, 1e-3)
    print(f"{table}: {manifest.studies} studies in {manifest.seconds:.1f} s ({rate:.0f}/s)")
    severity = manifest.counts["edema_severity"]
    print("edema severity: " + ", ".join(f"{name}: {n}" for name, n in severity.items()))
    if manifest.skipped:
        print(f"{len(manifest.skipped)} left out or read in part; the manifest lists them")
    print(f"{card}: the card of the table")
    if layout != "table":
        write_label_csv(table, table.with_suffix(".csv"), layout, listing)
        print(f"{table.with_suffix('.csv')}: in the layout of {layout}")


def _check_gold(table: Path, gold: list[Path]) -> None:
    """Read the references before hours of mining, and refuse to write over one."""
    from configs.files import find_overwritten
    from text_labeler.gold import read_gold
    from text_labeler.label_card import card_path

    lost = find_overwritten([table, card_path(table)], gold)
    if lost is not None:
        raise CommandError(f"{lost}: is a reference (--gold) and would be written over")
    for file in gold:
        read_gold(file)


def _score_gold(table: Path, gold: list[Path], listing: Listing) -> dict[Path, ScoreSheet]:
    from text_labeler.score_files import score_files
    from text_labeler.score_sheet import ScorePolicy

    if not gold:
        return {}
    return score_files(table, gold, ScorePolicy(), listing=listing).sheets


def _name_columns(
    study: str | None, report: str | None, patient: str | None
) -> ReportColumns | None:
    from data_cards.report_table.reader import ReportColumns

    given = {"study": study, "report": report, "patient": patient}
    named = {name: column for name, column in given.items() if column is not None}
    return ReportColumns(**named) if named else None
