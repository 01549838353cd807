# The only entry points. Each sets up what it needs: a fresh machine wants Python 3.11+, cargo, make (and Go for e2e).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# `release` is what users run; `make build PROFILE=dev` compiles faster for work on the core.
PROFILE ?= release
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fleetgate/target
export FLEETGATE_CONFORMANCE ?= $(abspath ../shared/conformance)
export FLEETGATE_WORKLOADS ?= $(abspath ../shared/bench)

VENV := .venv
BIN := $(VENV)/bin
NATIVE_SOURCES := $(shell find native -name '*.rs' -o -name '*.toml' -o -name Cargo.lock)

.PHONY: help build
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.packages: $(VENV)/.installed proto/pyproject.toml clients/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e proto -e clients
	@touch $@

# One stamp per profile: switching profiles rebuilds the extension.
$(VENV)/.native-$(PROFILE): $(VENV)/.packages pyproject.toml $(NATIVE_SOURCES)
	$(BIN)/maturin develop --quiet --locked $(if $(filter release,$(PROFILE)),--release)
	@rm -f $(VENV)/.native-*
	@touch $@

build: $(VENV)/.native-$(PROFILE) ## the commands in .venv/bin, the core compiled
