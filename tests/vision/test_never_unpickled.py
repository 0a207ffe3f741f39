"""No code of the package can load a pickle: read from its syntax, not from its words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("configs", "data_cards", "text_labeler", "vision", "joint")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {
    *("torch.load", "torch.jit.load", "torch.export.load", "torch.hub.load"),
    *("torch.package.PackageImporter", "np.load", "numpy.load", "pd.read_pickle"),
    *("pandas.read_pickle", "eval", "exec"),
}
ARRAYS, REFUSES_PICKLES = {"np.load", "numpy.load"}, ("allow_pickle", False)
"""Arrays may be read where the call itself says that they hold no pickle."""
ARGUMENTS = {("weights_only", False), ("allow_pickle", True), ("trust_remote_code", True)}


def find_dangers(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in full if name in CALLS or name.split(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS and not (called in ARRAYS and REFUSES_PICKLES in _constants(node)):
                yield called
            for name, value in _constants(node):
                if (name, value) in ARGUMENTS:
                    yield f"{called}({name}={value})"


def _constants(call: ast.Call) -> list[tuple[str | None, object]]:
    return [
        (one.arg, one.value.value) for one in call.keywords if isinstance(one.value, ast.Constant)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "from torch import load",
        "x = torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.export.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path)",
        "torch.load(path, allow_pickle=False)",
        "builder(weights_only=False)",
    ],
)
def test_what_could_run_code_is_seen(source: str) -> None:
    assert list(find_dangers(source))


def test_the_package_never_unpickles() -> None:
    files = [ROOT / "kerley.py", *(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))]
    assert len(files) > 100
    found = {
        str(file.relative_to(ROOT)): dangers
        for file in files
        if (dangers := list(find_dangers(file.read_text(encoding="utf-8"))))
    }
    assert found == {}
