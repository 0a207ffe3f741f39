"""The labeler's inner modules compiled to C by `kerley compile`: the same code, labelling faster.

What was compiled lies in the environment under the hash of its source. When the source changes, the
hash does, and plain Python is used until it is compiled again: an edit always counts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

MODULES = (
    "aggregation", "assertion", "attributes", "grade_words", "labeler", "mentions", "phrases",
    "reading", "sections", "sentences", "severity",
)  # fmt: skip
PACKAGES = ("configs", "data_cards", "text_labeler")
"""What the compiled modules are made of, or rely on."""

ROOT_VARIABLE = "KERLEY_COMPILED"
"""Names another folder for compiled modules; `0`: use plain Python."""

_SOURCE = Path(__file__).parents[1]
_SUFFIXES = {".so", ".pyd"}


class CompileError(ValueError):
    """Modules that could not be compiled; the message says what is missing."""


class CompiledFinder(MetaPathFinder):
    """Finds the compiled modules in a folder; all others are left to Python's own finders."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            f"text_labeler.{file.name.split('.')[0]}": file
            for file in (folder / "text_labeler").iterdir()
        }

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """Return where a compiled module lies."""
        file = self._files.get(name)
        return None if file is None else spec_from_file_location(name, file)


def use_compiled() -> None:
    """Let modules be found among the compiled ones first, when there are any of this source."""
    folder = _name_folder()
    if folder is not None and folder.is_dir():
        sys.meta_path.insert(0, CompiledFinder(folder))
        sys.path.append(str(folder))  # for what the compiled modules share


def is_compiled() -> bool:
    """Tell whether compiled modules are in use."""
    return any(isinstance(finder, CompiledFinder) for finder in sys.meta_path)


def compile_modules() -> Path:
    """Compile the labeler's inner modules for this environment; return the folder they lie in.

    Raises CompileError where mypy or a C compiler is missing. Takes about a minute.
    """
    folder = _name_folder()
    if folder is None:
        raise CompileError(f"{ROOT_VARIABLE}=0: compiled modules are switched off")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that moving it there is one step.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as work:
            ready = _build(Path(work))
            shutil.rmtree(folder, ignore_errors=True)
            ready.replace(folder)
    except OSError as error:
        raise CompileError(
            f"{folder}: cannot be written ({error.strerror});"
            f" {ROOT_VARIABLE} may name another place"
        ) from error
    for other in folder.parent.iterdir():
        if other != folder and other.name.endswith(_tag()):
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _build(work: Path) -> Path:
    """Compile a copy of the source; return a folder with what was made and nothing else."""
    for package in PACKAGES:
        shutil.copytree(_SOURCE / package, work / package, ignore=_keep_modules)
    _run_mypyc([f"text_labeler/{name}.py" for name in MODULES], work)
    ready = work / "ready"
    (ready / "text_labeler").mkdir(parents=True)
    for place in (Path(), Path("text_labeler")):
        for file in (work / place).iterdir():
            if file.suffix in _SUFFIXES:
                file.replace(ready / place / file.name)
    return ready


def _keep_modules(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py")]


def _run_mypyc(modules: list[str], work: Path) -> None:
    try:
        subprocess.run(  # noqa: S603  our own files
            [sys.executable, "-m", "mypyc", *modules],
            cwd=work,
            env={**os.environ, ROOT_VARIABLE: "0"},
            check=True,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        raise CompileError(
            f"{said[-1] if said else error}; compiling needs mypy and setuptools (pip install"
            " 'kerley[compile]') and a C compiler"
        ) from error


def _name_folder() -> Path | None:
    root = os.environ.get(ROOT_VARIABLE) or str(Path(sys.prefix) / "lib" / "kerley-compiled")
    return None if root == "0" else Path(root) / f"{_hash_source()}-{_tag()}"


def _tag() -> str:
    return sys.implementation.cache_tag or "python"


def _hash_source() -> str:
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((_SOURCE / package).glob("*.py")):
            digest.update(f"{package}/{file.name}".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
