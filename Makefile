# Everything that a newcomer or the gate runs; `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/pip --disable-pip-version-check --quiet
# pytest-xdist workers; tests that share one server stay together
WORKERS ?= 2
# What runs without Label Studio, a browser, Snorkel and torch
ROOMS = $(addprefix tests/,package logs bias evidence lfs selection validation rounds project cli report)

.DEFAULT_GOAL := help
.PHONY: help demo test check oldest bench docs clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## Install labelkit into .venv and run the main job on the data it ships.
	$(BIN)/labelkit demo

test: $(VENV)/.test-installed ## Install what the tests need (a real Label Studio, Chromium) and run them all.
	@scripts/install_label_studio.sh
	@scripts/install_chromium.sh
	@scripts/install_postgresql.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q

check: $(VENV)/.test-installed ## Lint, check types, and hold the rooms to their order.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

oldest: .venv-oldest/.installed ## Run the tests of the rooms with the oldest dependencies that are supported.
	.venv-oldest/bin/python -m pytest -n $(WORKERS) --dist loadgroup -q $(ROOMS)

bench: $(VENV)/.test-installed ## Print the figures that the documentation quotes.
	$(BIN)/python benchmarks/main_job.py trec
	$(BIN)/python benchmarks/main_job.py naver
	$(BIN)/python benchmarks/main_job.py demo
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/bias.py all
	$(BIN)/python benchmarks/clickmodels.py
	$(BIN)/python benchmarks/simulator.py
	$(BIN)/python benchmarks/labelmodels.py all
	$(BIN)/python benchmarks/endmodels.py
	$(BIN)/python benchmarks/selection.py speed
	$(BIN)/python benchmarks/selection.py efficiency
	$(BIN)/python benchmarks/selection.py design
	$(BIN)/python benchmarks/selection.py planning
	$(BIN)/python benchmarks/lfs.py
	$(BIN)/python benchmarks/lfs_models.py
	$(BIN)/python benchmarks/suggest.py

docs: $(VENV)/.test-installed ## Write the generated pages of the documentation anew.
	$(BIN)/python -m labelkit.cli.document > docs/cli.md

clean: ## Remove environments, caches and demo output.
	rm -rf $(VENV) .venv-oldest .venv-label-studio labelkit-demo build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) install .
	@touch $@

.venv-oldest/.installed: pyproject.toml constraints/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip --disable-pip-version-check --quiet install --constraint constraints/oldest.txt \
		--editable ".[duckdb]" click hatchling hypothesis ir-measures pytest pytest-timeout pytest-xdist statsmodels
	@touch $@

$(VENV)/.test-installed: pyproject.toml constraints/test.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints/test.txt --editable ".[test]"
	@touch $@
