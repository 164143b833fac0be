PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# one stamp for each group of packages; all of them share the environment
DEMO := $(VENV)/.demo
ALL := $(VENV)/.all
TEST := $(VENV)/.test
DOCS := $(VENV)/.docs
LOCKED = $(PIP) --no-deps --require-hashes -r requirements/$(1).txt && $(PIP) --no-deps --no-build-isolation -e .
PACKAGES = $$($(1)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")
# an environment .venv-$(1) with the packages $(2), and all that .venv has
ON_TOP = $(PYTHON) -m venv .venv-$(1) && .venv-$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2) && \
    echo "import site; site.addsitedir('$(call PACKAGES,$(VENV))')" > "$(call PACKAGES,.venv-$(1))/packlight.pth"
# tests that need neither torch nor a model
LIGHT := $(addprefix tests/test_,$(addsuffix .py,measure_statistics measure_figures files formatting core_yaml runtime_ngrams origin \
    analysis_capacity_plan analysis_capacity_queueing serve_parts report_table))
TORCH := $(BIN)/python scripts/install_torch.py
# what `make test` runs side by side, and what `make coverage` counts
TOGETHER := -m "not browser and not slow and not network and not alone and not docs and not models and not walk and not root" -n 2
# the files with tests that load a server: to collect the others takes ten seconds
ALONE = $(shell grep -l "mark\.alone" tests/*.py)
WALKS = $(shell grep -lE "mark\.walk" tests/*.py)
# tests start many interpreters; without bytecode each would compile packlight again, and pytest each test file
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-walks test-browser test-models test-slow test-fuzz test-docs test-wheel test-lowest test-kserve test-optimum test-openvino test-ray test-spark test-postgres test-mariadb test-deploy coverage soak lint types check docs format lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(ALL)  ## create .venv and install packlight with everything in the extra `all`

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(DEMO) $(ALL) $(TEST): $(VENV)/.%: requirements/%.txt requirements/torch.txt requirements/torch-cpu.txt pyproject.toml | $(BIN)/python
	$(TORCH)
	$(call LOCKED,$*)
	@touch $@

$(DOCS): requirements/docs.txt pyproject.toml | $(BIN)/python
	$(call LOCKED,docs)
	@touch $@

demo: $(DEMO)  ## run the full pipeline on the bundled sample, offline; results in runs/demo
	HF_HUB_OFFLINE=1 $(BIN)/packlight run --out runs/demo

test: $(TEST)  ## run the tests (minutes on 2 cores); `check` and the other `test-` targets run more
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export PACKLIGHT_TEST_FOLDER=$$folder && set -x && \
	$(BIN)/python -m pytest $(TOGETHER) && $(BIN)/python -m pytest -m "alone and not slow" $(ALONE)

coverage: $(TEST)  ## run the tests in parallel, and list the lines that they don't reach
	$(BIN)/python -m pytest $(TOGETHER) --cov --cov-report=term-missing:skip-covered

test-walks: $(TEST)  ## take more models through every step; CI runs this too
	$(BIN)/python -m pytest -m walk $(WALKS)

test-browser: $(TEST)  ## test the report in headless Chromium (Debian's package chromium, or PACKLIGHT_CHROMIUM)
	$(BIN)/python -m pytest -m browser tests/browser

test-models: $(TEST)  ## test every step on eight architectures, and fill in the table in docs/reference/models.md
	PACKLIGHT_MODELS_TABLE=docs/reference/models.md $(BIN)/python -m pytest tests/test_models_table.py

test-slow: $(TEST)  ## run the tests that take minutes each
	$(BIN)/python -m pytest -m slow

test-fuzz: $(TEST)  ## read 3,000 damaged data files and 2,000 damaged recipes
	PACKLIGHT_FUZZ_FILES=3000 PACKLIGHT_FUZZ_RECIPES=2000 $(BIN)/python -m pytest tests/test_data_fuzz.py tests/test_recipes_fuzz.py

test-docs: $(TEST)  ## run the tutorial and the guides on real data, and compare what they print
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m docs tests/test_hands_on.py

test-wheel: $(TEST)  ## install the built wheel with base dependencies only, in a separate environment, and predict
	rm -rf dist .venv-wheel
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check dist/packlight-*.whl
	PACKLIGHT_WHEEL_PYTHON=$(CURDIR)/.venv-wheel/bin/python $(BIN)/python -m pytest tests/test_wheel.py

test-lowest: $(TEST)  ## run what needs no PyTorch with the lowest versions that pyproject.toml allows, in a separate environment
	rm -rf .venv-lowest && $(PYTHON) -m venv .venv-lowest
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python .venv-lowest/bin/python pyproject.toml \
	    --extra serve --extra report --extra search --extra parquet --output-file .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -r .venv-lowest/lowest.txt "pytest>=8.4" "hypothesis>=6.130"
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	.venv-lowest/bin/python -m pytest $(LIGHT)
	PACKLIGHT_WHEEL_PYTHON=$(CURDIR)/.venv-lowest/bin/python $(BIN)/python -m pytest tests/test_wheel.py -k without_torch

test-kserve: $(TEST)  ## test the server and the manifests with KServe's client and classes, in a separate environment
	$(PYTHON) -m venv .venv-kserve
	.venv-kserve/bin/python -m pip install --quiet --disable-pip-version-check kserve
	PACKLIGHT_KSERVE_PYTHON=.venv-kserve/bin/python $(BIN)/python -m pytest tests/test_serve_kserve.py tests/test_serve_deploy_kserve.py

test-optimum: $(TEST)  ## open an artifact with optimum-onnx and transformers 4, in an environment on top of .venv
	$(call ON_TOP,optimum,--no-deps optimum-onnx "optimum~=2.1.0" "transformers<4.58" "huggingface-hub<1" "tokenizers<0.23" requests urllib3 regex)
	PACKLIGHT_OPTIMUM_PYTHON=.venv-optimum/bin/python $(BIN)/python -m pytest tests/test_interoperability.py

test-openvino: $(TEST)  ## convert to OpenVINO and predict with it, in an environment on top of .venv
	$(call ON_TOP,openvino,"openvino>=2025" "nncf>=3")
	.venv-openvino/bin/python -c "import openvino, nncf"
	.venv-openvino/bin/python -m pytest tests/test_steps_openvino.py

test-ray: $(TEST)  ## score on a Ray cluster of two nodes and lose one, in an environment on top of .venv
	$(call ON_TOP,ray,"ray[data]>=2.51")
	.venv-ray/bin/python -m pytest tests/test_scoring_on_ray.py

test-spark: $(TEST)  ## score on Spark with two executors, in an environment on top of .venv; needs Java 17 or newer
	$(call ON_TOP,spark,"pyspark>=4")
	.venv-spark/bin/python -m pytest tests/test_spark.py

test-postgres: $(TEST)  ## share a search in a PostgreSQL database; needs a PostgreSQL server (Debian's package postgresql)
	$(call ON_TOP,postgres,"psycopg[binary]>=3.2")
	PACKLIGHT_POSTGRES=1 .venv-postgres/bin/python -m pytest tests/test_search_database.py

test-mariadb: $(TEST)  ## share a search in a MariaDB database; needs a MariaDB server (Debian's package mariadb-server)
	$(call ON_TOP,mariadb,PyMySQL)
	PACKLIGHT_MARIADB=1 .venv-mariadb/bin/python -m pytest tests/test_search_database.py

test-deploy: $(TEST)  ## start the output of `deploy` as Docker and Kubernetes do; needs root on Linux, and util-linux
	$(BIN)/python -m pytest -m root tests/test_serve_deploy_contained.py

soak: $(ALL)  ## load a server with runs/demo for ten minutes, and check that its memory stays flat
	$(BIN)/python benchmarks/serve_soak.py runs/demo/variants/student-onnx-static --minutes 10

lint: $(TEST)  ## check style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(TEST)  ## check types
	$(BIN)/mypy

check: lint types test test-walks test-browser docs  ## run most of what CI runs: style, types, tests, walks, browser tests, documentation

docs: $(DOCS)  ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(TEST)  ## fix style where that can be automated
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(TEST)  ## write exact versions with hashes to requirements/; UPGRADE=1 upgrades to the newest versions
	$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

clean:  ## remove environments and caches, but not runs
	rm -rf $(VENV) .venv-wheel .venv-lowest .venv-kserve .venv-optimum .venv-openvino .venv-ray .venv-spark site .mypy_cache .pytest_cache .ruff_cache dist build
