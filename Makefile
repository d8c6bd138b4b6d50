# `make` shows what can be done. Needs make, Python 3.11 or newer with venv, and a package index; no root, no Docker.

PYTHON ?= python3
MUSIC ?=
DATA ?= var/demo
STACK ?= var/stack
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCKED := --require-hashes
UV_VERSION := 0.13.9
UV := .cache/uv-$(UV_VERSION)
COMPILE = $(UV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header
# What is said by each of the things that are done at once, in one piece; older makes can't.
WHOLE := $(if $(filter output-sync,$(.FEATURES)),--output-sync)
DEMO = $(BIN)/tunescout demo --data-dir "$(DATA)" $(if $(MUSIC),--music "$(MUSIC)")

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev web web-check run demo test compiled e2e lint format types imports audit stack stack-status stack-down bench fuzz chaos contract pictures docs lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.project ## install what `tunescout` needs into .venv, and build the pages
	@$(MAKE) --no-print-directory web || echo "The pages are not built, as said above; everything else works."

setup-dev: $(VENV)/.dev ## install what development needs too

web: $(VENV)/.project ## build the pages of the browser, with the Node.js of the machine or one from the Python package index
	@$(BIN)/python -m deploy.local.web build

web-check: setup-dev ## check style, types and sizes of the pages, and run their unit tests
	$(BIN)/python -m deploy.local.web check

run: setup ## start the service, fill it with music, show it, and keep it running (MUSIC=folder for your own)
	$(DEMO) --stay

demo: setup ## the same, but end when everything was shown
	$(DEMO)

test: setup-dev ## check everything, on real servers; of what needs a browser only the core
	@$(MAKE) --no-print-directory --jobs $(WORKERS) $(WHOLE) lint types imports web-check compiled
	$(BIN)/pytest --numprocesses $(WORKERS) --no-loadscope-reorder

e2e: setup-dev ## go through all pages in a real browser, in both ways of running, and take pictures (MUSIC=folder for your own)
	$(if $(MUSIC),TUNESCOUT_TEST_MUSIC="$(abspath $(MUSIC))") $(BIN)/pytest -m browser tests/e2e

compiled: setup-dev # else many processes that start at the same time compile the same
	@$(BIN)/python -c "from services.fingerprint.constellation import warm_up; warm_up()"
	@$(BIN)/python -c "from services.matcher.index import warm_up; warm_up()"

lint: setup-dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup-dev ## put the code in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup-dev ## check types
	$(BIN)/mypy

imports: setup-dev ## check who imports whom
	$(BIN)/lint-imports

audit: setup-dev ## look for known holes: in our code, and, over the network, in what it depends on
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive services shared tunescout deploy docs
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements/runtime.txt || \
		{ echo "What pip-audit could not find or reach was not audited: it asks the service of advisories itself, whatever" \
		"package index is set up. PIP_AUDIT_VULNERABILITY_SERVICE=osv asks another one."; exit 1; }

stack: setup-dev ## start RabbitMQ, S3, DynamoDB and every service as a process of its own
	$(BIN)/python -m deploy.local up --folder "$(STACK)"

stack-status: setup-dev ## show the processes of `make stack`
	$(BIN)/python -m deploy.local status --folder "$(STACK)"

stack-down: setup-dev ## end the processes of `make stack`
	$(BIN)/python -m deploy.local down --folder "$(STACK)"

bench: setup-dev ## measure how well and how fast songs are recognised (MUSIC=folder for your own)
	$(BIN)/python -m bench.recognition $(if $(MUSIC),--music "$(MUSIC)")
	$(BIN)/python -m bench.speed $(if $(MUSIC),--music "$(MUSIC)")

fuzz: setup-dev ## take damaged audio through the decoders (CASES=2000 SEED=1)
	$(BIN)/python -m bench.fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

chaos: setup-dev ## kill, pause and cut off every part of a stack while people upload, then read everything back
	$(BIN)/python -m bench.chaos $(if $(SEED),--seed "$(SEED)")

contract: setup-dev ## ask the running service everything that its description allows, and more (EXAMPLES=200 SEED=1)
	$(BIN)/python -m bench.contract $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SEED),--seed $(SEED))

pictures: setup-dev ## draw the pictures of docs/recognition.md
	$(BIN)/python -m bench.pictures

docs: setup-dev ## write the documents that are read off the code, and the types of the API for web/
	$(BIN)/python -m docs.generate
	$(BIN)/python -m deploy.local.web api

lock: $(UV)/bin/uv ## choose the newest allowed versions again
	$(COMPILE) --upgrade pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) --upgrade pyproject.toml --extra dev --constraints requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) --upgrade requirements/build.in --constraints requirements/dev.txt --output-file requirements/build.txt
	$(COMPILE) --upgrade requirements/ministack.in --output-file requirements/ministack.txt
	$(COMPILE) --upgrade requirements/node.in --output-file requirements/node.txt

clean: ## remove everything that can be made again; music and accounts in var/ stay
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per step: a second call does nothing, and changed requirements make the environment anew.

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tune Scout needs Python 3.11 or newer, and `$(PYTHON)` is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) $(LOCKED) -r requirements/runtime.txt
	$(PIP) $(LOCKED) -r requirements/build.txt
	@touch $@

$(VENV)/.project: $(VENV)/.runtime pyproject.toml
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.project requirements/dev.txt
	$(PIP) $(LOCKED) -r requirements/dev.txt
	@touch $@

$(UV)/bin/uv:
	$(PYTHON) -m venv $(UV)
	$(UV)/bin/pip install --quiet uv==$(UV_VERSION)
