# Every target creates .venv if it is not there. `make` alone lists them.

# PyAirbyte, which the demo and the integration tests run, supports Python 3.10 to 3.12.
CANDIDATES := python3.11 python3.12 python3.10 python3 python
PYTHON ?= $(shell for candidate in $(CANDIDATES); do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' >/dev/null 2>&1 \
	&& { echo $$candidate; break; }; done)
BIN := .venv/bin

.PHONY: help demo sync test clients pythons lint format bench chaos docker probe generate lock audit dist release

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# Two locks: what the demo needs, and what development needs, which is more. A venv is set up again where its lock, the package's
# description or the installed packages (`uv sync` removes some) are newer than its stamp.
DEMO := $(if $(wildcard .venv/dev),.venv/dev,.venv/demo)
DEV := .venv/dev
.NOTPARALLEL: # one venv

WITH_INDEX = .ci/with-index

COMPILE = $(WITH_INDEX) $(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --upgrade --quiet \
	--custom-compile-command "make lock"

.venv/bin/uv:
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.10, 3.11 or 3.12 with venv found: install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON)."
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-demo.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement .venv/uv.txt

.venv/uv.env: | .venv/bin/uv
	@umask 077; $(BIN)/python -m pip config list 2>/dev/null | sed -n -e 's/\\n/ /g' -e 's/^[a-z]*\.index-url=\(.*\)/: $${UV_DEFAULT_INDEX:=\1}/p' \
		-e 's/^[a-z]*\.extra-index-url=\(.*\)/: $${UV_INDEX:=\1}/p' -e 's/^[a-z]*\.cert=\(.*\)/: $${SSL_CERT_FILE:=\1}/p' > $@

# Where Python may not write bytecode, each process would compile every import again, which doubles its start-up.
SYNC = $(WITH_INDEX) $(BIN)/uv pip sync --quiet $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

.venv/demo .venv/dev: .venv/%: requirements-%.lock pyproject.toml setup.py $(wildcard .venv/lib/python3*/site-packages) | .venv/uv.env
	@echo "--editable ." | $(SYNC) --python .venv --build-constraints $< $< -
	@touch $@

demo: $(DEMO) ## read an imitation of the API into out/demo.duckdb, and compare
	@$(BIN)/python -m sandbox.demo

sync: $(DEMO) ## read the account of secrets/config.json into out/retently.duckdb; FULL=1 reads everything again, START=2024-01-01 nothing older
	@$(BIN)/python examples/to_duckdb.py --config "$(or $(CONFIG),secrets/config.json)" --out "$(or $(OUT),out/retently.duckdb)" \
		$(if $(FULL),--full) $(if $(START),--start "$(START)") $(if $(SAME_ACCOUNT),--same-account)

test: lint ## check everything: style, types, unit tests, integration tests
	@$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder --cov --cov-report=

# Programs that call the connector and need hundreds of packages. Each has an environment of its own, in the versions of its lock.
# Dagster is not here: its test installs it beside the connector, as docs/deploy.md says.
CLIENTS := $(patsubst %,.venv-clients/%/done,airflow dlt pyairbyte)
$(CLIENTS): .venv-clients/%/done: integration_tests/clients/%.lock | $(DEV)
	@echo "Setting up $(@D)."
	@$(WITH_INDEX) $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(SYNC) --python $(@D) --require-hashes $<
	@touch $@

clients: $(DEV) $(CLIENTS) ## run what the documentation says about other programs with the real ones: Airflow, Dagster, dlt, the newest PyAirbyte
	@$(WITH_INDEX) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m clients integration_tests/clients

pythons: $(DEV) ## run the unit tests on each Python from 3.10 to 3.13 that is here, and with the oldest and the newest CDK
	@$(WITH_INDEX) $(BIN)/nox --non-interactive

lint: $(DEV) ## check style, types, workflows and issue forms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/zizmor --offline --no-progress --quiet .github
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml

docker: $(DEV) ## build the image, and run it as the platform does
	@integration_tests/container.sh

probe: $(DEMO) ## find out how the API of the account of secrets/config.json behaves; at most 80 requests, read-only
	@$(BIN)/python -m probe

chaos: $(DEV) ## 200 syncs with random errors; CHAOS_SEED=7 for other ones
	@mkdir -p out
	@CHAOS_RUNS=$${CHAOS_RUNS:-200} $(BIN)/python -m pytest integration_tests/test_chaos.py -k "test_chaos or healthy" -rP > out/chaos.log 2>&1; \
	code=$$?; grep -E '^(chaos|healthy|E   |[0-9]+ (passed|failed))' out/chaos.log; exit $$code

bench: $(DEV) .venv-clients/dlt/done ## measure speed, memory and requests, compared with other programs; takes about 25 minutes
	@$(BIN)/python -m benchmarks && $(BIN)/python -m benchmarks.hourly

generate: $(DEV) ## write what follows from the stream classes and schemas: tables, catalog, expected records, metadata, diagram
	@$(BIN)/python -m docs.generate

lock: $(DEV) ## pin all dependencies, with hashes, to the newest that pyproject.toml and the clients' files allow
	@$(COMPILE) pyproject.toml --extra test --output-file requirements-dev.lock
	@$(COMPILE) pyproject.toml --extra sandbox --extra demo --constraints requirements-dev.lock --output-file requirements-demo.lock
	@$(COMPILE) pyproject.toml --overrides requirements-overrides.txt --output-file requirements.lock
	@for client in integration_tests/clients/*.in; do $(COMPILE) "$$client" --output-file "$${client%.in}.lock" || exit; done

audit: $(DEV) ## search the pinned dependencies for known vulnerabilities; needs PyPI
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

format: $(DEV) ## format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix .

dist: $(DEV) ## build the sdist and the wheel of the files as they are into dist/, and check them
	@$(BIN)/python -m release dist

release: $(DEV) ## build, check and try all that a release has, into dist/; needs a clean checkout
	@$(BIN)/python -m release release
