PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= runs/demo

.PHONY: help setup check test demo fix constraints

help: ## what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Kerley needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar off --constraint constraints.txt --editable '.[dev,dicom-jpeg]'
	$(BIN)/kerley compile || echo 'The labeler stays plain Python, which is slower.'
	touch $@

setup: $(VENV)/.ready ## make the virtual environment and install Kerley from constraints.txt

check: setup ## style, types and the room plan
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup ## every test that is neither slow nor needs a GPU
	$(BIN)/python -m pytest -m 'not slow and not gpu'

demo: setup ## the main job on the embedded corpus: reports to grader, in under eight minutes
	$(BIN)/kerley demo --out $(DEMO)

fix: setup ## repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: setup ## write the exact versions that are installed now
	$(BIN)/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==' | sort -f > constraints.tmp
	mv constraints.tmp constraints.txt
