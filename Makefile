# Every target sets itself up: a first run installs what is missing, a later one costs nothing.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup tools demo demo-down test check scenario bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nParts: make test ONLY=check,sanity   make check SKIP=lint   names: tools/test --list, tools/check --list\n'

demo: setup ## a lab factory of three edge hosts, from nothing to answering inference
	@tools/demo

demo-down: tools ## remove the lab factory, and nothing else
	@lab/lab down inventories/demo
	@rm -rf .edgeai/demo

test: setup ## everything that CI runs
	@tools/test $(if $(ONLY),--only $(ONLY)) $(if $(SKIP),--skip $(SKIP))

check: tools ## the fast lane, without hosts: lint, unit tests, rules of the house, docs
	@tools/check $(if $(ONLY),--only $(ONLY)) $(if $(SKIP),--skip $(SKIP))

scenario: setup ## one Molecule scenario on hosts of the lab: make scenario S=k3s
	@tools/scenario $(S)

bench: setup ## the figures: first run, second run, cost for each host
	@tools/bench

setup: ## the tools in .venv, and the system packages that the lab needs
	@tools/setup

tools:
	@tools/setup tools

clean: ## remove what tests and builds left here; the lab (make demo-down) and .venv stay
	@tools/clean
