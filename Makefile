# make demo   install and run the main job        make test   install and run all tests
# make check  lint and types                      make bench  speed and accuracy table
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench models readme golden clean
.DEFAULT_GOAL := demo

# A stamp per dependency set: made again when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@PYTHON="$(PYTHON)" tools/make-venv.sh $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@sh tools/demo.sh $(BIN)/lockmodel

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/bench.py

models: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[calibrate]'
	$(BIN)/python tools/calibrate

readme: $(VENV)/.installed-dev
	$(BIN)/python tools/readme.py

golden: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/test_golden.py --regenerate

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
