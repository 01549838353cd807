# The only entry points. Each sets up what it needs: a fresh machine wants Python 3.11+, cargo and make (and Go for e2e).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# `release` is what users run; `make build PROFILE=dev` compiles faster while working on the core.
PROFILE ?= release
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fleetgate
export CARGO_TARGET_DIR ?= $(CACHE)/target
export FLEETGATE_CONFORMANCE ?= $(abspath ../shared/conformance)
export FLEETGATE_WORKLOADS ?= $(abspath ../shared/bench)

VENV := .venv
BIN := $(VENV)/bin
CARGO := cargo
NATIVE_SOURCES := $(shell find native -name '*.rs' -o -name '*.toml' -o -name Cargo.lock)
PYTHON_SOURCES := service clients proto/generate.py tests deploy

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

# --- set-up ----------------------------------------------------------------------------------------------------------

$(VENV)/.installed: requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.packages: $(VENV)/.installed proto/pyproject.toml clients/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e proto -e clients
	@touch $@

# One stamp per profile: switching profiles rebuilds the extension. It is as old as the build's start, so that what is edited
# meanwhile is built next time.
$(VENV)/.native-$(PROFILE): $(VENV)/.packages pyproject.toml $(NATIVE_SOURCES)
	@touch $(VENV)/.building
	$(BIN)/maturin develop --locked $(if $(filter release,$(PROFILE)),--release) > $(VENV)/build.log
	@rm -f $(VENV)/.native-*
	@mv $(VENV)/.building $@

.PHONY: build
build: $(VENV)/.native-$(PROFILE) ## compile the core; the commands are in .venv/bin afterwards

.PHONY: lock
lock: $(VENV)/.installed ## resolve the Python dependencies anew into requirements.lock
	$(BIN)/uv lock --quiet --upgrade
	$(BIN)/uv export --quiet --all-packages --all-groups --no-emit-workspace --format requirements-txt --no-header -o requirements.lock

.PHONY: proto
proto: $(VENV)/.installed ## lint the wire contract and regenerate its stubs
	$(BIN)/python proto/generate.py

# --- use -------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: build ## real admission decisions: webhook, service and core on recorded reviews
	$(BIN)/python deploy/demo/demo.py

.PHONY: bench
bench: build ## measure against floors of the same run
	cd native && $(CARGO) bench --quiet --locked --package fleetgate-core --bench load_library --bench workload_w --no-run
	mkdir -p build
	$(BIN)/python -m tests.bench --json build/bench.json

# The process that writes snapshots is killed so often, the state machine of the cache runs so often, and a service is killed so
# often while it audits.
KILLS ?= 200
RUNS ?= 2000
AUDIT_KILLS ?= 50

.PHONY: endure
endure: build ## kill a writer of snapshots, and a service that audits, again and again; run the cache beside its model
	cd native && FLEETGATE_KILLS=$(KILLS) $(CARGO) test --quiet --locked --package fleetgate-core --test kill
	FLEETGATE_STATE_MACHINE_RUNS=$(RUNS) $(BIN)/pytest -q tests/property/test_inventory.py
	AUDIT_KILLS=$(AUDIT_KILLS) $(BIN)/pytest -q tests/integration/test_audit_kill.py

# --- checks ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: test-native test-python ## every test that needs only Python and cargo

.PHONY: test-native
test-native:
	cd native && $(CARGO) test --quiet --locked --workspace --features fleetgate-rego/opa-json

.PHONY: test-python
test-python: build
	$(BIN)/pytest -m "not e2e" -n 2 --dist loadfile

# They compute and wait for nobody: they run beside those that start servers.
ORACLES := $(patsubst %,tests/e2e/test_%.py,audit_oracle differential gator language recording)

.PHONY: e2e
e2e: build ## tests that need Go: real API servers, kubectl, OPA, Gatekeeper, gator; and a browser
	tests/e2e/install.sh
	tests/kubeapiserver/build.sh
	tests/oracle/build.sh
	mkdir -p build
	$(BIN)/pytest -m e2e $(ORACLES) > build/oracles.log 2>&1 & oracles=$$!; status=0; \
	$(BIN)/pytest -m e2e $(ORACLES:%=--ignore=%) || status=1; \
	wait $$oracles || status=1; \
	cat build/oracles.log; \
	exit $$status

# First the differential part, then fuzz-native. The same seed gives the same reviews: `make fuzz SEED=1 REVIEWS=20000`.
# Cases that differ are written to build/fuzz.
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
REVIEWS ?= 1000000
PAIRS ?= 50000
TEMPLATES ?= 20000

.PHONY: fuzz
fuzz: build ## compare random reviews, match blocks and templates with Gatekeeper; then fuzz-native
	tests/oracle/build.sh gatekeeper
	mkdir -p build
	seed=$(SEED); status=0; \
	$(BIN)/python -m tests.differential matches --pairs $(PAIRS) --seed $$seed || status=1; \
	$(BIN)/python -m tests.differential reviews --reviews $(REVIEWS) --seed $$seed --cases build/fuzz --report build/fuzz.json || status=1; \
	$(BIN)/python -m tests.differential templates --templates $(TEMPLATES) --seed $$seed --cases build/fuzz/templates || status=1; \
	$(MAKE) fuzz-native || status=1; \
	exit $$status

# Seconds for each target; FUZZ_SEEDS= names a folder of further seeds.
export FUZZ_SECONDS ?= 60

.PHONY: fuzz-native
fuzz-native: ## fuzz the Rego front end and the decision, coverage-guided; what was found goes into tests/data/corpus
	native/fuzz/fuzz.sh

.PHONY: golden
golden: build ## record Gatekeeper's answers anew into tests/data/golden
	tests/oracle/build.sh gatekeeper
	$(BIN)/python -m tests.differential golden

.PHONY: matrix
matrix: build ## write docs/support-matrix.md from tests/data/support_matrix.yaml
	mkdir -p build
	$(BIN)/python -m tests.matrix > build/support-matrix.md
	mv build/support-matrix.md docs/support-matrix.md

.PHONY: record
record: build ## record AdmissionReviews anew from a real API server into tests/data/recorded
	tests/kubeapiserver/build.sh
	$(BIN)/python -m tests.e2e.record

.PHONY: format
format: $(VENV)/.installed ## format everything
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/ruff check --fix --quiet $(PYTHON_SOURCES) || true
	cd native && $(CARGO) fmt --all
	gofmt -l -w tests/callers tests/kubeapiserver tests/listwatch tests/oracle

.PHONY: lint
lint: build ## formatting, lints, types, import rules, generated files
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/mypy
	MYPYPATH=service $(BIN)/python -m mypy.stubtest fleetgate._native
	$(BIN)/lint-imports
	cd native && $(CARGO) fmt --all --check
	cd native && $(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(MAKE) proto
	git diff --exit-code -- proto/fleetgate_proto native/core/src/wire native/feed/src/stubs || { echo "generated files are stale: run make proto and commit"; exit 1; }

# One budget for all: which stage compiles what is cold depends on what is cached.
.PHONY: check
check: ## what CI runs, in under 40 minutes on two cores
	timeout 2390 $(MAKE) lint test e2e
