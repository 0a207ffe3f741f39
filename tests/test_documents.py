"""The documents say what the tree holds."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from data_cards.corpora import CORPORA
from kerley import app

ROOT = Path(__file__).parents[1]
ROOMS = ("configs", "data_cards", "text_labeler", "vision", "joint")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_readme_is_short_and_says_what_it_is_not() -> None:
    assert len(README.splitlines()) < 200
    assert "not for clinical use" in README.lower()


def test_readme_shows_the_two_commands_first() -> None:
    first_block = re.search(r"```.*?\n(.*?)```", README, re.DOTALL)
    assert first_block
    assert first_block[1].split("\n")[:2] == [
        "make demo    # the main job on the embedded corpus",
        "make test    # the same set-up, then the tests",
    ]


def test_the_map_of_the_rooms_names_every_file_and_no_other() -> None:
    block = re.search(r"<!-- map -->\n(.*?)<!-- /map -->", README, re.DOTALL)
    assert block
    named = set(re.findall(r"`([a-z_]+/[a-z_0-9/]*)`", block[1]))
    folders = {
        f"{path.relative_to(ROOT).as_posix()}/"
        for room in ROOMS
        for path in [ROOT / room, *(ROOT / room).rglob("*")]
        if path.is_dir() and any(path.glob("*.py"))
    }
    assert named == folders


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documents_exist(page: Path) -> None:
    known = set(get_command(app).commands)
    for command in re.findall(r"^\s*kerley ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE):
        assert command in known


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)
def test_every_corpus_has_a_card_in_the_hub_form(corpus) -> None:
    text = corpus.card.read_text(encoding="utf-8")
    front_matter = yaml.safe_load(text.split("---\n")[1])
    assert {"license", "pretty_name", "task_categories"} <= set(front_matter)


def test_citation_and_package_have_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert citation["version"] == package["project"]["version"]


def test_constraints_hold_exact_versions_and_no_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!-]+", line)] == []


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, kerley\n"
        "from typer.main import get_command\n"
        "get_command(kerley.app)\n"
        "heavy = {'torch', 'spacy', 'datasets', 'pandas', 'numpy', 'transformers', 'wandb'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
