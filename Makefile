# `make help` lists the targets. Everything a fresh Debian 12 needs beyond cargo and rustup, `make setup` installs.

TARGET := x86_64-unknown-linux-musl
PYTHON := /usr/bin/python3
BED := tests/testbed/bed
# How often `make bench` measures each variant.
RUNS ?= 5
# More options for it: BENCH='--resume' goes on where an earlier call was interrupted, BENCH=--help tells all.
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup build check fmt docs docs-check deny fuzz unit e2e test test-faults bench tour demo demo-down clean-cache

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | expand -t 14

setup: ## Debian packages and the Rust target that building and testing need
	@tests/setup

build: setup ## The static binary, unoptimised for size: target/x86_64-unknown-linux-musl/debug
	cargo build --target $(TARGET)

check: setup ## Format, clippy, shellcheck
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	shellcheck stackscript/*.sh tests/setup

fmt: ## Format the sources
	cargo fmt

docs: ## Regenerate docs/cli.md and docs/settings.md
	cargo run --quiet -- docs docs

docs-check: docs ## Fail if the generated docs are stale
	git diff --exit-code docs

unit: setup ## Unit tests, the whole plan on the fake host, CLI snapshots
	cargo test

e2e: dist ## End to end on a real Debian 11 in the pocket internet
	$(PYTHON) tests/run.py e2e

test: setup ## Everything, from format to end to end; closes with how many passed and failed
	$(PYTHON) tests/run.py

deny: setup ## Licences, bans, sources and, if the database can be had, advisories of every crate
	$(PYTHON) tests/run.py deny

fuzz: setup ## A million executions of every fuzz target (about half an hour): docs/reliability/fuzz.json
	tests/fuzz/run.py

test-faults: dist ## Every fault on the real machine, all fuzzing, deny.toml (about 2 h); writes docs/reliability.md
	$(PYTHON) tests/run.py deny faults fuzz reliability

TOUR = tests/e2e/test_bare_machine.py tests/e2e/test_questions.py tests/e2e/test_install.py tests/e2e/test_commands.py tests/e2e/test_browser.py tests/e2e/test_live.py tests/e2e/test_mail.py
tour: dist ## Write docs/tour.md and its pictures from what the tests see
	d=$$(mktemp -d) && PYTHONPATH=tests TOOTSTRAP_TOUR=$$d $(PYTHON) -m pytest -p no:cacheprovider $(TOUR) \
	    -k "plan_changes_nothing or answers_are_tried or without_a_terminal or says_that_it_is_complete or status_is_good or doctor_names or browser or live or test_mail" && \
	PYTHONPATH=tests $(PYTHON) tests/e2e/tour.py $$d && rm -r $$d

bench: dist ## How fast it is, RUNS=5 of each (about 1 h): docs/performance.md
	PYTHONPATH=tests $(PYTHON) -m bench --runs $(RUNS) $(BENCH)

demo: dist ## A bare Debian 11 becomes a Mastodon server before your eyes
	$(BED) demo --dist dist

demo-down: ## Stop the demo's machine and remove every trace of it
	$(BED) down

clean-cache: ## Forget the cached root file systems and images of the test bed
	rm -rf -- "$${TOOTSTRAP_CACHE:-$$HOME/.cache/tootstrap}"

-include stackscript/dist.mk
