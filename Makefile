# make demo   install and run the main job        make test   install and run the tests
# make check  lint and types                      make test-long  those that take minutes
# make bench  speed and accuracy table
# make peers  install other tools for make bench  make error-map  measure product form's error
# make lab    trace real kernels in QEMU         make paper      figures, numbers, paper/lockmodel.pdf
# make nobody all commands without HOME          make coverage-study  intervals against simulation
# make walkers-study  walkers against simulation  make interval-study  intervals of simulations
# make classes-study  several classes against simulation
# make misfit-study  how often a lack of fit is seen
# make accuracy DIR=...  score a folder of curves  make record OUT=...  what the commands print
# make docs   the site of docs/, into site/       make sessions   the sessions of README and docs
# make reference  docs' tables, from the code     make pictures   docs' pictures
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin

.PHONY: demo test test-long paper lab nobody check bench peers accuracy record error-map \
	coverage-study misfit-study walkers-study interval-study classes-study mutex-study models docs \
	sessions reference pictures golden clean
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

# Side by side; what measures the machine, alone. What takes long (the paper, the docs' sessions,
# coverage of intervals) is `make test-long`.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist worksteal --durations 10
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not alone and not long"
	$(BIN)/python -m pytest -m alone $(shell grep -rl --include='*.py' mark.alone tests)

test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m long

# The drawings, the numbers of each script, then the text, each made again when it is older than
# what it is made from. The folders count too: a file that is gone makes its folder newer.
MADE_FROM := $(shell find lockmodel/ data/ models/ paper/tools/ -name __pycache__ -prune -o -type f -print)
NUMBERS := $(patsubst paper/scripts/%.py,paper/numbers/%.json,$(wildcard paper/scripts/*.py))
TEXT := $(wildcard paper/*.typ paper/sections/*.typ) paper/references.bib

paper: $(VENV)/.installed-paper
	@$(MAKE) --no-print-directory --jobs=2 paper/lockmodel.pdf

paper/lockmodel.pdf: paper/figures/.drawn $(NUMBERS) $(TEXT) paper/sections paper/scripts
	$(BIN)/python -m paper.tools.typeset

paper/figures/.drawn: $(MADE_FROM) $(VENV)/.installed-paper
	$(BIN)/lockmodel figure all -o paper/figures --force
	@touch $@

paper/numbers/%.json: paper/scripts/%.py $(MADE_FROM) $(VENV)/.installed-paper
	$(BIN)/python -m paper.tools.scripts $< $@

$(VENV)/.installed-paper: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[paper]'
	@touch $@

# Real kernels in QEMU, a guest on each CPU: needs what tools/lab-kernels.sh gets.
lab: $(VENV)/.installed-dev
	LOCKMODEL_LAB=$(abspath .lab) $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/lab/end_to_end.py

# Every command as in a container: user nobody, no HOME, an installation of root's.
nobody: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/nobody/every_command.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/bench.py $(if $(wildcard $(PEERS)/.installed),--peers $(PEERS)/bin/python)

# Other tools for the same work, in a venv of their own: 1.1 GB, and scipy slows numba's start.
peers: $(PEERS)/.installed

$(PEERS)/.installed: pyproject.toml
	@PYTHON="$(PYTHON)" tools/make-venv.sh $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

# Curves that may not be committed: make accuracy DIR=path/of/a/folder/of/curves
accuracy: $(VENV)/.installed
	$(BIN)/lockmodel accuracy $(or $(DIR),published)

# What the commands print, to be compared with another state by diff -r: make record OUT=new
record: $(VENV)/.installed
	$(BIN)/python tools/record.py $(OUT)

error-map: $(VENV)/.installed-dev
	$(BIN)/python tools/error_map.py

# Walkers in closed form against simulations: a quarter of an hour.
walkers-study: $(VENV)/.installed
	$(BIN)/python tools/walkers_study.py

# 1,000 simulations of what has an exact answer, twice: a minute.
interval-study: $(VENV)/.installed
	$(BIN)/python tools/interval_study.py

# Several classes in product form against simulations: one minute.
classes-study: $(VENV)/.installed
	$(BIN)/python tools/classes_study.py

# A mutex against curves that may not be committed: make mutex-study DIR=path/of/a/folder
mutex-study: $(VENV)/.installed
	$(BIN)/python tools/mutex_study.py $(DIR)

# 1,000 simulated truths, fitted and asked what comes next: about an hour.
coverage-study: $(VENV)/.installed
	$(BIN)/python tools/coverage_study.py

# 500 fits of what has the model's shape and of what has not: half an hour.
misfit-study: $(VENV)/.installed
	$(BIN)/python tools/misfit_study.py

models: $(VENV)/.installed-dev
	$(BIN)/python tools/calibrate

# The site, into site/. Not with --quiet: what is not logged does not count as a warning.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(BIN)/python -m pytest tests/docs/built_site.py

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

sessions: $(VENV)/.installed-dev
	$(BIN)/python tools/sessions.py

reference: $(VENV)/.installed-dev
	$(BIN)/python tools/reference.py

pictures: $(VENV)/.installed-dev
	$(BIN)/python tools/sessions.py --pictures

golden: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/cli/test_golden.py --regenerate

clean:
	rm -rf $(VENV) $(PEERS) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
