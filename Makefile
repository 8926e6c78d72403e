# The whole developer manual. CI calls the same targets.
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
UV := $(BIN)/uv --no-progress
CLINIC := examples/clinic
GITLAB_CI := tests/e2e/client
# Some machines switch bytecode off; every process would then compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test check docs bench soak format lock system client clean

help: ## Show what there is to do
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: .venv/.installed $(CLINIC)/.venv/.installed ## Make the environments (quick the second time)

.venv/.installed: pyproject.toml requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; make PYTHON=/path/to/python names one"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	test -x $(BIN)/uv || $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check \
		"$$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements-dev.txt)"
	$(UV) pip sync --quiet --python $(BIN)/python requirements-dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# The example's own environment, as a team would have it. Palmette is there for its unit tests alone.
$(CLINIC)/.venv/.installed: $(CLINIC)/requirements-dev.txt .venv/.installed
	test -x $(CLINIC)/.venv/bin/python || $(UV) venv --quiet --python $(BIN)/python $(CLINIC)/.venv
	$(UV) pip sync --quiet --compile-bytecode --python $(CLINIC)/.venv/bin/python $(CLINIC)/requirements-dev.txt
	$(UV) pip install --quiet --python $(CLINIC)/.venv/bin/python --no-deps --editable .
	touch $@

demo: install ## Train three algorithms of examples/clinic and compare two runs
	@$(CLINIC)/demo.sh "$(abspath $(BIN))"

system: ## Install the Debian packages that the tests need (only when root)
	@scripts/system

# GitLab's jobs, run on this machine: a Node program that the end-to-end tests drive the shipped CI file with.
$(GITLAB_CI)/node_modules/.installed: $(GITLAB_CI)/package-lock.json
	cd $(GITLAB_CI) && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	touch $@

client: system
	@if command -v npm >/dev/null; then $(MAKE) -s $(GITLAB_CI)/node_modules/.installed; \
		else echo "npm is missing: GitLab's jobs are not tested"; fi

test: install system client ## Run every test
	$(BIN)/pytest -n 3 --dist worksteal --durations 10
	cd $(CLINIC) && .venv/bin/python -m pytest -q

check: install ## Lint, types, layers, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/docs

docs: install ## Write the reference from the code, and into the pages what commands print
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/screens.py

bench: install ## Measure the budgets beside physical limits and peers in the same run
	$(BIN)/python -m benchmarks --page

soak: install ## Kill drivers, templates and tasks 1,000 times (long); writes benchmarks/soak.md
	$(BIN)/python -m benchmarks.soak --kills 1000

format: install ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Pin the environments anew
	$(UV) pip compile --quiet --universal --python-version 3.11 --extra optuna --extra postgres --group dev --generate-hashes \
		--no-header --no-annotate pyproject.toml -o requirements-dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate $(CLINIC)/pyproject.toml -o $(CLINIC)/requirements.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--group $(CLINIC)/pyproject.toml:images --no-header --no-annotate $(CLINIC)/pyproject.toml \
		-c $(CLINIC)/requirements.txt -o $(CLINIC)/requirements-images.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --group $(CLINIC)/pyproject.toml:dev \
		--no-header --no-annotate $(CLINIC)/pyproject.toml -c $(CLINIC)/requirements.txt \
		-o $(CLINIC)/requirements-dev.txt

clean: ## Remove the environments and what the demo left
	rm -rf .venv $(CLINIC)/.venv $(CLINIC)/.palmette $(GITLAB_CI)/node_modules
