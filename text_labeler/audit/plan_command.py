"""The commands `kerley audit plan`, `estimate` and `recompute`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from text_labeler.command_error import CommandError


def plan(
    labels: Annotated[Path, typer.Argument(help="The label table to audit (Parquet).")],
    source: Annotated[
        str, typer.Option(help="Its reports: a corpus, a table, a folder, or hub:owner/name.")
    ],
    finding: Annotated[
        list[str], typer.Option(help="What to audit: a finding or edema_severity. Repeat it.")
    ],
    promise: Annotated[
        str, typer.Option(help='What is to be proved, as "precision >= .9, recall >= .8".')
    ],
    out: Annotated[Path, typer.Option(help="The audit's folder; it will hold report texts.")],
    root: Annotated[Path | None, typer.Option(help="Where the corpus lies.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=1, help="For the first reads; else what is needed.")
    ] = None,
    pace: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds for one read; else as measured in --exclude, or 20."),
    ] = None,
    pool: Annotated[
        Literal["hold_out", "tune"],
        typer.Option(help="hold_out: to measure by. tune: to mend rules by."),
    ] = "hold_out",
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Other audits whose studies must not be drawn.")
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option(help="Another labeler's table: where they differ is a stratum of its own."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="STRATUM=SHARE of studies with the finding, where you know better."),
    ] = None,
    uncertain: Annotated[
        Literal["not_positive", "positive"],
        typer.Option(help="How an uncertain call and an uncertain verdict count."),
    ] = "not_positive",
    repair: Annotated[
        int, typer.Option(min=0, help="Also queue so many suspicious studies of each finding.")
    ] = 0,
    repair_by: Annotated[
        str, typer.Option(help="disagreement, entropy, image, or a column of scores.")
    ] = "entropy",
    predictions: Annotated[
        Path | None, typer.Option(help="A model's predictions of the images (CSV or Parquet).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    store: Annotated[
        str | None, typer.Option(help="A PostgreSQL URL, if not SQLite in the folder.")
    ] = None,
) -> None:
    """Draw a published sample of reports to read: enough to prove how good the labels are."""
    from text_labeler.audit.plan_making import PlanChoices, make_audit
    from text_labeler.audit.plan_report import tell_plan

    choices = PlanChoices(
        labels=labels,
        source=source,
        root=root,
        findings=tuple(finding),
        promise=promise,
        minutes=minutes,
        pace=pace,
        pool=pool,
        exclude=tuple(exclude or ()),
        others=tuple(other or ()),
        expected=_read_shares(expect or []),
        uncertain_as=uncertain,
        repair=repair,
        repair_by=repair_by,
        predictions=predictions,
        seed=seed,
        store=store,
    )
    made = make_audit(choices, out)
    for line in tell_plan(made.plan, made.forecasts, made.strata, made.sufficient):
        print(line)
    if pool == "hold_out" and not exclude:
        print("were rules mended by another audit? give it by --exclude: no study is in both then")
    if made.silent:
        print(f"{made.silent} studies have no report and are left out")
    if repair:
        print(f"{made.repairs} labels in the repair queue by {repair_by}; they feed no estimate")
    print(f"{made.file}: {made.plan.reads} items drawn; kerley audit serve {out} opens them")


def estimate(
    audit: Annotated[Path, typer.Argument(help="The audit's folder.")],
    labels: Annotated[
        Path | None, typer.Option(help="A later version of the labels, judged by these reads.")
    ] = None,
    planned: Annotated[
        Path | None, typer.Option(help="With --labels: the table that the audit was planned from.")
    ] = None,
    other: Annotated[
        list[Path] | None, typer.Option(help="With --labels: the other tables of the plan.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Write the certificate into this folder (JSON, HTML).")
    ] = None,
) -> None:
    """Say how good the labels are by what was read so far, and what is still missing."""
    from text_labeler.audit.plan_making import estimate_audit
    from text_labeler.audit.plan_report import tell_estimate

    if (labels is None) != (planned is None):
        raise CommandError(
            "--labels goes with --planned, the table that the audit was planned from"
        )
    versions = None if labels is None or planned is None else (planned, labels)
    found, written = estimate_audit(audit, versions, tuple(other or ()), certificate)
    for line in tell_estimate(found):
        print(line)
    if written is not None:
        print(f"{written.json} and {written.html}: the certificate")


def recompute(
    certificate: Annotated[Path, typer.Argument(help="A certificate (JSON).")],
) -> None:
    """Make the numbers of a certificate again, from what it holds alone."""
    from text_labeler.audit.certificate import read_certificate
    from text_labeler.audit.plan_report import tell_estimate

    for line in tell_estimate(read_certificate(certificate).estimate):
        print(line)
    print(f"{certificate}: its reads give these very numbers")


def _read_shares(given: list[str]) -> dict[str, float]:
    shares = {}
    for one in given:
        name, _, share = one.partition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            raise CommandError(f"--expect {one}: expected STRATUM=SHARE, a number") from None
    return shares
