# Every command of the project; `make` alone lists them. Each prepares what it needs: on a fresh machine that is
# python3, git and make, and everything below comes into folders of this checkout.

WORKLOAD ?= hospitals
WORKLOADS ?=
PROVINCE ?= 广东省
FULL ?=
KEEP ?=
LEADS ?= 200
PORT ?= 3000
STATE ?= .local
ENV ?=
STACK ?=
CI ?=
FUNCTION ?=
NAME ?=
ARGS ?=
SECONDS ?=
SEED ?=
PYTHON ?= python3

# A part of the workloads, with commas: make up WORKLOADS=hospitals,roles
CHOSEN := $(if $(WORKLOADS),--workloads "$(WORKLOADS)")

# DATABASE_URL=mysql://user:password@host:port/database reaches the stack by the environment.
# Bytecode is kept, whatever the environment says: without it each process compiles every test anew, which takes 6 seconds.
RUN := env -u PYTHONDONTWRITEBYTECODE PYTHONPATH=functions:layers/longhaul/python:client:. .venv/bin/python
PYTEST := $(RUN) -m pytest $(ARGS)
WORKERS ?= 2
COVERAGE := --cov --cov-report=term
PARALLEL := -n $(WORKERS) --dist loadscope
ENVIRONMENT = $(RUN) -m local.environments "$(ENV)" --stack-name "$(STACK)"
PUBLISH := $(RUN) -m local.publishing
SAM := env PATH="$(CURDIR)/.venv-sam/bin:$$PATH" SAM_CLI_TELEMETRY=0 sam
LOCK := pip compile --quiet --python-version 3.13 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate

# uv makes the environments. One that is on PATH will do; otherwise a pinned one is installed into .tools.
UV := $(shell command -v uv 2>/dev/null)
ifeq ($(UV),)
UV := .tools/bin/uv
UV_READY := .tools/bin/uv
endif

.DEFAULT_GOAL := help
.PHONY: help demo workload up console console-check screenshots client logs browser test unused-grants test-quick test-mariadb fuzz lint build openapi template bench deploy lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.ready ## Run a workload through the whole stack (PROVINCE=江苏省, FULL=1; WORKLOAD=calls LEADS=200, role, diagnosis, summaries, video)
	@exec $(RUN) -m local demo --port "$(PORT)" --state "$(STATE)" --workload "$(WORKLOAD)" $(CHOSEN) \
		--province "$(PROVINCE)" $(if $(filter-out 0,$(FULL)),--full) --leads "$(LEADS)"

workload: .venv/.ready ## Write a workload of your own, with its test and a sample to submit (NAME=summarise_texts)
	@$(if $(NAME),,echo "make: name the workload: make workload NAME=summarise_texts" >&2; exit 1;) \
		exec $(RUN) -m local workload "$(NAME)"

up: .venv/.ready ## Serve the stack on this machine until Ctrl-C (WORKLOADS=hospitals,calls PORT=3000 STATE=.local DATABASE_URL=mysql://...)
	@exec $(RUN) -m local up --port "$(PORT)" --state "$(STATE)" $(CHOSEN)

console: console/node_modules/.ready ## Build the console's pages into console/dist (needs Node 20 and npm)
	@cd console && npm run --silent build
	@echo "Built console/dist: commit it"

# The types are made of functions/docs/openapi.json each time, so what the API no longer has fails here.
console-check: console/node_modules/.ready ## Check the console: types against the API, unit tests, and whether console/dist is of this source
	@echo "Console: types" && cd console && npm run --silent types >/dev/null && npm run --silent check
	@echo "Console: unit tests" && cd console && npm run --silent test -- --reporter=dot
	@echo "Console: built files" && cd console && built=$$(mktemp -d) \
		&& npm run --silent build -- --outDir "$$built" --emptyOutDir --logLevel warn \
		&& { diff -r "$$built" dist || { echo "make: console/dist is not of this source: run make console" >&2; rm -rf "$$built"; exit 1; }; } \
		&& rm -rf "$$built" && echo "No findings"

screenshots: .venv/.ready ## Take pictures of the console into .screenshots, in both themes and languages, and the README's
	@exec $(RUN) -m tests.screenshots

