# A thin front: each target installs what it needs and is missing, then calls CMake or a script.

# Debian's tools before any other that the caller's PATH may have first.
export PATH := /usr/bin:/bin:/usr/sbin:/sbin:$(PATH)

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?= --top 20 /usr/include

.DEFAULT_GOAL := build
.PHONY: build run check bench install format tidy asan tsan clang clean help configure

help:
	@echo 'make              build the library and the examples into $(BUILD)/'
	@echo 'make run          build, then cross-reference /usr/include; make run ARGS="--top 5 some/tree" for another'
	@echo 'make check        every check that CI makes; the last line is "N passed, N failed"'
	@echo 'make asan | tsan | clang   one phase of it: address+undefined sanitizers, thread sanitizer, clang'
	@echo '                  (the phases: scripts/check.sh --list; several at once: scripts/check.sh gcc asan)'
	@echo 'make bench        measure beside the peers, write bench/RESULTS.md and bench/plots'
	@echo 'make install      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make format       rewrite every C file with clang-format'
	@echo 'make tidy         clang-tidy over the tree'
	@echo 'make clean        remove $(BUILD)/'
	@echo
	@echo 'Variables: CC=gcc|clang-14 (when $(BUILD)/ is first made), BUILD=directory.'
	@echo 'What is missing is installed from Debian; scripts/deps.sh says what it takes and why.'

configure:
	@scripts/deps.sh build
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja -DCMAKE_C_COMPILER=$(CC)

build: configure
	@cmake --build $(BUILD)

run: configure
	@cmake --build $(BUILD) --target crossref
	@$(BUILD)/bin/crossref $(ARGS)

check:
	@scripts/deps.sh check
	@scripts/check.sh

asan tsan clang:
	@scripts/deps.sh check
	@scripts/check.sh $@

tidy:
	@scripts/deps.sh tidy
	@scripts/check.sh tidy

format:
	@scripts/deps.sh check
	@scripts/check.sh --c-files | xargs -r clang-format-14 -i

bench: build
	@scripts/peers.sh || echo 'bench: measuring beside the peers that are there'
	@bench/run --write

install: build
	@DESTDIR='$(DESTDIR)' cmake --install '$(BUILD)' --prefix '$(PREFIX)'

clean:
	rm -rf $(BUILD)
