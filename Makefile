# Every target sets itself up: a first run installs what is missing, a later one costs nothing.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup tools demo demo-down test check scenario bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## a lab factory of three edge hosts, from nothing to answering inference
	@tools/demo

demo-down: tools ## remove the lab factory, and nothing else
	@lab/lab down inventories/demo

test: setup ## everything that CI runs (ONLY=stage,… or SKIP=stage,… for a part)
	@tools/test $(if $(ONLY),--only $(ONLY)) $(if $(SKIP),--skip $(SKIP))

check: tools ## the fast lane: lint, unit tests, rules of the house, docs, syntax
	@tools/check $(if $(ONLY),--only $(ONLY)) $(if $(SKIP),--skip $(SKIP))

scenario: setup ## one Molecule scenario: make scenario S=<name>
	@tools/scenario $(S)

bench: setup ## the figures: first run, second run, cost per host
	@tools/bench

setup: ## the tools in .venv, and the system packages that the lab needs
	@tools/setup

tools:
	@tools/setup tools

clean: ## remove what tests and builds left here (the lab: make demo-down; the tools: rm -r .venv)
	@tools/clean