client: $(UV_READY) ## Install the command longhaul and its Python package into .client
	@$(UV) venv --quiet --allow-existing --python 3.13 .client
	@$(UV) pip install --quiet --python .client --reinstall-package longhaul-client ./client
	@echo "Installed .client/bin/longhaul"

logs: .venv/.ready ## Follow what the functions of a stack log (FUNCTION=refresh_district, STATE=.local)
	@exec $(RUN) -m local logs --follow --state "$(STATE)" $(FUNCTION)

# Tests in a browser are skipped where there is none, so a machine that cannot get one runs the others.
browser: ## Install the browser that tests open pages in, where there is none (Debian and Ubuntu, as root)
	@command -v chromium chromium-browser google-chrome >/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "make: there is no chromium and it cannot be installed here; tests in a browser are skipped" >&2

test: .venv/.ready ## Run every test on the embedded database, with coverage (ARGS="-k name", WORKERS=2)
	@$(if $(ARGS),,rm -f .used-grants)
	@exec $(PYTEST) $(PARALLEL) tests/unit tests/client tests/architecture tests/integration tests/e2e tests/faults \
		$(COVERAGE)

unused-grants: .venv/.ready ## List what the roles of template.yaml may do and no test did, after `make test`
	@exec $(RUN) -m local grants

test-quick: .venv/.ready ## Run the tests that need no running stack and no database: unit, client, architecture
	@exec $(PYTEST) $(PARALLEL) -m "not stack" tests/unit tests/client tests/architecture

test-mariadb: .venv/.ready ## Run the integration tests on MariaDB or MySQL at 127.0.0.1:3306, in a database of their own
	@TEST_DATABASE_URL="$${TEST_DATABASE_URL:-mysql://root@127.0.0.1:3306}"; export TEST_DATABASE_URL; \
		exec $(PYTEST) $(PARALLEL) -o cache_dir=.pytest_cache/mariadb tests/integration

fuzz: .venv/.ready .venv-fuzz/.ready ## Ask a stack of its own what the OpenAPI document allows and forbids (SECONDS=60 SEED=any)
	@exec $(RUN) -m tests.fuzz $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(SEED),--seed "$(SEED)")

lint: .venv/.ready .venv-sam/.ready ## Check format, style, types and the template
	@echo "Format, with ruff" && .venv/bin/ruff format --check .
	@echo "Style, with ruff" && .venv/bin/ruff check .
	@echo "Types, with mypy" && .venv/bin/mypy
	@echo "Template, with cfn-lint" && .venv/bin/cfn-lint template.yaml && echo "No findings"
	@echo "Template, with sam validate" && $(SAM) validate --lint && echo
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory console-check; \
		else echo "make: there is no npm; the console is not checked" >&2; fi

build: .venv/.ready .venv-sam/.ready ## Build what is deployed into .aws-sam, and import every function from there
	@echo "Building the functions and layers"
	@log=$$(mktemp) && $(SAM) build >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; } \
		&& grep -h 'Build Succeeded\|WARN' "$$log"; rm -f "$$log"
	@echo "Leaving out of the vendor layer what no function reads"
	@$(RUN) -m local.trimming .aws-sam/build/VendorLayer/python
	@echo "Compiling: Lambda cannot keep bytecode, and its lack more than doubles a cold start"
	@.venv-sam/bin/python -m compileall -q -f --invalidation-mode unchecked-hash .aws-sam/build
	@echo "Importing every function from its built code and layers (compiled modules of .venv, if those are for another machine)"
	@BUILT=.aws-sam/build $(PYTEST) -q tests/architecture/test_handlers.py \
		tests/architecture/test_limits.py tests/architecture/test_built.py

openapi: .venv/.ready ## Write functions/docs/openapi.json anew from the code
	@$(RUN) -m docs.document
	@echo "Wrote functions/docs/openapi.json"

template: .venv/.ready ## Write template.yaml anew from deployment/, functions/*/deployment.yaml and the code
	@$(RUN) -m deployment
	@echo "Wrote template.yaml"

bench: .venv/.ready $(if $(filter workloads video_agent handlers,$(NAME)),.venv-bench/.ready) ## Measure, and write .bench/NAME.json (NAME=refresh, which is the default; ARGS="--full"; KEEP=1 writes bench/results/NAME.json)
	@KEEP="$(KEEP)" exec $(RUN) -m bench.$(or $(NAME),refresh) $(ARGS)

