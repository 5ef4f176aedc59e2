# Two commands matter: make demo, make test. Both do all their set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint setup lock clean help

help:
	@echo "make demo    a county, a township, cameras and terminals on this machine"
	@echo "make test    lint, types, import rules and every test"
	@echo "make lint    ruff, mypy, import rules"
	@echo "make lock    write the lock files anew"

demo: $(STAMP)
	@$(BIN)/gateway demo $(ARGS)

test: $(STAMP) lint
	@.ci/packages test
	$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(STAMP)

$(STAMP): pyproject.toml deploy/requirements.txt tests/requirements.txt $(shell find gateway/console/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
	@.ci/packages run
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.txt -r tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Hashes of every package and no address of any index: the machine's own settings say where packages come from.
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock:
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(LOCK) pyproject.toml --output-file deploy/requirements.txt
	$(LOCK) pyproject.toml --group dev --constraint deploy/requirements.txt --output-file tests/requirements.txt

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis gateway/console/web/dist gateway/console/web/node_modules
