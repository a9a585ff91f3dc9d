# Every command of the project; `make` lists them. CI runs these and nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/pytest

# The packages that pip and clang need, and the programs that the tests and the lab run.
PACKAGES := \
	gcc libc6-dev make pkg-config python3-dev python3-venv \
	clang llvm libbpf-dev libbpf1 bpftool \
	iproute2 ethtool tcpdump curl nftables ipset iperf3 iputils-ping bind9-dnsutils \
	openssh-client openssh-server \
	wireguard-go wireguard-tools

.PHONY: help
help: ## this list
	@echo 'make COMMAND:'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# Setting up. Slow steps leave a stamp in the directory that they make.

.PHONY: setup
setup: $(VENV)/installed.stamp ## install what the other commands need: packages, .venv, compiled parts
	@$(MAKE) --no-print-directory --silent bpf

build/packages.stamp: Makefile
	@mkdir -p build
	command -v dpkg-query >/dev/null || {
		echo 'setup: not Debian: have what these packages of Debian hold: $(PACKAGES)' >&2
		exit 0
	}
	missing=$$(comm -23 <(printf '%s\n' $(PACKAGES) | sort) <(dpkg-query --show \
		--showformat '$${db:Status-Status} $${Package}\n' | sed -n 's/^installed //p' | sort -u))
	if [ -z "$$missing" ]; then
		touch $@
	elif [ "$$(id -u)" -ne 0 ]; then
		echo 'setup: packages are missing; as root:' apt-get install $$missing >&2
	else
		export DEBIAN_FRONTEND=noninteractive
		apt-get --quiet update
		apt-get --quiet install --yes --no-install-recommends $$missing
		touch $@
	fi

# Finds the first Python that is new enough and has the headers and modules that setup needs.
define FIND_PYTHON
for python in $(PYTHON) /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
	$$python -c 'import ensurepip, os, sys, sysconfig
	header = os.path.join(sysconfig.get_path("include"), "Python.h")
	sys.exit(sys.version_info < (3, 11) or not os.path.exists(header))' 2>/dev/null && break
	python=
done
if [ -z "$$python" ]; then
	echo 'setup: no Python 3.11 or newer with its headers (install python3-dev and python3-venv,' \
		'or name one: make setup PYTHON=...)' >&2
	exit 1
fi
endef

$(VENV)/locked.stamp: requirements.lock | build/packages.stamp
	@$(FIND_PYTHON)
	echo "setup: $(VENV), with $$($$python --version)"
	$$python -m venv $(VENV)
	$(PIP) install --requirement requirements.lock
	touch $@

$(VENV)/installed.stamp: $(VENV)/locked.stamp pyproject.toml setup.py \
		$(wildcard bpf/*/*_layout.h) $(wildcard src/wirepath/native/*/*.[ch]) src/wirepath/native/build.py
	@echo 'setup: wirepath itself'
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

.PHONY: lock
lock: ## choose new versions of all tools: writes requirements.lock
	@$(FIND_PYTHON)
	rm -rf build/lock
	$$python -m venv build/lock
	build/lock/bin/pip --quiet --disable-pip-version-check install '.[dev]'
	{
		echo '# What $(VENV) holds. `make lock` writes this from the bounds in pyproject.toml.'
		build/lock/bin/pip freeze --all --exclude pip --exclude wirepath
	} > requirements.lock

# Building.

CLANG ?= clang
LLVM_STRIP ?= llvm-strip
MULTIARCH = $(or $(shell gcc -print-multiarch 2>/dev/null),$(shell uname -m)-linux-gnu)
# Programs and callbacks have signatures of the kernel, so some parameters are unused.
BPF_CFLAGS = -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	-ffile-prefix-map=$(CURDIR)=. -Ibpf -I/usr/include/$(MULTIARCH)

