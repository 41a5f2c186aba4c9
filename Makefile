# Every command of the project; `make` alone lists them. Each prepares what it needs: on a fresh machine that is
# python3, git and make, and everything below comes into folders of this checkout.

WORKLOAD ?= hospitals
PROVINCE ?= 广东省
FULL ?=
LEADS ?= 200
PORT ?= 3000
STATE ?= .local
STACK ?= longhaul
FUNCTION ?=
NAME ?= refresh
ARGS ?=
PYTHON ?= python3

# DATABASE_URL=mysql://user:password@host:port/database reaches the stack by the environment.
RUN := env PYTHONPATH=functions:layers/longhaul/python:client:. .venv/bin/python
PYTEST := $(RUN) -m pytest $(ARGS)
SAM := env PATH="$(CURDIR)/.venv-sam/bin:$$PATH" SAM_CLI_TELEMETRY=0 sam
LOCK := pip compile --quiet --python-version 3.13 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate

# uv makes the environments. One that is on PATH will do; otherwise a pinned one is installed into .tools.
UV := $(shell command -v uv 2>/dev/null)
ifeq ($(UV),)
UV := .tools/bin/uv
UV_READY := .tools/bin/uv
endif

.DEFAULT_GOAL := help
.PHONY: help demo up client logs test test-mariadb lint build openapi bench deploy lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.ready ## Run a workload through the whole stack (PROVINCE=江苏省, FULL=1; WORKLOAD=calls LEADS=200, role, diagnosis)
	@exec $(RUN) -m local demo --port "$(PORT)" --state "$(STATE)" --workload "$(WORKLOAD)" \
		--province "$(PROVINCE)" $(if $(filter-out 0,$(FULL)),--full) --leads "$(LEADS)"

up: .venv/.ready ## Serve the stack on this machine until Ctrl-C (PORT=3000 STATE=.local DATABASE_URL=mysql://...)
	@exec $(RUN) -m local up --port "$(PORT)" --state "$(STATE)"

client: $(UV_READY) ## Install the command longhaul and its Python package into .client
	@$(UV) venv --quiet --allow-existing --python 3.13 .client
	@$(UV) pip install --quiet --python .client --reinstall-package longhaul-client ./client
	@echo "Installed .client/bin/longhaul"

logs: .venv/.ready ## Follow what the functions of a stack log (FUNCTION=refresh_district, STATE=.local)
	@exec $(RUN) -m local logs --follow --state "$(STATE)" $(FUNCTION)

test: .venv/.ready ## Run every test on the embedded database, with coverage (ARGS="-k name")
	@exec $(PYTEST) tests/unit tests/client tests/architecture tests/integration tests/e2e tests/faults --cov --cov-report=term

test-mariadb: .venv/.ready ## Run the integration tests on MariaDB or MySQL at 127.0.0.1:3306, in a database of their own
	@TEST_DATABASE_URL="$${TEST_DATABASE_URL:-mysql://root@127.0.0.1:3306}"; export TEST_DATABASE_URL; \
		exec $(PYTEST) tests/integration

lint: .venv/.ready .venv-sam/.ready ## Check format, style, types and the template
	@echo "Format, with ruff" && .venv/bin/ruff format --check .
	@echo "Style, with ruff" && .venv/bin/ruff check .
	@echo "Types, with mypy" && .venv/bin/mypy
	@echo "Template, with cfn-lint" && .venv/bin/cfn-lint template.yaml && echo "No findings"
	@echo "Template, with sam validate" && $(SAM) validate --lint && echo

build: .venv/.ready .venv-sam/.ready ## Build what is deployed into .aws-sam, and import every function from there
	@echo "Building the functions and layers"
	@log=$$(mktemp) && $(SAM) build >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; } \
		&& grep -h 'Build Succeeded\|WARN' "$$log"; rm -f "$$log"
	@echo "Compiling: Lambda cannot keep bytecode, and its lack more than doubles a cold start"
	@.venv-sam/bin/python -m compileall -q -f --invalidation-mode unchecked-hash .aws-sam/build
	@echo "Importing every function from its built code and layers"
	@BUILT=.aws-sam/build $(PYTEST) -q tests/architecture/test_handlers.py

openapi: .venv/.ready ## Write functions/docs/openapi.json anew from the code
	@$(RUN) -m docs.document
	@echo "Wrote functions/docs/openapi.json"

bench: .venv/.ready ## Measure, and write bench/results/NAME.json (NAME=refresh, ARGS="--full")
	@exec $(RUN) -m bench.$(NAME) $(ARGS)

deploy: build ## Deploy to AWS (asks for the parameters the first time; STACK=longhaul), then migrate the database
	@$(SAM) deploy --stack-name "$(STACK)" $(if $(shell grep -s '^parameter_overrides' samconfig.toml),,--guided)
	@echo "Migrating the database"
	@answer=$$($(SAM) remote invoke Migrate --stack-name "$(STACK)" --event '{}' --output json) && echo "$$answer" \
		&& case "$$answer" in *FunctionError*) echo "make: the migration failed" >&2; exit 1 ;; esac

lock: $(UV_READY) ## Pin requirements/*.in anew, with hashes
	@echo "Pinning requirements/*.txt"
	@$(UV) $(LOCK) --upgrade requirements/dev.in -o requirements/dev.txt
	@$(UV) $(LOCK) --upgrade requirements/runtime.in -c requirements/dev.txt -o requirements/runtime.txt
	@$(UV) $(LOCK) --upgrade requirements/sam.in -o requirements/sam.txt
	@$(UV) $(LOCK) --upgrade requirements/uv.in -o requirements/uv.txt

clean: ## Remove all that these commands made: environments, build, caches, local state
	@rm -rf .venv .venv-sam .client .tools .aws-sam "$(STATE)" .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean"

.venv/.ready: requirements/dev.txt .python-version | $(UV_READY)
	@echo "Preparing .venv from requirements/dev.txt"
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes --compile-bytecode requirements/dev.txt
	@touch $@

# aws-sam-cli pins so many packages that it has a place of its own; `sam build` needs pip there, hence --seed.
.venv-sam/.ready: requirements/sam.txt .python-version | $(UV_READY)
	@echo "Preparing .venv-sam from requirements/sam.txt"
	@$(UV) venv --quiet --allow-existing --seed --python 3.13 .venv-sam
	@$(UV) pip sync --quiet --python .venv-sam --require-hashes requirements/sam.txt
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