deploy: build ## Deploy to AWS, migrate the database and upload the console (ENV=staging; asks for the parameters the first time; CI=true asks nothing)
	@given=$$($(ENVIRONMENT) $(if $(filter-out 0 false,$(CI)),--unattended)) && $(SAM) deploy $$given
	@echo "Migrating the database"
	@stack=$$($(ENVIRONMENT) --stack) && answer=$$($(SAM) remote invoke Migrate --config-env "$(ENV)" \
		--stack-name "$$stack" --event '{}' --output json) && echo "$$answer" \
		&& case "$$answer" in *FunctionError*) echo "make: the migration failed" >&2; exit 1 ;; esac
	@echo "Uploading the console"
	@$(PUBLISH) "$$($(ENVIRONMENT) --stack)" --environment "$(ENV)"

lock: $(UV_READY) ## Pin requirements/*.in anew, with hashes
	@echo "Pinning requirements/*.txt"
	@$(UV) $(LOCK) --upgrade requirements/dev.in -o requirements/dev.txt
	@$(UV) $(LOCK) --upgrade requirements/runtime.in -c requirements/dev.txt -o requirements/runtime.txt
	@$(UV) $(LOCK) --upgrade requirements/media.in -c requirements/dev.txt -o requirements/media.txt
	@$(UV) $(LOCK) --upgrade requirements/sam.in -o requirements/sam.txt
	@$(UV) $(LOCK) --upgrade requirements/fuzz.in -o requirements/fuzz.txt
	@$(UV) $(LOCK) --upgrade requirements/bench.in -o requirements/bench.txt
	@$(UV) $(LOCK) --upgrade requirements/uv.in -o requirements/uv.txt

clean: ## Remove all that these commands made: environments, build, caches, local state
	@rm -rf console/node_modules console/src/api .venv .venv-sam .venv-fuzz .venv-bench .bench .client .tools .aws-sam "$(STATE)" .coverage .used-grants .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean"

.venv/.ready: requirements/dev.txt .python-version | $(UV_READY)
	@echo "Preparing .venv from requirements/dev.txt"
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes --compile-bytecode requirements/dev.txt
	@touch $@

# aws-sam-cli pins so many packages that it has a place of its own; `sam build` needs pip there, hence --seed.
.venv-sam/.ready: requirements/sam.txt requirements/pip.conf .python-version | $(UV_READY)
	@echo "Preparing .venv-sam from requirements/sam.txt"
	@$(UV) venv --quiet --allow-existing --seed --python 3.13 .venv-sam
	@$(UV) pip sync --quiet --python .venv-sam --require-hashes requirements/sam.txt
	@cp requirements/pip.conf .venv-sam/
	@touch $@

.venv-fuzz/.ready: requirements/fuzz.txt .python-version | $(UV_READY)
	@echo "Preparing .venv-fuzz from requirements/fuzz.txt"
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-fuzz
	@$(UV) pip sync --quiet --python .venv-fuzz --require-hashes --compile-bytecode requirements/fuzz.txt
	@touch $@

# The bench says what it could not compare with, so a machine without these packages may run it, too.
.venv-bench/.ready: requirements/bench.txt .python-version | $(UV_READY)
	@echo "Preparing .venv-bench from requirements/bench.txt"
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-bench \
		&& $(UV) pip sync --quiet --python .venv-bench --require-hashes --compile-bytecode requirements/bench.txt \
		&& touch $@ || echo "make: the peers cannot be installed; their figures are left out" >&2

console/node_modules/.ready: console/package-lock.json
	@command -v npm >/dev/null || { echo "make: needs Node 20 with npm on PATH" >&2; exit 1; }
	@echo "Preparing console/node_modules from console/package-lock.json"
	@cd console && npm ci --silent --no-audit --no-fund
	@touch $@

.tools/bin/uv: requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: needs python3 (3.8 or newer) on PATH" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' \
		|| { echo "make: needs python3 3.8 or newer; this is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "make: $(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing uv into .tools"
	@$(PYTHON) -m venv --clear .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@
