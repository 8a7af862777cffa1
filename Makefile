# make run        everything from nothing to a running service
# make check      lint, types and the fast tests, within a minute
# make test       lint, types and tests, with a browser and with PostgreSQL
# make soak       kills, faults, load and very many requests at length, into docs/reliability.md: half an hour
# make bench      how fast the service answers, into docs/results: at most a quarter of an hour; BENCH=--quick: minutes
# make audit      known weaknesses of the pinned dependencies, from the package index
# make lock       the checksums of all that is installed, into requirements/, from the package index
# make hooks      lint and types before every commit
# make install    the set-up alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# Processes that run the tests. Each trains the small models that tests share, so that many of them are no faster.
WORKERS ?= auto
# Which of the long tests run.
SOAK ?= soak
PYTEST := $(BIN)/pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=worksteal

.PHONY: run install lint check test soak bench audit lock hooks clean
.DEFAULT_GOAL := run

run: install
	@$(BIN)/seqrec up

install: $(VENV)/.installed

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The tests are what runs in parallel: more threads in each of their processes would only wait for each other.
check test soak: export OMP_NUM_THREADS := 1

check: lint
	$(PYTEST) -m 'not slow and not soak and not browser and not postgres'

test: lint
	$(PYTEST) -m 'not soak' --cov --cov-report=term:skip-covered

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.serving $(BENCH)

soak: $(VENV)/.installed-dev
	rm -rf .soak
	$(BIN)/pytest -m "$(SOAK)"
	$(BIN)/python tests/support/reliability.py

# In an environment of its own: what it needs is not what SeqRec is tested with.
audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip --disable-pip-version-check --quiet install pip-audit==2.10.1
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

# Without torch, whose files differ from index to index.
LOCK = .venv-lock/bin/uv pip compile --quiet --python-version 3.11 --python-platform linux --constraint constraints.txt \
	--generate-hashes --no-emit-package torch --no-annotate --no-header
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip --disable-pip-version-check --quiet install uv==0.13.9
	echo hatchling | $(LOCK) --output-file requirements/build.txt -
	$(LOCK) --extra service --extra otel --extra s3 --output-file requirements/service.txt pyproject.toml
	$(LOCK) --extra training --output-file requirements/training.txt pyproject.toml

hooks: $(VENV)/.installed-dev
	$(BIN)/pre-commit install

$(VENV)/.installed: pyproject.toml constraints.txt requirements/build.txt requirements/training.txt | $(VENV)
	@echo "Installing SeqRec into $(VENV); the first time takes a few minutes"
	@$(PIP) install --no-deps --require-hashes --requirement requirements/build.txt --requirement requirements/training.txt
	@$(PIP) install --constraint constraints.txt torch
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt tests/typescript/package-lock.json | $(VENV)
	@echo "Installing SeqRec with what its tests need into $(VENV); the first time takes a few minutes"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@if command -v npm > /dev/null; then npm ci --silent --prefix tests/typescript || \
		echo "Without npm's packages: the test of a client in TypeScript is skipped" >&2; fi
	@touch $@ $(VENV)/.installed

# The libraries to compare with are not needed to measure the service.
$(VENV)/.installed-bench: pyproject.toml constraints.txt benchmarks/serving/requirements.txt | $(VENV)
	@$(PIP) install --constraint constraints.txt --editable '.[experiments]'
	@$(PIP) install --constraint constraints.txt --requirement benchmarks/serving/requirements.txt || \
		echo "Without the libraries that lists are compared with" >&2
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "SeqRec needs Python 3.11; name it: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu, install python3-venv first" >&2; exit 1; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage
