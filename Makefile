# Needs python3 (3.11 or later, with venv) and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
HELM := v4.3.1
COMPOSE_GO := v2.16.2

.PHONY: help install demo test test-faults test-year lint bench bench-core bench-memory bench-recovery bench-rebalance soak schemas docs generate dashboards-docs page-images stack check-deploy drill build constraints clean

help:
	@printf '%s\n' \
	  'make demo         the whole system on this machine, with an embedded Kafka (options: ARGS="...")' \
	  'make install      make .venv with streamproc and all that the demo needs' \
	  'make test         all checks and tests' \
	  'make lint         ruff, mypy, import contracts' \
	  'make test-faults  faults on a real broker with an oracle recount, all cases (60 to 75 minutes)' \
	  'make test-year    a year of 200 people: backtest and oracle at 12 month ends (some minutes)' \
	  'make bench        everything that has a target, other systems beside (more than an hour; ARGS="--only path --runs 1")' \
	  'make bench-core       microseconds of an event in the pure core, without Kafka (ARGS=--profile)' \
	  'make bench-memory     bytes an id, entity and group, and seconds to restore them (some minutes)' \
	  'make bench-recovery   start of a worker with a million entities (about two minutes)' \
	  'make bench-rebalance  how long partitions pause when workers come and go (about two minutes)' \
	  'make soak         memory and lag over half an hour at half of the greatest rate' \
	  'make schemas      write the JSON schemas of the events into schemas/' \
	  'make docs         write what docs/kpis.md says about each KPI' \
	  'make generate     write rules, their tests, runbooks and dashboards from the catalogue' \
	  'make dashboards-docs  ask a real Prometheus for every panel, and write what docs/dashboards.md says of it' \
	  'make page-images  pictures of the live page into docs/images' \
	  'make stack        everything with a real Prometheus and Alertmanager: a breach, its alerts, their end (some minutes)' \
	  'make check-deploy everything in deploy/, compose file and image, as far as it can be tried without Docker and Kubernetes' \
	  'make drill        lose workers, state and cluster, and see all values come back (some minutes)' \
	  'make build        a wheel in dist/' \
	  'make constraints  pin the installed versions in constraints.txt' \
	  'make clean        remove .venv, dist and all caches'

install: .venv/.installed

demo: install
	@$(BIN)/streamproc demo $(ARGS)

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# pytest ends by telling what was skipped, why, and what to install for it. Those that need Kafka run beside the others.
test: lint
	$(BIN)/pytest -n 2 --dist loadscope $(ARGS)

# ARGS="--case sigkill --seeds 3" chooses. The short form is part of the tests.
test-faults: .venv/.installed-dev
	@$(BIN)/python tests/faults/run.py $(ARGS)

# ARGS="--reps 50 --rate 0.02" chooses.
test-year: .venv/.installed-dev
	@$(BIN)/python tests/year/run.py $(ARGS)

bench: .venv/.installed-dev .venv/.installed-peers
	@PEERS_PYTHON=$(CURDIR)/.venv/peers/bin/python $(BIN)/python tests/bench/run.py $(ARGS)

bench-core: .venv/.installed-dev
	$(BIN)/python tests/bench/core.py $(ARGS)

bench-memory: .venv/.installed-dev
	$(BIN)/python tests/bench/memory.py $(ARGS)

bench-recovery: .venv/.installed-dev
	$(BIN)/python tests/bench/recovery.py $(ARGS)

bench-rebalance: .venv/.installed-dev
	$(BIN)/python tests/bench/rebalance.py $(ARGS)

soak: .venv/.installed-dev
	$(BIN)/python tests/bench/soak.py $(ARGS)

schemas: install
	$(BIN)/python -m streamproc.schemas

docs: install
	$(BIN)/python -m streamproc.kpi_docs

generate: .venv/.installed-dev
	@$(BIN)/python -m streamproc.generate

# It needs Debian's package prometheus.
dashboards-docs: .venv/.installed-dev
	@$(BIN)/python tests/generate/write_dashboards_page.py

# It needs Debian's package chromium.
page-images: .venv/.installed-dev
	STREAMPROC_IMAGES=docs/images $(BIN)/pytest tests/page -k pictures

# It needs Debian's packages prometheus and prometheus-alertmanager.
stack: .venv/.installed-dev
	@$(BIN)/python tests/stack/run.py $(ARGS)

# It needs root, Go (for Helm and the compose loader), and Debian's packages prometheus, prometheus-alertmanager and systemd.
# ARGS="helm image" chooses.
check-deploy: .venv/.installed-deploy
	@$(BIN)/python tests/deploy/run.py $(ARGS)

drill: .venv/.installed-dev
	@$(BIN)/python tests/drill/run.py $(ARGS)

build: install
	@echo 'Building the wheel (some seconds) ...'
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

constraints: .venv/.installed-dev
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "streamproc needs Python 3.11 or later; $(PYTHON) is older or missing. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  rm -rf .venv; echo "Python's venv module is missing: on Debian or Ubuntu, apt install python3-venv" >&2; exit 1; }

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing streamproc and an embedded Kafka into .venv (about a minute the first time) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded]'
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing streamproc and the test tools into .venv (about a minute the first time) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch .venv/.installed $@

# Where they have no packages for this Python or machine, the bench goes on without them.
.venv/.installed-peers: tests/bench/peers/requirements.txt | .venv/.installed-dev
	@echo 'Installing the stream processors to compare with into .venv/peers (half a minute the first time) ...'
	@$(BIN)/python -m venv .venv/peers
	@.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $< || echo 'going on without them' >&2
	@touch $@

# The first time, Go builds Helm: some minutes.
.venv/.installed-deploy: tests/deploy/requirements.txt | .venv/.installed-dev
	@echo 'Installing the tools for deployment files into .venv (some minutes the first time) ...'
	@$(BIN)/python -m venv .venv/deploy
	@.venv/deploy/bin/python -m pip install --quiet --disable-pip-version-check -r tests/deploy/requirements.txt
	@command -v go >/dev/null || { echo "Go is missing, which builds Helm and the compose loader" >&2; exit 1; }
	@GOBIN=$(CURDIR)/.venv/go go install helm.sh/helm/v4/cmd/helm@$(HELM)
	@GOBIN=$(CURDIR)/.venv/go go install github.com/compose-spec/compose-go/v2/cmd@$(COMPOSE_GO)
	@touch $@
