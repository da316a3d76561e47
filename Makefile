# One way to run everything. Each target sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml hatch_build.py $(wildcard assets/*.json) $(wildcard src/qotgate/protocol/proto/*.proto)

# How many tests run at once, and more options for pytest, such as TESTS="-k splits tests/ark".
PROCESSES ?= auto
TESTS ?=
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal

.PHONY: demo test test-rules test-all check bench docs fuzz audit format clean

# On another port than 11111: make demo PORT=11112
demo: $(VENV)/installed
	$(BIN)/qotgate demo $(if $(PORT),--port $(PORT))

# What a change usually breaks.
test: $(VENV)/tested
	$(PYTEST) -m "not slow" $(TESTS)

# The pure rules: no files, sockets or databases.
test-rules: $(VENV)/tested
	$(BIN)/python -m pytest --quiet tests/model tests/ark tests/ratings tests/protocol $(TESTS)

# The rest too: kills, floods, fuzzing, clients of other languages, browser, cluster.
test-all: $(VENV)/tested
	$(PYTEST) $(TESTS)

check: $(VENV)/tested
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src

bench: $(VENV)/tested
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

# The documentation, as pages in build/site. mkdocs would announce its successor.
docs: $(VENV)/tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# SECONDS for each target; TARGETS are all unless named.
fuzz: SECONDS := 60
fuzz: $(VENV)/tested
	$(BIN)/python -m fuzz $(TARGETS) --seconds $(SECONDS)

# Asks PyPI for known flaws of the installed packages.
audit: $(VENV)/tested
	$(PIP) install --group audit
	$(BIN)/pip-audit --local --skip-editable --strict

format: $(VENV)/tested
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf src/qotgate/web/static/vendor src/qotgate/protocol/proto/messages.binpb

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("qotgate needs Python 3.11 or newer; name one with PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"

$(VENV)/installed: $(BIN)/python $(SOURCES)
	$(PIP) install --editable .
	touch $@

$(VENV)/tested: $(BIN)/python $(SOURCES)
	$(PIP) install --editable . --group check --group test
	touch $@ $(VENV)/installed
