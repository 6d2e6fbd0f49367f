# Each target starts from nothing: the virtual environment is made, with the pinned versions, when it is missing or old.
# System needs: Python 3.11 or newer with venv, g++, make (and perl, which every system with make has).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGE := $(VENV)/package/qse_hw# the installed layout in links, for mypy, which knows no package-dir

.PHONY: help demo test test-full tests test-times docs accuracy hardware lint clean \
	verification formal exhaustive whole-model mutate mutate-python coverage fuzz oracles reproduce
# Compiled Python is kept in __pycache__: the tests start the command line more than a hundred times.
unexport PYTHONDONTWRITEBYTECODE
RESULTS := docs/results
MINUTES := 60

help:
	@echo "make demo       the whole path on the bundled model; results in qse-demo/"
	@echo "make test       lint, types and the regression"
	@echo "make test-full  the regression with its long checks"
	@echo "make test-times the regression, and its times on docs/tests.md"
	@echo "make docs       the documentation site, in site/; a dead link is an error"
	@echo "make accuracy   every run of docs/accuracy.md, then the page (long)"
	@echo "make hardware   every run of docs/hardware.md, then the page (about an hour)"
	@echo "make verification  every check of docs/verification.md, then the page (hours); each by itself:"
	@echo "  formal exhaustive whole-model mutate mutate-python coverage fuzz oracles reproduce"
	@echo "make clean      remove the virtual environment, the results of the demo and the site"

demo: $(INSTALLED)
	$(BIN)/python -m qse_hw demo -o qse-demo

# mypy takes most of a minute on one core, so it runs beside the tests.
BESIDE_LINT = $(MAKE) --no-print-directory --jobs=2 lint tests

test:
	+$(BESIDE_LINT)

test-full:
	+$(BESIDE_LINT) OPTIONS=--full

tests: $(INSTALLED)
	$(BIN)/python -m pytest -n auto -q $(OPTIONS)

test-times: $(INSTALLED)
	+$(BESIDE_LINT) OPTIONS="--junitxml=$(VENV)/times.xml $(ARGUMENTS)"
	$(BIN)/python docs/tests.py record $(VENV)/times.xml $(RESULTS)/test-times$(if $(findstring --full,$(ARGUMENTS)),-full).json
	$(BIN)/python docs/tests.py

# The variable turns off an advertisement of the theme's authors, which is no warning about the site.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

accuracy: $(INSTALLED)
	$(BIN)/python docs/studies.py
	$(BIN)/python docs/integer_runs.py shared
	$(BIN)/python docs/headroom.py
	$(BIN)/python docs/accuracy.py

# Needs a Liberty file for its standard cells (Debian: apt-get install qflow-tech-osu018).
hardware: $(INSTALLED)
	$(BIN)/python docs/hardware_runs.py
	for target in ecp5 ice40:hx8k ice40:up5k gowin cells; do $(BIN)/python -m qse_hw replay --netlist $$target --lanes 1 \
		--input bf16 --format se8 --activations golden/assets/activations.safetensors \
		--json $(RESULTS)/netlist-$$(echo $$target | tr : -).json || exit 1; done
	$(BIN)/python docs/hardware.py

# The checks of docs/verification.md; each target writes its evidence into docs/results.
verification: formal exhaustive whole-model mutate mutate-python coverage fuzz oracles reproduce
	$(BIN)/python docs/verification.py

formal: $(INSTALLED)
	$(BIN)/python -m qse_hw prove --all --jobs 2 --json $(RESULTS)/verify-formal.json
	$(BIN)/python -m qse_hw prove --all --faults --jobs 2 --json $(RESULTS)/verify-formal-faults.json
	$(BIN)/python -m qse_hw calibrate --recipe integer --mode shared --local-bits 16 -o $(VENV)/formal.json
	$(BIN)/python -m qse_hw prove accelerator --calibration $(VENV)/formal.json --jobs 2 \
		--json $(RESULTS)/verify-formal-memory.json
	$(BIN)/python -m qse_hw prove accelerator --calibration $(VENV)/formal.json --jobs 2 --faults \
		--json $(RESULTS)/verify-formal-memory-faults.json

exhaustive: $(INSTALLED)
	$(BIN)/python -m qse_hw exhaust --all --json $(RESULTS)/verify-exhaustive.json

whole-model: $(INSTALLED)
	$(BIN)/python -m qse_hw replay --whole-model mamba-130m --json $(RESULTS)/verify-whole-model.json

mutate: $(INSTALLED)
	$(BIN)/python -m qse_hw mutate --all --json $(RESULTS)/verify-mutation-netlist.json

mutate-python: $(INSTALLED)
	$(BIN)/python -m tests.mutation.run

coverage: $(INSTALLED)
	$(BIN)/python -m tests.coverage

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

oracles: $(INSTALLED)
	$(BIN)/python -m tests.oracles

reproduce: $(INSTALLED)
	$(BIN)/python -m tests.reproducibility

lint: $(INSTALLED)
	$(BIN)/ruff check
	@rm -rf $(PACKAGE) && mkdir -p $(PACKAGE)
	@ln -s $(addprefix $(CURDIR)/,$(wildcard qse_hw/*) golden rtl_gen sim synth) $(PACKAGE)
	cd $(VENV)/package && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: Python was not found; install Python 3.11 or newer"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python must be 3.11 or newer, not $$($(PYTHON) --version); set PYTHON=/path/to/python3.11"; exit 2; }
	@command -v g++ >/dev/null || { echo "error: g++ was not found; install a C++ compiler (Debian: apt-get install g++)"; exit 2; }
	@command -v perl >/dev/null || { echo "error: perl was not found; install it (Debian: apt-get install perl)"; exit 2; }
	$(PYTHON) -m venv $(VENV) || { echo "error: venv is missing; install it (Debian: apt-get install python3-venv)"; exit 2; }
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) qse-demo site
