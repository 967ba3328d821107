# Everything a developer or technician types. `make help` lists it; nothing here needs a privilege.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
ROOMS := proxy addons categories policy identity registry logstore console migrations

# pytest runs two files at a time, long ones first; a file's tests stay in one process and share one gateway.
JOBS ?= 2
# More words for pytest or schoolgate: make test ARGS='-k warn'   make run ARGS='--settings my.yaml'
ARGS ?=

.PHONY: help install compile run test check bench docs clean tools

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## Make .venv: Schoolgate, and all its tests and checks need (pinned by constraints.txt)

compile: $(VENV)/.run ## Compile the decision; run, test and bench do it themselves
	@$(BIN)/python .ci/compile

run: compile ## Start the gateway in the foreground (data in ./data); Ctrl-C stops it
	@exec $(BIN)/schoolgate run $(ARGS)

test: $(VENV)/.dev tools compile ## All tests, end to end ones with real sockets and a real browser included
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev ## Style, types and doors: ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev compile ## Measure what design §6 promises; prints ratios
	@for bench in $$(cd benchmarks && ls *.py | grep -v -e '^corpus' -e '^targets' -e '^schooldays' -e '^__' | sed 's/\.py$$//'); do \
		echo "== $$bench"; $(BIN)/python -m "benchmarks.$$bench" $(ARGS) || failed="$$failed $$bench"; \
	done; test -z "$$failed" || { echo "missed or failed:$$failed"; exit 1; }

docs: $(VENV)/.dev ## Check the documentation: links lead somewhere, commands and settings exist
	$(BIN)/python -m pytest -q tests/test_docs.py $(ARGS)

clean: ## Remove .venv and what builds and tests left; keeps ./data
	rm -rf $(VENV) build dist artifacts *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(ROOMS) -name '*.so' -delete
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

tools:
	@.ci/test-tools

# The environment is made once and works offline from then on; a changed pin or dependency updates it.
$(VENV)/.python:
	@python=$$(PYTHON='$(PYTHON)' .ci/find-python) && echo "Making $(VENV) with $$python" && \
	"$$python" -m venv --clear $(VENV) && $(PIP) install -qq -c constraints.txt setuptools && touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) install -qq -c constraints.txt --no-build-isolation -e '.[compiled]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) install -qq -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@ $(VENV)/.run
