# make run      everything from nothing to a running service
# make test     lint, types and tests
# make install  the set-up alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: run install test clean
.DEFAULT_GOAL := run

run: install
	@$(BIN)/seqrec up

install: $(VENV)/.installed

test: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing SeqRec into $(VENV); the first time takes a few minutes"
	@$(PIP) install --constraint constraints.txt --editable '.[training]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing SeqRec with what its tests need into $(VENV); the first time takes a few minutes"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SeqRec needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu, install python3-venv first" >&2; exit 1; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
