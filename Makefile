# SPDX-License-Identifier: MIT OR Apache-2.0
# Everything is a cargo command; this file remembers which.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
.DEFAULT_GOAL := help

.PHONY: help build demo capi install-capi test interop check bench fuzz soak

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the programs, optimised, in target/release
	$(CARGO) build --release --bins

capi: ## the C library, optimised, in target/release
	$(CARGO) build --release --package rsp-capi

PREFIX ?= /usr/local
install-capi: capi ## the C library with headers, rserpool.pc and manual pages, below PREFIX=/usr/local (and DESTDIR)
	scripts/install-capi $(TARGET)/release $(PREFIX)

demo: build ## a session that outlives its servers, shown on this machine
	$(TARGET)/release/rsp demo

test: ## everything CI runs: checks, tests, real processes, tshark as the judge
	scripts/test-deps
	$(CARGO) test --workspace --no-fail-fast
	$(MAKE) interop
	$(MAKE) check

interop: ## with RSPLIB, in virtual machines with kernel SCTP; what was seen is checked against docs/interop.md
	$(CARGO) build --bins
	$(CARGO) build --package rsp-capi
	scripts/interop/run

check: ## formatting, lints, docs, the fuzz targets as tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) test --quiet --manifest-path fuzz/Cargo.toml --no-default-features

bench: ## the handlespace's numbers, beside the memory floor of this machine
	$(CARGO) bench -p rsp-core

fuzz: ## every fuzz target for a minute
	scripts/fuzz

SEEDS ?= 2000
soak: ## registrars under faults in virtual time, SEEDS=2000 seeds
	$(CARGO) run --release --package sim --example soak -- 1..$$(($(SEEDS) + 1))
