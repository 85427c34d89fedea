# make reproduce: every table, at the default scale.   make test: the test suite.
# make verify: one's own tables against those in docs/results, cell by cell.
# make ui: the runs side by side in a browser; docs/tracking.md.
# All first make .venv from requirements.lock; nothing but Python 3.11+ and a package index is needed.

PYTHON ?= python3
INSTALLED := .venv/requirements.lock
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
SCALE := smoke
HOST := 127.0.0.1
PORT := 5000

.PHONY: reproduce verify test lint lock ui

reproduce: $(INSTALLED)
	$(IN_VENV) snakemake --cores all --resources gpu=4

verify: $(INSTALLED)
	$(IN_VENV) python -m an verify --scale $(SCALE)

test: $(INSTALLED)
	$(IN_VENV) python -m pytest

lint: $(INSTALLED)
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) snakefmt --check Snakefile workflow
	$(IN_VENV) snakemake --lint

ui: $(INSTALLED)
	$(IN_VENV) python -m an ui --scale $(SCALE) --host $(HOST) --port $(PORT)

$(INSTALLED): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON=")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	cp requirements.lock $@

# After a change of pyproject.toml's dependencies; needs uv. The lock holds versions and hashes, no addresses.
lock:
	uv lock --upgrade
	uv export --quiet --frozen --no-emit-project --all-extras --no-header --no-annotate --output-file requirements.lock
	rm uv.lock
