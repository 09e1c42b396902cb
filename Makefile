# Every target is one script, so that each also runs without make. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help build run demo test lint soak bench setup clean

# Options handed to the script of the target, as in: make test ARGS='--only nextest'
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## release build: target/release/twinfs, and the Python wheel in dist/
	@scripts/build.sh $(ARGS)

run: ## build and start a server on ./twinfs-data (TWINFS_DATA, TWINFS_LISTEN)
	@scripts/run.sh $(ARGS)

demo: ## run the service in examples/service on its documents; ARGS=DIR is where results go
	@scripts/demo.sh $(ARGS)

test: ## install what the tests need, run all of them, sum up
	@scripts/test.sh $(ARGS)

lint: ## only the checks that run no test: format, clippy, licences, types
	@scripts/test.sh --kind lint $(ARGS)

soak: ## the proofs at their full counts; writes docs/soak.md
	@scripts/soak.sh $(ARGS)

bench: ## release build against its peers; writes docs/benchmarks.md
	@scripts/bench.sh $(ARGS)

setup: ## only install what the tests need
	@scripts/test.sh --setup $(ARGS)

clean: ## remove what the other targets made, but not ./twinfs-data
	rm -rf target dist .venv .tools web/node_modules web/dist
