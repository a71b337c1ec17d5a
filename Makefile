# make demo   install and run the main job        make test   install and run all tests
# make check  lint and types                      make bench  speed and accuracy table
# make peers  install other tools for make bench  make error-map  measure product form's error
# make lab    trace real kernels in QEMU         make paper      figures, numbers, paper/lockmodel.pdf
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin

.PHONY: demo test paper lab check bench peers error-map models readme golden clean
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

# Side by side: the tests of coverage alone keep a CPU busy for minutes.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

paper: $(VENV)/.installed-paper
	$(BIN)/lockmodel paper

$(VENV)/.installed-paper: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[paper]'
	@touch $@

# Real kernels in QEMU: needs what tools/lab-kernels.sh gets.
lab: $(VENV)/.installed-dev
	LOCKMODEL_LAB=$(abspath .lab) $(BIN)/python -m pytest tests/lab/end_to_end.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/bench.py $(if $(wildcard $(PEERS)/.installed),--peers $(PEERS)/bin/python)

# Other tools for the same work, in a venv of their own: 1.1 GB, and scipy slows numba's start.
peers: $(PEERS)/.installed

$(PEERS)/.installed: pyproject.toml
	@PYTHON="$(PYTHON)" tools/make-venv.sh $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

error-map: $(VENV)/.installed-dev
	$(BIN)/python tools/error_map.py

models: $(VENV)/.installed-dev
	$(BIN)/python tools/calibrate

readme: $(VENV)/.installed-dev
	$(BIN)/python tools/readme.py

golden: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/test_golden.py --regenerate

clean:
	rm -rf $(VENV) $(PEERS) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
