# Every target sets up what it needs by itself. `make up` and `make test` are all that a newcomer has to know.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
HOST ?= 127.0.0.1
PORT ?= 8000
UP ?=
TESTS ?=
FAULTS ?=
ON ?= sqlite,postgres
# Tests run in as many processes as there are cores; `make test JOBS=0` runs them in one.
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help up install compile test again faults check lint format types contracts migrations docs clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

up: $(STAMP)  ## start the platform with its demo (HOST=127.0.0.1 PORT=8000); one Ctrl-C stops it
	@$(RUN) manage.py up --host $(HOST) --port $(PORT) $(UP)

install: $(STAMP)  ## make .venv, install everything into it, and compile where there is a C compiler
	@echo "Everything is installed in $(VENV)."
	@$(RUN) -m config.compiling || true

compile: $(STAMP)  ## compile the domain and the simulator's world: three times as fast (gcc, python3-dev)
	@$(RUN) -m config.compiling

test: $(STAMP)  ## run the tests (TESTS=tests/unit for some of them)
	@$(RUN) -m pytest -n $(JOBS) --dist loadgroup $(TESTS)

again: $(STAMP)  ## run once more, one at a time, the tests that failed last
	@$(RUN) -m pytest -n 0 --last-failed --last-failed-no-failures none

faults: $(STAMP)  ## try every fault and print a table (FAULTS=F04,F17 for some, ON=sqlite for one database)
	@$(RUN) -m tests.faults --faults "$(FAULTS)" --on "$(ON)"

check: $(STAMP)  ## all that .ci/run does after its set-up
	@MAKE=$(MAKE) bash .ci/check

lint: $(STAMP)  ## ruff: rules and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

format: $(STAMP)  ## let ruff mend and format
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

types: $(STAMP)  ## mypy
	@$(RUN) -m mypy

contracts: $(STAMP)  ## the layers, by import-linter
	@$(VENV)/bin/lint-imports

migrations: $(STAMP)  ## no model without its migration
	@$(RUN) manage.py makemigrations --check --dry-run

docs: $(STAMP)  ## write the generated pages of docs/ anew
	@$(RUN) -m config.podium
	@$(RUN) manage.py draw_lifecycle
	@$(RUN) -c "from orchestration.domain.definition.schema import schema_text; print(schema_text(), end='')" \
	  > docs/reference/workflow.schema.json
	@$(RUN) -c "from simulation.scenarios.language import scenario_schema_text; print(scenario_schema_text(), end='')" \
	  > docs/reference/simulation-scenario.schema.json
	@$(RUN) -c "from orchestration.domain.calling.policy import policy_schema_text; print(policy_schema_text(), end='')" \
	  > docs/reference/service-policy.schema.json
	@$(RUN) manage.py export_api_reference

clean:  ## remove what the tools left (not .venv, not .podium)
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

$(STAMP): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Podium needs Python 3.11 or newer; choose one: make PYTHON=python3.12 install"; exit 1; }
	@test -x $(RUN) || { echo "Making the virtual environment in $(VENV) ..."; $(PYTHON) -m venv $(VENV); } \
	  || { rm -rf $(VENV); echo "Python's venv module is not complete here; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing $$(grep -c == constraints.txt) packages into $(VENV) (a minute or two, once) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-compile \
	  -r constraints.txt
	@touch $(STAMP)
	@echo "Installed."
