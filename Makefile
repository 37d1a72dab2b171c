# Every job of this repository, for people and for CI. `make help` explains itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements/dev.txt requirements/build.txt
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help
help: ## What can be made here
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

##-- Work on the code --------------------------------------------------------

.PHONY: setup
setup: $(READY) ## A virtual environment in .venv, every dependency by its hash

$(READY): $(LOCKS) api/pyproject.toml operator/pyproject.toml devcluster/pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d: make setup PYTHON=python3.12" % v)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e api -e operator -e devcluster
	@touch $@

.PHONY: lock
lock: $(READY) ## Resolve the dependencies again and write requirements/*.txt
	@scripts/lock $(ARGS)

.PHONY: generate
generate: $(READY) ## Write every generated file: CRDs, install.yaml, golden YAML
	@scripts/generate

.PHONY: format
format: $(READY) ## Format the code
	@ruff format .
	@ruff check --fix-only --quiet .

.PHONY: lint
lint: $(READY) ## ruff, mypy --strict, import-linter, generated files up to date, the workflow
	@scripts/lint

##-- Tests ---------------------------------------------------------------------

# They wait more than they compute: more workers than processors.
PYTEST_WORKERS ?= 4
E2E_WORKERS ?= 3
# In CI what fails is run once more, alone: tests/support/flaky.py.
PYTEST := $(if $(filter true 1,$(CI)),python -m tests.support.flaky,pytest)

.PHONY: test
test: $(READY) ## All tests but those on kind; sets up what they need, says which tiers ran
	@devcluster prepare --control-plane
	@$(PYTEST) -n $(PYTEST_WORKERS) --dist worksteal -m "not e2e" $(ARGS)

.PHONY: e2e
e2e: $(READY) ## The tests on a real kind cluster, which is made and taken down (KEEP=1 keeps it)
	@devcluster prepare --metrics
	@python -m tests.support.compose
	@$(PYTEST) -n $(E2E_WORKERS) --dist worksteal -m e2e -v $(ARGS)

##-- At night: up to 40 minutes each; the result goes to docs/results/ --------------

nightly-fuzz: $(READY) ## Fuzz the API with many requests, on both databases
nightly-kills: $(READY) ## Loss, order and counts: kill, migrate, release on many more examples
nightly-properties: $(READY) ## Every other property on many more examples
nightly-pythons: $(READY) ## make test on every Python that is supported
nightly-faults: $(READY) ## What goes wrong with clusters: kills, reboots, full disks
nightly-cold: $(READY) ## From empty caches to a BookStore on a kind cluster
nightly-%:
	@python -m tests.support.nightly $*

##-- The whole thing on this machine -------------------------------------------

.PHONY: demo
demo: $(READY) ## A BookStore on a real kind cluster: cluster, images, operator, a request
	@python -m demo up

.PHONY: demo-release
demo-release: $(READY) ## Build a second image and release it under traffic
	@python -m demo release

.PHONY: demo-down
demo-down: $(READY) ## Undo make demo
	@python -m demo down

.PHONY: clean
clean: ## Remove the virtual environment and the tools' caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
