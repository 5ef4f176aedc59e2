# Two commands matter: make demo, make test. Both do all their set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test bundle lint setup lock audit flame faults clean help

help:
	@echo "make demo    a county, a township, cameras and terminals on this machine"
	@echo "make test    lint, types, import rules and every test"
	@echo "make fuzz    hostile input against every reader of it, for FUZZ_SECONDS (300); then the API, API_EXAMPLES (200) an operation"
	@echo "make faults  real processes under real faults, 20,000 presses (as root: also full disks, power failures, lost packets)"
	@echo "make bundle  one file in dist/ that installs a node on a machine without internet"
	@echo "make lint    ruff, mypy, import rules"
	@echo "make audit   known holes in what is shipped (asks the package index), and dist/sbom.cdx.json"
	@echo "make flame   a flame graph of a video worker with 1,000 cameras, in flame.svg"
	@echo "make lock    write the lock files anew"

demo: $(STAMP)
	@$(BIN)/gateway demo $(ARGS)

# Two at a time, for most tests wait for something; a file's tests stay together, for many share what they started.
test: $(STAMP) lint
	@.ci/packages test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

FUZZ_SECONDS ?= 300
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(ARGS)
	API_EXAMPLES=$(or $(API_EXAMPLES),200) $(BIN)/python -m pytest -q -o timeout=0 tests/e2e/test_hostile_api.py

# SEED and PRESSES may be given; the report as JSON besides. Exit code 2: a scene could not be played on this machine.
faults: $(STAMP)
	@.ci/packages test
	$(BIN)/gateway lab faults --presses $(or $(PRESSES),20000) $(if $(SEED),--seed $(SEED)) --report faults.json --table faults.md $(ARGS)

# --strict: a package that could not be looked up is no good news.
audit: $(STAMP)
	$(BIN)/python deploy/sbom.py dist/sbom.cdx.json
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.txt

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One file with the console, every package by its hash, and what deploy/ has: see deploy/README.md.
bundle: $(STAMP)
	@deploy/bundle/build.sh dist

setup: $(STAMP)

$(STAMP): pyproject.toml deploy/requirements.txt tests/requirements.txt $(shell find gateway/console/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
	@.ci/packages run
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.txt -r tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# CAMERAS and STREAM (sub | main) may be given. py-spy has to be allowed to look at other processes: run it as root.
flame: $(STAMP)
	$(BIN)/gateway bench ingest --cameras $(or $(CAMERAS),1000) --stream $(or $(STREAM),sub) --rounds 1 --no-peers --flame flame.svg

# Hashes of every package and no address of any index: the machine's own settings say where packages come from.
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock:
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(LOCK) pyproject.toml --output-file deploy/requirements.txt
	$(LOCK) pyproject.toml --group dev --constraint deploy/requirements.txt --output-file tests/requirements.txt

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis gateway/console/web/dist gateway/console/web/node_modules