BPF_SOURCES := $(wildcard bpf/*.bpf.c bpf/lab/*.bpf.c bench/bpf/*.bpf.c)
BPF_OBJECTS := $(patsubst %.c,build/%.o,$(notdir $(BPF_SOURCES)))

.PHONY: bpf
bpf: $(BPF_OBJECTS) ## the data plane and the lab's programs: build/*.bpf.o

vpath %.bpf.c bpf bpf/lab bench/bpf
build/%.bpf.o: %.bpf.c Makefile
	@mkdir -p build
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF build/$*.bpf.d -c $< -o $@.new
	$(LLVM_STRIP) -g $@.new
	mv $@.new $@
	echo "built $@"
-include $(wildcard build/*.bpf.d)

.PHONY: wheel
wheel: setup ## dist/wirepath-*.whl, with the compiled object inside, and the source archive
	@rm -rf dist build/lib* build/bdist.*
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .
	$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")' >/dev/null
	ls dist

# Static checks.

C_SOURCES := $(filter-out %/_native.c,$(wildcard \
	bpf/*.[ch] bpf/*/*.[ch] bench/bpf/*.[ch] src/wirepath/native/*/*.[ch] tests/kernel/*.[ch]))
BPF_HEADERS := $(wildcard bpf/*.h bpf/*/*.h)

.PHONY: check
check: lint types format-check headers layers budget-check ## static checks, and the budget of what the programs cost

.PHONY: lint types format-check headers layers budget-check
lint: setup
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check . || {
		echo 'ruff: `make format` mends the layout' >&2; exit 1; }
types: setup
	@$(BIN)/mypy
format-check: setup
	@$(BIN)/clang-format --dry-run -Werror --ferror-limit=2 $(C_SOURCES) || {
		echo 'clang-format: `make format` mends these' >&2; exit 1; }
headers: setup # each must compile alone
	@for header in $(BPF_HEADERS); do
		$(CLANG) $(BPF_CFLAGS) -fsyntax-only -x c - <<< "#include \"$$header\""
	done
layers: setup
	@$(PYTEST) --quiet tests/unit/test_layers.py
budget-check: setup # says so if it cannot ask the kernel; WIREPATH_REQUIRE=kernel: then it fails
	@CLANG=$(CLANG) $(BIN)/python bench/budget.py

.PHONY: format
format: setup ## format the source with ruff and clang-format
	@$(BIN)/ruff format --quiet .
	$(BIN)/clang-format -i $(C_SOURCES)

# Running.

# Workers of pytest. Tests that ARGS names, or that use the terminal, run in pytest's own process.
J ?= $(if $(filter tests/% -s --pdb,$(ARGS)),0,$(shell nproc))
.PHONY: test
test: setup ## every test that this host can run (WIREPATH_REQUIRE=kernel: a skip for lack of root fails)
	@$(PYTEST) -n $(J) --dist=worksteal $(ARGS)

KERNELS ?= 6.1 6.12
.PHONY: test-kernels
test-kernels: setup ## every kind of device and card, in guests with KERNELS='6.1 6.12'; as root
	@$(BIN)/python tests/devices/guests.py $(KERNELS) $(ARGS)

T ?= 60
.PHONY: fuzz
fuzz: setup ## random input to model and kernel, for T=60 seconds
	@WIREPATH_FUZZ_S=$(T) $(PYTEST) tests/fuzz $(ARGS)

.PHONY: demo
demo: setup ## a host under a flood goes on serving; as root
	@$(BIN)/python -m wirepath.lab.demo $(ARGS)

.PHONY: bench
bench: setup ## the cost of a packet here, compared with bare XDP and the kernel's own filters; as root
	@$(BIN)/python bench/run.py $(ARGS)

.PHONY: budget
budget: setup ## write down what the data plane costs the verifier, in stack and in code: bench/budget.toml
	@CLANG=$(CLANG) $(BIN)/python bench/budget.py --write

.PHONY: docs
docs: setup ## check the links and commands in the docs
	@$(PYTEST) --quiet tests/unit/test_docs.py tests/unit/test_pictures.py

.PHONY: pictures
pictures: setup ## the pictures of README and docs, made again: docs/pictures/*.svg; as root
	@$(BIN)/python bench/pictures.py
	$(BIN)/python docs/pictures/top.py

.PHONY: clean
clean: ## remove everything that was built, and .venv
	@rm -rf build dist $(VENV) src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f src/wirepath/native/_native.c src/wirepath/native/*.so
