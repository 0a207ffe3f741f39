"""An audit in Label Studio's JSON: one task per item, its reads, and the labeler's call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from text_labeler.audit.answers import list_verdicts
from text_labeler.audit.conflicts import SEVERITY, group_reads, name_call
from text_labeler.audit.records import Item, Read, Verdict

LABELING_CONFIG = """<View>
  <Header value="$finding"/>
  <Text name="report" value="$report"/>
  <Choices name="verdict" toName="report" choice="single" showInLine="true">
{choices}
  </Choices>
</View>
"""
"""For the settings of a Label Studio project that takes these tasks."""


def make_labeling_config() -> str:
    """Return the labeling interface that the tasks are made for."""
    verdicts = dict.fromkeys((*list_verdicts(""), *list_verdicts(SEVERITY)))
    return LABELING_CONFIG.format(
        choices="\n".join(f'    <Choice value="{verdict}"/>' for verdict in verdicts)
    )


def make_tasks(
    items: Sequence[Item],
    reads: Sequence[Read],
    names: Mapping[str, str],
    reports: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the tasks of all items that were read (Label Studio's JSON format, 1.x).

    names: readers' pseudonyms. reports: by study id; a study without one has an empty report.
    """
    of_item = group_reads(reads)
    return [
        {
            "id": number,
            "data": {
                "item_id": item.item_id,
                "study_id": item.study_id,
                "finding": item.finding,
                "report": reports.get(item.study_id, ""),
            },
            "annotations": [_annotate(read, names) for read in of_item[item.item_id]],
            "predictions": [
                {
                    "model_version": "labeler",
                    "result": [_choose(name_call(item.finding, item.call), "labeler")],
                }
            ],
        }
        for number, item in enumerate(items, start=1)
        if item.item_id in of_item
    ]


def _annotate(read: Read, names: Mapping[str, str]) -> dict[str, Any]:
    result = _choose(read.verdict, f"event-{read.event}")
    words = [names[read.reader], read.purpose, *([read.note] if read.note else []), *read.flags]
    return {
        "id": read.event,
        "created_at": read.at,
        "lead_time": read.seconds,
        "was_cancelled": False,
        "ground_truth": read.purpose == "adjudication",
        "result": [{**result, "meta": {"text": words}}],
    }


def _choose(verdict: Verdict, result_id: str) -> dict[str, Any]:
    return {
        "id": result_id,
        "from_name": "verdict",
        "to_name": "report",
        "type": "choices",
        "value": {"choices": [verdict]},
    }
