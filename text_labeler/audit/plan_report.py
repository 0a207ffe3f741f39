"""A plan and an estimate as lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from text_labeler.audit.allocation import FLOOR, ExpectedStratum
from text_labeler.audit.certificate import tell_interval, tell_share
from text_labeler.audit.estimating import Estimate, FindingEstimate
from text_labeler.audit.forecast import LIKELY, Forecast
from text_labeler.audit.intervals import PROVABLE_RATES, count_clean_reads
from text_labeler.audit.judging import PromiseState
from text_labeler.audit.planning import AuditPlan, FindingPlan
from text_labeler.audit.reader_errors import ReaderErrors


def tell_plan(
    plan: AuditPlan,
    forecasts: Sequence[Sequence[Forecast]],
    strata: Sequence[Sequence[ExpectedStratum]],
    sufficient: Sequence[int | None],
) -> Iterator[str]:
    """Give the lines of a plan: strata, what to expect, whether the reads suffice, the clean table.

    Of each finding: its forecast, its expected strata, and how many reads would suffice.
    """
    for one, forecast, expected, enough in zip(
        plan.findings, forecasts, strata, sufficient, strict=True
    ):
        yield from _tell_strata(one, expected)
        yield from _tell_forecast(plan, one, forecast, enough)
        yield ""
    pace, double = plan.pace_seconds, sum(one.double_reads for one in plan.findings)
    yield f"{plan.reads} first reads take {plan.minutes:.0f} minutes at {pace:g} s each;"
    yield (
        f"a second reader reads {double} of them ({double * pace / 60:.0f} minutes), and each"
        " difference from the labeler with a decoy beside it"
    )
    population = sum(one.population for one in plan.findings[0].strata)
    yield f"clean reads that prove an error rate, of {population} studies:"
    yield "  " + "   ".join(
        f"≤ {rate:.1%}: {count_clean_reads(rate, population)}" for rate in PROVABLE_RATES
    )


def _tell_strata(one: FindingPlan, expected: Sequence[ExpectedStratum]) -> Iterator[str]:
    is_severity = one.strata[0].stratum.startswith("grade") or one.finding == "edema_severity"
    title = "expected wrong" if is_severity else "expected to have it"
    yield f"{one.finding}"
    yield f"  {'stratum':<18} {'studies':>8} {'reads':>6}   {title}"
    for stratum, guess in zip(one.strata, expected, strict=True):
        few = "  below the floor" if stratum.reads < min(FLOOR, stratum.population) else ""
        if few and stratum.reads == guess.room:
            few = f"  all that other audits left, which drew {guess.held}"
        yield (
            f"  {stratum.stratum:<18} {stratum.population:>8} {stratum.reads:>6}"
            f"   {guess.share:.1%}{few}"
        )


def _tell_forecast(
    plan: AuditPlan, one: FindingPlan, forecast: Sequence[Forecast], enough: int | None
) -> Iterator[str]:
    for measure in forecast:
        if measure.width is None:
            yield f"  {measure.measure}: not defined, no study is called positive"
            continue
        kept = "" if measure.kept is None else f", proved in {measure.kept:.0%} of such audits"
        yield (
            f"  {measure.measure}: about {tell_share(measure.value)}"
            f" ({tell_share(measure.lower)}–{tell_share(measure.upper)}, {measure.width:.3f} wide)"
            f"{kept}"
        )
    promised = [measure.kept for measure in forecast if measure.kept is not None]
    if not promised:
        return
    if min(promised) >= LIKELY:
        yield f"  {one.reads} reads suffice for what is promised, if the labels are as expected"
    elif enough is None:
        yield (
            "  no number of reads proves what is promised, if the labels are as expected; promise"
            " less, or say what you expect (--expect STRATUM=SHARE)"
        )
    else:
        minutes = enough * plan.pace_seconds / 60
        yield (
            f"  {one.reads} reads do not suffice; about {enough} would ({minutes:.0f} minutes for"
            " this finding)"
        )


def tell_estimate(estimate: Estimate) -> Iterator[str]:
    """Give the lines of an estimate: measures with intervals, promises, agreement, readers."""
    labels = estimate.labels
    yield f"labels {labels.name} ({labels.labeler} {labels.labeler_version}), pool {estimate.pool}"
    uncertain = estimate.uncertain_as.replace("_", " ")
    yield f"uncertain counts as {uncertain}, of labeler and reader"
    if estimate.pace_seconds is not None:
        yield f"measured pace: {estimate.pace_seconds:.1f} s a read"
    for one in estimate.findings:
        yield ""
        yield from _tell_finding(one)
    yield ""
    for reader in estimate.readers:
        yield _tell_reader(reader)


def _tell_finding(one: FindingEstimate) -> Iterator[str]:
    left = [
        f"{number} {words}"
        for number, words in (
            (one.waiting, "waiting for a second read"),
            (one.open, "differences not settled"),
            (one.unclear, "unclear, left out"),
        )
        if number
    ]
    yield f"{one.finding}: {', '.join([f'{one.read} of {one.planned} read', *left])}"
    for measure in one.measures:
        line = f"  {measure.measure:<12} {tell_interval(measure.interval)}"
        if measure.interval is not None:
            always = measure.interval
            line += (
                f"   while reading {tell_share(always.always_lower)}–"
                f"{tell_share(always.always_upper)}"
            )
        if measure.if_slips is not None:
            line += f"   if open are slips {tell_share(measure.if_slips.value)}"
        if measure.if_unclear is not None:
            line += f"   if unclear {' to '.join(map(tell_share, sorted(measure.if_unclear)))}"
        yield line
    yield from (f"  {_tell_promise(state)}" for state in one.promises)
    if one.agreement is not None:
        for value in (one.agreement.agreed, *one.agreement.values):
            told = value.reason
            if value.value is not None:
                told = tell_share(value.value) + (
                    f" ({tell_share(value.lower)}–{tell_share(value.upper)})"
                    if value.lower is not None
                    else f" ({value.reason})"
                )
            yield f"  {value.name}: {told}, n={one.agreement.items}"
    yield from (f"  warning: {warning}" for warning in one.warnings)


def _tell_promise(state: PromiseState) -> str:
    told = f"{state.promise}: {state.state}"
    if state.proved_always:
        return told + ", also for who looked while reading"
    if state.state != state.if_planned:
        told += (
            f" until all of the sample is read ({state.if_planned} if it were planned to end here)"
        )
    if state.more_reads is not None:
        return told + f"; about {state.more_reads} more clean reads would prove it"
    return told


def _tell_reader(one: ReaderErrors) -> str:
    told = f"{one.reader}: {one.reads} blind reads, {one.differing} differ from the labeler"
    if not one.checked:
        return told + "; nobody has checked this reader, whose own errors are not known"
    return told + (
        f"; of {one.checked} checked {one.wrong} were wrong, {one.undecided} undecided"
        f" ({tell_share(one.lower)}–{tell_share(one.upper)})"
    )
