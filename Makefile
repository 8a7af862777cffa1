# make run        everything from nothing to a running service
# make check      lint, types and the fast tests, within a minute
# make test       lint, types and tests, with a browser and with PostgreSQL
# make soak       trains the whole model on the sample, and serves it: minutes
# make hooks      lint and types before every commit
# make install    the set-up alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# Processes that run the tests. Each trains the small models that tests share, so that many of them are no faster.
WORKERS ?= auto
PYTEST := $(BIN)/pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=worksteal

.PHONY: run install lint check test soak hooks clean
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

soak: $(VENV)/.installed-dev
	$(BIN)/pytest -m soak

hooks: $(VENV)/.installed-dev
	$(BIN)/pre-commit install

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing SeqRec into $(VENV); the first time takes a few minutes"
	@$(PIP) install --constraint constraints.txt --editable '.[training]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing SeqRec with what its tests need into $(VENV); the first time takes a few minutes"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "SeqRec needs Python 3.11; name it: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu, install python3-venv first" >&2; exit 1; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage
