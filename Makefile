# The commands of this project; `make help` lists them. CI runs the same.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
PYTHON ?= python3
TARGET ?= dev
VARS ?= {}
# Python keeps what it has compiled, which uv leaves to whoever imports it first: each start of dbt is two seconds quicker.
export PYTHONDONTWRITEBYTECODE :=
N ?= 1000
SEED ?= 0

BIN := .venv/bin
DBT := $(BIN)/dbt
USER_METRICS := $(BIN)/user-metrics
PACKAGES := $(or $(DBT_PACKAGES_PATH),dbt_packages)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Set-up: each stamp is newer than what it was made from, so that a second run does nothing.

# Install into a virtual environment: by uv, or by pip where uv cannot. A lock is complete, so no dependencies are sought.
define install
	@{ [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(1)/bin/python --no-deps $(2); } \
		|| $(BIN)/python -m pip --python $(1)/bin/python install -qq --disable-pip-version-check --no-deps $(2)
endef

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: user_metrics needs Python 3.11 or newer (make PYTHON=python3.12 …)."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: apt-get install python3-venv."; exit 1; }

.venv/uv: requirements/uv.txt | .venv/bin/python
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --require-hashes -r $< \
		|| echo "uv cannot be installed; pip, which takes a minute, does its work."
	@touch $@

.venv/runtime: requirements/runtime.txt pyproject.toml .venv/uv
	@echo "Installing requirements/runtime.txt into .venv …"
	$(call install,.venv,--require-hashes -r $<)
	$(call install,.venv,--no-build-isolation --editable .)
	@touch $@

.venv/development: requirements/development.txt .venv/runtime
	@echo "Installing requirements/development.txt into .venv …"
	$(call install,.venv,--require-hashes -r $<)
	@touch $@

.venv/extract: requirements/extract.txt .venv/runtime
	@echo "Installing requirements/extract.txt into .venv …"
	$(call install,.venv,--require-hashes -r $<)
	@touch $@

.venv/packages: packages.yml package-lock.yml $(shell find offline_packages -type f) .venv/runtime $(if $(wildcard $(PACKAGES)/dbt_utils),,missing)
	@$(USER_METRICS) packages
	@mkdir -p data
	@touch $@

.PHONY: missing
missing:

.PHONY: setup
setup: .venv/packages ## Make .venv and install the dbt packages; does nothing when up to date

.PHONY: demo
demo: export LAKE_URI := data/lake
demo: export DUCKDB_PATH := data/user_metrics.duckdb
demo: setup ## Build user_metrics from a sample lake and show what came out
	@$(USER_METRICS) sample
	@echo "dbt build: models, tests and snapshot …"
	@$(DBT) build --quiet --no-print
	@echo "dbt source freshness …"
	@$(DBT) source freshness --quiet
	@$(USER_METRICS) summary
	@$(USER_METRICS) report
	@printf '%s\n' "" "What next:" \
		"  make build                           build again: nothing has changed, so no date is written" \
		"  .venv/bin/user-metrics why --user 1  why the first user has the figures that are there" \
		"  make docs                            what each column means and comes from, and the report" \
		"  LAKE_URI=/your/lake make check-lake  your own users and orders; docs/your_data.md makes a lake of them"

.PHONY: build
build: setup ## Build from LAKE_URI into DUCKDB_PATH: make build VARS='{run_date: 2024-01-05}' TARGET=ci
	@$(USER_METRICS) build --target $(TARGET) --vars '$(VARS)'

.PHONY: runs
runs: setup ## Show what the last ten runs did
	@$(DBT) --quiet run-operation show_runs --target $(TARGET)

.PHONY: check-lake
check-lake: setup ## Read LAKE_URI, build nothing, and tell all that is wrong or suspicious in it
	@$(USER_METRICS) check-lake --vars '$(VARS)'

.PHONY: extract
extract: setup .venv/extract ## Write a load of SOURCE_POSTGRES_DSN into LAKE_URI: make extract TABLE=orders DATE=2024-01-05
	@[ "$(TABLE)" -a "$(DATE)" ] || { echo "Say which load: make extract TABLE=orders DATE=2024-01-05"; exit 1; }
	@$(USER_METRICS) extract --table $(TABLE) --date $(DATE) $(if $(WHOLE),--whole)

.PHONY: backfill
backfill: setup .venv/extract ## Extract and build a range of dates: make backfill FROM=2024-01-01 TO=2024-01-31
	@[ "$(FROM)" -a "$(TO)" ] || { echo "Say which dates: make backfill FROM=2024-01-01 TO=2024-01-31"; exit 1; }
	@$(USER_METRICS) backfill --from $(FROM) --to $(TO) --target $(TARGET) --vars '$(VARS)'

.PHONY: load
load: setup ## Take the loads of LAKE_URI (on S3) that are new or have changed into Redshift
	@$(USER_METRICS) load --changed

.PHONY: freshness
freshness: setup ## Check how old the newest load is
	@$(USER_METRICS) freshness --target $(TARGET)

.PHONY: loads
loads: setup ## Show every load that was read
	@$(USER_METRICS) loads --target $(TARGET)

.PHONY: report
report: setup ## Make target/report.html: charts and tables for people who would rather look
	@$(USER_METRICS) report --target $(TARGET)

.PHONY: docs
docs: setup ## Make target/site: the report, dbt docs, lineage of tables and columns
	@$(USER_METRICS) docs --target $(TARGET)

