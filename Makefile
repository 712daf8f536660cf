# Every target creates .venv if it is not there. `make` alone lists them.

# PyAirbyte, which the demo and the integration tests run, supports Python 3.10 to 3.12.
CANDIDATES := python3.11 python3.12 python3.10 python3 python
PYTHON ?= $(shell for candidate in $(CANDIDATES); do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' >/dev/null 2>&1 \
	&& { echo $$candidate; break; }; done)
BIN := .venv/bin

.PHONY: help demo sync test lint format bench chaos docker probe generate lock audit

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/done: setup.py
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.10, 3.11 or 3.12 with venv found: install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON); this takes about a minute."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sandbox,demo,test]'
	@touch $@

demo: .venv/done ## read an imitation of the API into out/demo.duckdb, and compare
	@$(BIN)/python -m sandbox.demo

sync: .venv/done ## read the account of secrets/config.json into out/retently.duckdb; FULL=1 reads everything again, START=2024-01-01 nothing older
	@$(BIN)/python examples/to_duckdb.py --config "$(or $(CONFIG),secrets/config.json)" --out "$(or $(OUT),out/retently.duckdb)" \
		$(if $(FULL),--full) $(if $(START),--start "$(START)") $(if $(SAME_ACCOUNT),--same-account)

test: lint ## check everything: style, types, unit tests, integration tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile

lint: .venv/done ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docker: .venv/done ## build the image, and run it as the platform does
	@integration_tests/container.sh

probe: .venv/done ## find out how the API of the account of secrets/config.json behaves; at most 80 requests, read-only
	@$(BIN)/python -m probe

chaos: .venv/done ## 200 syncs with random errors; CHAOS_SEED=7 for other ones
	@mkdir -p out
	@CHAOS_RUNS=$${CHAOS_RUNS:-200} $(BIN)/python -m pytest integration_tests/test_chaos.py -k "test_chaos or healthy" -rP > out/chaos.log 2>&1; \
	code=$$?; grep -E '^(chaos|healthy|E   |[0-9]+ (passed|failed))' out/chaos.log; exit $$code

bench: .venv/done ## measure speed, memory and requests, compared with other programs; takes about 12 minutes
	@$(BIN)/python -m benchmarks

generate: .venv/done ## write what follows from the stream classes and schemas: tables, catalog, expected records, metadata, diagram
	@$(BIN)/python -m docs.generate

lock: .venv/done ## pin the image's dependencies, with hashes, to the newest that setup.py allows
	@$(BIN)/uv pip compile setup.py --universal --python-version 3.10 --generate-hashes --upgrade --quiet --custom-compile-command "make lock" --output-file requirements.lock

audit: .venv/done ## search the pinned dependencies for known vulnerabilities; needs PyPI
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

format: .venv/done ## format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix .
