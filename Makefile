# What a person types. Everything happens in .venv, which these targets make.

PYTHON ?= $(firstword $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$p; done))
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := azfinsim consumer engine examples infra loadtest producer tests

.PHONY: help setup demo test lint bench soak clean lock

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

setup: .venv/.dev  ## make .venv with all that demo, test, lint and bench need

# What runs, and what builds it.
.venv/.run: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "azfinsim needs Python 3.11, 3.12 or 3.13 with venv" \
		"(Debian: apt install python3-venv), or say make PYTHON=/path/to/python"; exit 1; }
	@echo "installing into .venv what azfinsim needs to run"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# And what tests it.
.venv/.dev: .venv/.run requirements-dev.lock
	@echo "installing into .venv what its tests need"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/.run  ## the main job: a million trades made, queued, priced and accounted for
	$(BIN)/azfinsim demo $(ARGS)

# Most of a test's time is spent waiting for leases and processes: two at once take half as long.
test: .venv/.dev  ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: .venv/.dev  ## style, types, and who may import whom
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint --config .hadolint.yaml Dockerfile

bench: .venv/.dev  ## the numbers of the README, beside a peer
	$(BIN)/python -m loadtest bench $(ARGS)

soak: .venv/.dev  ## random faults for an hour, or as long as SOAK_SECONDS says, and an audit
	$(BIN)/python -m pytest -m soak --timeout 0 -s $(ARGS)

# The largest first: the others hold to what it chose, so that one environment takes all three.
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --generate-hashes \
	--no-emit-index-url --group build

lock: .venv/.dev  ## bring the lock files up to date with pyproject.toml
	$(PIP) install --quiet uv
	$(COMPILE) --group dev --all-extras -o requirements-dev.lock
	$(COMPILE) --extra loadtest -c requirements-dev.lock -o requirements.lock
	$(COMPILE) --extra azure -c requirements-dev.lock -o requirements-azure.lock

clean:  ## remove what the other targets have made
	rm -rf .venv azfinsim-demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