.PHONY: docs-serve
docs-serve: docs ## Serve target/site, and print its address
	@$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory target/site

# Airflow has a virtual environment of its own, as dbt wants other versions of the same packages.
.venv-airflow/installed: requirements/airflow.txt .venv/uv
	@echo "Installing requirements/airflow.txt into .venv-airflow …"
	@$(PYTHON) -m venv --without-pip .venv-airflow
	$(call install,.venv-airflow,--require-hashes -r $<)
	@touch $@

# What the DAG is drawn from.
target/airflow/manifest.json: $(shell find models macros seeds snapshots tests -name '*.sql' -o -name '*.yml' -o -name '*.csv') dbt_project.yml .venv/packages
	@$(DBT) --quiet parse --target-path target/airflow

.PHONY: airflow
airflow: .venv/development .venv/packages .venv-airflow/installed target/airflow/manifest.json ## Start a local Airflow with the pipeline on sample data, and say where it is
	@PYTHONPATH=tests/python $(BIN)/python -W ignore tools/local_airflow.py

.PHONY: test
test: .venv/development .venv/packages .venv-airflow/installed target/airflow/manifest.json ## Run the whole test suite; PYTEST='-m histories' runs a part
	@$(BIN)/python -m pytest -n 3 --dist worksteal --durations=40 $(PYTEST)

.PHONY: test-nightly
test-nightly: override export PYTEST := --timeout=10000 --histories=1000 --redshift-histories=50 --kills=200 --shop-days=30 \
	--rounds=10 --orders=5000000 --loads-on-s3=400 --backfill-days=3 --year-builds=305 --year-loads=305 --duckdb-threads=4 $(PYTEST)
test-nightly: test ## Run the same tests with larger numbers: histories, kills, the real year load by load (hours)

.PHONY: test-histories
test-histories: .venv/development .venv/packages ## Play N random histories from SEED on: make test-histories N=10000
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m histories --histories=$(N) --seed=$(SEED)

# What user_metrics is compared with, each apart from dbt, whose packages they clash with.
.venv-spark/installed: PACKAGE := pyspark==4.0.5
.venv-compare/installed: PACKAGE := 'sqlmesh[duckdb]==0.236.4' polars==2.1.0
.venv-spark/installed .venv-compare/installed:
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check $(PACKAGE)
	@touch $@

.PHONY: bench
bench: .venv/development .venv/packages .venv-spark/installed .venv-compare/installed ## Measure user_metrics against the same by hand and with other tools (more than an hour)
	@$(BIN)/python -m benchmarks.bench

.PHONY: bench-quick
bench-quick: .venv/development .venv/packages ## The same on a small lake (3 minutes), with the tools that are there, into target/
	@mkdir -p target
	@$(BIN)/python -m benchmarks.bench --quick --results target/results.json --page target/performance.md

.PHONY: lint
lint: .venv/development .venv/packages ## Check style and types of SQL, YAML and Python
	@$(BIN)/pre-commit run --all-files --show-diff-on-failure

.PHONY: commands
commands: .venv/development ## Write docs/commands.md anew, of what the commands say of themselves
	@$(BIN)/python tools/commands_page.py

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header pyproject.toml

.PHONY: lock
lock: .venv/development ## Resolve pyproject.toml anew into requirements/
	@$(LOCK) --upgrade --group build --group development -o requirements/development.txt
	@$(LOCK) --group build --group s3 --constraints requirements/development.txt -o requirements/runtime.txt
	@$(LOCK:%pyproject.toml=%) --group extract --constraints requirements/development.txt -o requirements/extract.txt
	@$(LOCK:%pyproject.toml=%) --group installer --constraints requirements/development.txt -o requirements/uv.txt
	@# pip takes fastapi[standard]==… for no version of fastapi where hashes are asked for.
	@$(LOCK:%pyproject.toml=%) --upgrade --strip-extras --group airflow -o requirements/airflow.txt

.PHONY: dist
dist: .venv/uv ## Build a release's wheel and notes into dist/: make dist VERSION=0.1.0
	@grep -qx 'version = "$(VERSION)"' pyproject.toml && grep -qx 'version: $(VERSION)' dbt_project.yml \
		|| { echo "pyproject.toml and dbt_project.yml do not both have version $(VERSION): correct them."; exit 1; }
	@grep -qE '^## $(VERSION) \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$$' CHANGELOG.md \
		|| { echo "CHANGELOG.md has no heading '## $(VERSION) (YYYY-MM-DD)': date the release."; exit 1; }
	@rm -rf dist
	@[ -x $(BIN)/uv ] || { echo "make dist needs uv, which could not be installed: run make clean, and make dist again."; exit 1; }
	@$(BIN)/uv build --quiet --wheel --build-constraints requirements/runtime.txt --require-hashes --out-dir dist
	@awk '/^## / {is_of_release = index($$0, "## $(VERSION) ") == 1; next} is_of_release' CHANGELOG.md > dist/notes.md

.PHONY: clean
clean: ## Remove what was made: .venv, packages, logs, and the sample lake with its database
	@if [ -e data/lake/.sample.json ]; then rm -rf data/lake data/user_metrics.duckdb; fi
	@rm -rf .venv .venv-airflow dbt_packages dist target logs .pytest_cache .mypy_cache .ruff_cache
