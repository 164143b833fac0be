PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser test-slow test-docs test-kserve soak lint types check docs format lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(STAMP)  ## make the virtual environment and install exact versions into it

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## run the walk on the embedded data, offline: table, plot, advice in runs/demo
	HF_HUB_OFFLINE=1 $(BIN)/packlight run --out runs/demo

test: $(STAMP)  ## run the tests, under 10 minutes on 2 cores; `check`, `test-slow`, `test-docs` and `test-kserve` run more
	$(BIN)/python -m pytest -m "not browser and not slow and not network and not alone and not docs" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m "alone and not slow"

test-browser: $(STAMP)  ## open the report in headless Chromium (Debian's package chromium, or PACKLIGHT_CHROMIUM)
	$(BIN)/python -m pytest -m browser tests/browser

test-slow: $(STAMP)  ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow

test-docs: $(STAMP)  ## run the tutorial and the guides on the real sample data and compare what they print
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m docs tests/test_hands_on.py

test-kserve: $(STAMP)  ## ask a server with KServe's client and its classes for the manifest, in an environment of its own
	$(PYTHON) -m venv .venv-kserve
	.venv-kserve/bin/python -m pip install --quiet --disable-pip-version-check kserve
	PACKLIGHT_KSERVE_PYTHON=.venv-kserve/bin/python $(BIN)/python -m pytest tests/test_serve_kserve.py tests/test_deploy_kserve.py

soak: $(STAMP)  ## ten minutes of steady load on a server of runs/demo, with memory that must stay flat
	$(BIN)/python benchmarks/serve_soak.py runs/demo/variants/student-onnx-static --minutes 10

lint: $(STAMP)  ## check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)  ## check types
	$(BIN)/mypy

check: lint types test test-browser docs  ## all that CI runs

docs: $(STAMP)  ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(STAMP)  ## mend style where that can be done by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(STAMP)  ## write the exact versions of this environment into requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable --exclude packlight | sed -E 's/\+cpu//' > requirements.lock

clean:  ## remove the environment and caches, not the runs
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache dist build
