# The commands of this repository, for developers and CI. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := VIRTUAL_ENV=$(abspath $(VENV)) uv pip install --quiet
LOCKS := requirements/dev.txt requirements/build.txt
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

##-- Work on the code --------------------------------------------------------

.PHONY: setup
setup: $(READY) ## Create a virtual environment in .venv, with every dependency checked by its hash

$(READY): $(LOCKS) $(foreach part,api operator kubectl-bookstore backup devcluster,$(part)/pyproject.toml)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d: make setup PYTHON=python3.12" % v)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r <(sed -n '/^uv==/,/[^\\]$$/p' requirements/dev.txt)
	@$(UV) --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(UV) --no-deps --no-build-isolation -e api -e operator -e kubectl-bookstore -e backup -e devcluster
	@touch $@

.PHONY: lock
lock: $(READY) ## Resolve the dependencies again and write requirements/*.txt
	@scripts/lock $(ARGS)

.PHONY: generate
generate: $(READY) ## Write all generated files: CRDs, their reference, install.yaml, chart, golden YAML
	@scripts/generate

.PHONY: format
format: $(READY) ## Format the code
	@ruff format .
	@ruff check --fix-only --quiet .

.PHONY: lint
lint: $(READY) ## Run ruff, mypy --strict, import-linter, and check migrations, generated files, the workflows
	@scripts/lint

##-- Tests ---------------------------------------------------------------------

# The tests wait more than they compute, so there are more workers than processors.
PYTEST_WORKERS ?= 6
E2E_WORKERS ?= 3
# In CI, a failed test is run once more, alone: tests/support/flaky.py.
PYTEST := $(if $(filter true 1,$(CI)),python -m tests.support.flaky,pytest)

.PHONY: test
test: $(READY) ## Run all tests except e2e; prepare what they need, print which tiers ran
	@devcluster prepare --control-plane
	@python -m tests.support.versitygw
	@python -m tests.support.helm
	@python -m tests.support.promtool
	@$(PYTEST) -n $(PYTEST_WORKERS) --dist worksteal -m "not e2e" $(ARGS)

.PHONY: e2e
e2e: $(READY) ## Run the tests on a real kind cluster, created and deleted for them (KEEP=1 keeps it)
	@devcluster prepare --metrics
	@python -m tests.support.compose
	@$(PYTEST) -n $(E2E_WORKERS) --dist load --maxschedchunk 1 --longest-first -m e2e -v $(ARGS)

##-- Nightly tests: up to 40 minutes each; results in docs/results/ --------------

nightly-fuzz: $(READY) ## Fuzz the API with many requests, on PostgreSQL and SQLite
nightly-kills: $(READY) ## Test loss, order and counts with many more examples: kills, migrations, releases
nightly-properties: $(READY) ## Test all other properties with many more examples
nightly-pythons: $(READY) ## Run make test on every supported version of Python
nightly-faults: $(READY) ## Test failures of clusters: kills, reboots, full disks
nightly-clouds: $(READY) ## Check infra/ by OpenTofu with the providers' real schemas, and by checkov
nightly-switches: $(READY) ## Test that many switches under traffic lose no request
nightly-cold: $(READY) ## Run a BookStore on a kind cluster, from empty caches
nightly-%:
	@python -m tests.support.nightly $*

.PHONY: validate
validate: $(READY) ## Run the tests of the properties P1 to P8, write docs/results/validation.md
	@python -m tests.support.validate -n $(PYTEST_WORKERS) $(ARGS)

.PHONY: bench-operator
bench-operator: $(READY) ## Measure what releases cost the operator: ARGS="--stores 100 --peer --script"
	@python -m tests.bench.fleet $(ARGS)

.PHONY: bench-api
bench-api: $(READY) ## Measure the API beside its peers: ARGS="--only cached redis --rounds 5"
	@python -m tests.bench.api $(ARGS)

.PHONY: bench-backup
bench-backup: $(READY) ## Measure backups beside pg_dump: ARGS="--megabytes 10 1000"
	@python -m tests.bench.backup $(ARGS)

##-- Demo -----------------------------------------------------------------------

.PHONY: demo
demo: $(READY) ## Run a BookStore on a real kind cluster: cluster, images, operator, a request
	@python -m demo up

.PHONY: demo-release
demo-release: $(READY) ## Build a second image and release it under continuous requests
	@python -m demo release

.PHONY: demo-down
demo-down: $(READY) ## Delete the demo's cluster; caches are kept
	@python -m demo down

##-- Delivery: what the workflows run; arguments are variables (docs/delivery.md) ----

.PHONY: images-push images-index images-sign images-of-commit images-verify environment-rules
images-push: ## Build the images for PLATFORM, push them to REGISTRY, print their digests
images-index: ## Make an index of the images for all platforms, print its digest
images-of-commit: ## Print the digests of the images of COMMIT
images-sign: ## Sign images by their digests
images-verify: ## Check that the workflow IDENTITY has signed the images
images-push images-index images-sign images-of-commit images-verify:
	@$(PYTHON) -m delivery.images $(@:images-%=%)

environment-rules: ## Check that ENVIRONMENT of REPOSITORY has reviewers on GitHub
	@$(PYTHON) -m delivery.environment_rules

.PHONY: deploy release-files release-publish
deploy: $(READY) ## Deploy images to a cluster, test them, go back if that fails
	@python -m delivery.deploy

release-files: $(READY) ## Write the files of VERSION to dist/
release-publish: $(READY) ## Publish the files of VERSION
release-files release-publish:
	@python -m delivery.release $(@:release-%=%)

.PHONY: clean
clean: ## Delete the virtual environment and the tools' caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
