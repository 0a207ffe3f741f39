from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import kerley
from data_cards.corpora import CORPORA

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    """The real command line, without a new process for each call."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["kerley", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            kerley.main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run


def make_tree(root: Path, **contents: str) -> Path:
    for place, content in contents.items():
        file = root / place.replace("_", "/") / "1.png"
        file.parent.mkdir(parents=True)
        file.write_text(content)
    return root


def test_every_corpus_is_listed(run):
    done = run("corpora", "list")
    names = [line.split()[0] for line in done.out.splitlines()]
    assert names == list(CORPORA)


@pytest.mark.parametrize("place", ["file/new.json", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(run, tmp_path, place):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    done = run("transition", "--out", tmp_path / place)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"kerley: {tmp_path / place.split('/')[0]}: ")


def test_a_card_is_printed(run):
    card = (ROOT / "data_cards/openi/README.md").read_text(encoding="utf-8")
    assert run("corpora", "describe", "openi").out.strip() == card.strip()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [("other", 0, "no problem found"), ("same", 1, "PROBLEM: 1 images")],
)
def test_a_check_ends_with_1_when_a_split_leaks(run, tmp_path, content, code, said):
    make_tree(tmp_path, train_A="same", test_A=content)
    done = run("corpora", "check", "image_folder", "--root", tmp_path)
    assert (done.code, done.err) == (code, "")
    assert said in done.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", "openi", "--root", "nowhere"), "kerley: nowhere: the root of corpus 'openi'"),
        (("check", "mimic", "--root", "."), "kerley: 'mimic': no such corpus"),
        (("describe", "mimic"), "kerley: 'mimic': no such corpus"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, arguments, expected):
    done = run("corpora", *arguments)
    assert done.code == 2
    assert done.err.startswith(expected)
    assert done.err.count("\n") == 1
