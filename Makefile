# Everything happens in .venv; nothing is installed outside it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
EXTRAS ?= dev
BIN = $(VENV)/bin
ARGS ?=

.PHONY: demo test lint check bench clean

demo: $(VENV)/.runtime
	@$(BIN)/recognizer demo $(ARGS)

test: $(VENV)/.$(EXTRAS)
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(VENV)/.runtime
	@$(BIN)/recognizer bench $(ARGS)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, found: $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 2; }

$(VENV)/.runtime: pyproject.toml | $(BIN)/pip
	@echo "Installing into $(VENV) (about 400 MB, once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.$(EXTRAS): pyproject.toml | $(BIN)/pip
	@echo "Installing with the extras $(EXTRAS) into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build artefacts *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
