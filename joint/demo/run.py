"""The main job on the embedded corpus: from its reports to a grader, and a page to show."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from configs.files import write_json
from data_cards.corpora import find_corpus
from data_cards.label_table import read_label_table
from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from data_cards.phantom.truth import read_truth
from data_cards.study import Listing
from joint.demo.content import describe_demo
from joint.demo.record import DemoRecord
from joint.evaluation.controls import control_task
from joint.html_report import format_cell, metric_label, write_html_report, write_readme
from joint.joint_settings import JointTaskSettings
from joint.prepare import find_labels, prepare_data
from joint.report_content import ReportContent, ResultTable
from joint.run import RunResult, run_training
from joint.run_settings import RunSettings
from vision.grade_table import grade_files, tabulate, write_grades
from vision.grader import Grader

JOINT, IMAGE_ONLY, SHUFFLED = "joint", "image-only", "shuffled pairs"

logger = logging.getLogger(__name__)


class DemoError(ValueError):
    """A demo that cannot run as asked; the message says what was expected."""


SEVERITY_STATED = 0.3
"""Chance that a report of the demo says the severity: most archives are mostly silent."""


@dataclass(frozen=True)
class Demo:
    """What the demo left: page, README, grades of images it had never seen, and label table."""

    page: Path
    readme: Path
    grades: Path
    content: ReportContent
    labels: Path


def run_demo(out: Path, run: RunSettings, phantom: PhantomSettings, *, unseen: int = 60) -> Demo:
    """Make the phantom, mine, cache, train three arms, evaluate, calibrate, grade, and report.

    run: the joint arm, whose `data.root`, `data.work`, `out` and `evaluation.reference` are set
    to lie in `out`; the controls are derived from it. unseen: how many test images are graded
    from their files by the saved grader. Whatever stands already is used again.
    """
    clock = Clock(out / "seconds.json")
    corpus = out / "corpus"
    with clock.stage("corpus", f"drawing {phantom.studies} phantom studies"):
        make_phantom(corpus, phantom, workers=run.data.workers)
    arms = plan_arms(place_run(run, out))
    data = arms[JOINT].data
    listing = find_corpus(data.corpus).read(corpus)
    with clock.stage("mining", "mining labels from the reports"):
        labels = find_labels(listing, data, build=True)
    with clock.stage("images", "building the image cache"):
        prepare_data(data, build=True)
    results = {}
    for name, settings in arms.items():
        with clock.stage(f"training {name}", f"training and evaluating: {name}"):
            results[name] = _train(name, settings)
    grades = out / "grades.csv"
    with clock.stage("grading", f"grading {unseen} test images from their files"):
        files = choose_unseen(listing, unseen)
        grader = Grader.load(results[JOINT].folder.grader)
        records = tabulate(files, grade_files(grader, files))
        write_grades(records, grades)
    with clock.stage("report", "drawing the report"):
        record = DemoRecord(
            listing=listing,
            phantom=phantom,
            truth=read_truth(corpus),
            labels=read_label_table(labels),
            label_path=labels,
            arms=results,
            settings=arms[JOINT],
            grader=grader,
            files=files,
            records=records,
            seconds=clock.seconds,
        )
        content = describe_demo(record)
        write_html_report(out / "report.html", content)
        write_readme(out / "README.md", content)
    return Demo(out / "report.html", out / "README.md", grades, content, labels)


def place_run(run: RunSettings, out: Path) -> RunSettings:
    """Point a run at the phantom in `out`, judged by the phantom's truth."""
    data = run.data.model_copy(update={"root": out / "corpus", "work": out / "work"})
    evaluation = run.evaluation.model_copy(
        update={"reference": out / "corpus" / "truth" / "studies.parquet"}
    )
    return run.model_copy(update={"data": data, "evaluation": evaluation, "out": out / "arms"})


def plan_arms(run: RunSettings) -> dict[str, RunSettings]:
    """Derive the two controls from the joint run: same images, labels, batches and steps."""
    task = run.task
    if not isinstance(task, JointTaskSettings):
        raise DemoError(f"task.kind: expected joint, found {task.kind}")
    tasks = {
        JOINT: task,
        IMAGE_ONLY: control_task(task, "image_only"),
        SHUFFLED: control_task(task, "shuffled_pairs"),
    }
    return {
        name: run.model_copy(update={"name": name.replace(" ", "-"), "task": task})
        for name, task in tasks.items()
    }


def choose_unseen(listing: Listing, count: int) -> list[Path]:
    """Give frontal images of test studies, one per study, in the corpus's order."""
    test = (study for study in listing.studies if study["split"] == "test")
    frontal = (
        next((image["path"] for image in study["images"] if image["view"] != "LATERAL"), None)
        for study in test
    )
    return [Path(path) for path in frontal if path][:count]


class Clock:
    """Times the stages of the demo; a later run that finds a stage done leaves its time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: dict[str, float] = (
            json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        )

    @contextmanager
    def stage(self, name: str, doing: str) -> Iterator[None]:
        """Announce a stage and time it; of several runs the longest counts, which did the work."""
        logger.info("%s", doing)
        start = time.monotonic()
        yield
        spent = round(time.monotonic() - start, 1)
        self.seconds[name] = max(spent, self.seconds.get(name, 0.0))
        write_json(self.file, self.seconds)


def _train(name: str, settings: RunSettings) -> RunResult:
    result = run_training(settings)
    if result.evaluation is None:
        raise DemoError(f"{name}: interrupted at step {result.report.progress.step}; start again")
    return result


def demo_phantom(*, studies: int, size: int, seed: int) -> PhantomSettings:
    """Give the settings of the demo's phantom."""
    return PhantomSettings(studies=studies, size=size, seed=seed, severity_stated=SEVERITY_STATED)


def describe_demo_result(demo: Demo) -> list[str]:
    """Say in lines of text what the demo found and where it lies."""
    content = demo.content
    lines = ["", *content.summary, ""]
    for table in (*content.label_worth[:1], *content.results, *content.differences):
        lines += [table.title, *format_table(table), ""]
    lines += [f"page    {demo.page}", f"README  {demo.readme}", f"grades  {demo.grades}"]
    return [*lines, "", "read some of its labels yourself, and know how wrong the rest are:"] + [
        f"  {command}" for command in tell_audit(demo)
    ]


def tell_audit(demo: Demo) -> list[str]:
    """Give the commands that audit the demo's labels of edema in about forty minutes."""
    out = demo.page.parent
    audit = out / "audit"
    return [
        f"kerley audit plan {demo.labels} --source phantom --root {out / 'corpus'}"
        f' --finding Edema --promise "precision >= .8, recall >= .7" --minutes 40 --out {audit}',
        f"kerley audit serve {audit} --open",
    ]


def format_table(table: ResultTable) -> list[str]:
    """Lay a table out in lines of text: one line per metric, one column per row of the table."""
    width = 2 + max(len(format_cell(cell)) for row in table.rows.values() for cell in row.values())
    width = max(width, 2 + max(map(len, table.rows)))
    head = " " * 16 + "".join(f"{name:>{width}}" for name in table.rows)
    signed = table.kind == "differences"
    body = [
        f"{metric_label(name):16}"
        + "".join(
            f"{format_cell(row.get(name), signed=signed):>{width}}" for row in table.rows.values()
        )
        for name in table.columns
    ]
    return [head, *body]
