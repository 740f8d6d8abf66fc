# Everything is built into build/, for each variant (asan, tsan, clang) in its own folder beneath.
# Sources are found by folder and suffix: *_test.c, *_main.c, *_bench.c, *_fuzz.c and *_stress.c
# are what they say; every other .c of the library's folders is library. What is not there is
# skipped. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC = gcc
endif
PYTHON ?= /usr/bin/python3
CLANG_FORMAT ?= clang-format
FIRST ?= 1
SEEDS ?= 500
TEST_SECONDS ?= 600

# ---- flags -----------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	$(if $(SANITIZE),,-Werror)
CFLAGS ?= -O2 -g
SANITIZE ?=
PACKAGES := libzmq libsodium jansson $(shell pkg-config --exists msgpack && echo msgpack || echo msgpack-c)
PACKAGE_FLAGS := $(shell pkg-config --cflags $(PACKAGES) criterion 2>/dev/null)
LIBRARIES := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -linih -pthread -ldl -lm -lrt
CRITERION := $(shell pkg-config --libs criterion 2>/dev/null)

# One set of objects serves both libraries, hence -fPIC; hidden symbols keep it cheap.
COMPILE = $(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) -fvisibility=hidden -fPIC \
	-fno-semantic-interposition -pthread $(SANITIZE) -I. -Inode/include $(PACKAGE_FLAGS) -MMD -MP
LINK = $(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -Wl,--as-needed
ORIGIN_PATHS = -Wl,-rpath,'$$ORIGIN' -Wl,-rpath,'$$ORIGIN/..' -Wl,-rpath,'$$ORIGIN/../lib'

# ---- sources ---------------------------------------------------------------------------------

LIBRARY_DIRS = node node/base transport registry
ROLES = %_test.c %_main.c %_bench.c %_fuzz.c %_stress.c
sources = $(sort $(wildcard $(addsuffix /$(2),$(1))))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
programs = $(patsubst %.c,$(BUILD)/$(1)/%,$(notdir $(2)))

# Under AddressSanitizer blocks are allocated one by one, so that it sees each come and go.
OTHER_BLOCKS = node/base/$(if $(findstring address,$(SANITIZE)),block,block_plain).c
LIBRARY_SOURCES = $(filter-out $(ROLES) $(OTHER_BLOCKS),$(call sources,$(LIBRARY_DIRS),*.c))
# The bank is also what a benchmark keeps busy.
CLI_SOURCES = $(filter-out $(ROLES),$(call sources,node/cli node/bench,*.c)) node/examples/bank.c
SIM_SOURCES = $(filter-out %_test.c %_bench.c %_fuzz.c %_stress.c,$(call sources,cluster-tests,*.c))
ALL_DIRS = $(LIBRARY_DIRS) node/cli node/bench cluster-tests
TEST_SOURCES = $(call sources,$(ALL_DIRS),*_test.c)
BENCH_SOURCES = $(call sources,$(ALL_DIRS),*_bench.c)
FUZZ_SOURCES = $(call sources,$(ALL_DIRS),*_fuzz.c)
STRESS_SOURCES = $(call sources,$(ALL_DIRS),*_stress.c)
EXAMPLE_SOURCES = $(call sources,node/examples,*.c)
FORMATTED = $(call sources,$(ALL_DIRS) node/examples node/include,*.[ch]) \
	$(call sources,cluster-tests/peers/caf,*.[ch]pp)

# ---- what is built ---------------------------------------------------------------------------

ARCHIVE = $(BUILD)/libtroupe.a
SHARED = $(BUILD)/libtroupe.so
TROUPE = $(if $(wildcard node/troupe_main.c),$(BUILD)/troupe)
TROUPED = $(if $(wildcard node/trouped_main.c),$(BUILD)/trouped)
UNIT = $(if $(TEST_SOURCES),$(BUILD)/tests/unit)
SIM = $(if $(SIM_SOURCES),$(BUILD)/cluster-tests/sim)
BENCHES = $(call programs,bench,$(BENCH_SOURCES))
FUZZERS = $(call programs,fuzz,$(FUZZ_SOURCES))
STRESSES = $(call programs,stress,$(STRESS_SOURCES))
EXAMPLES = $(patsubst node/examples/%.c,$(BUILD)/examples/%.so,$(filter-out %_main.c,$(EXAMPLE_SOURCES))) \
	$(patsubst node/examples/%_main.c,$(BUILD)/examples/%,$(filter %_main.c,$(EXAMPLE_SOURCES)))
EVERYTHING = $(ARCHIVE) $(SHARED) $(TROUPE) $(TROUPED) $(EXAMPLES) $(UNIT) $(SIM) $(BENCHES) \
	$(FUZZERS) $(STRESSES)

.DEFAULT_GOAL = all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all everything test asan tsan fuzz bench bench-check bench-record sim mutants cluster \
	layers format format-check warnings check install clean help packages FORCE

all: $(ARCHIVE) $(SHARED) $(TROUPED) $(TROUPE) $(EXAMPLES) $(UNIT) ## libraries, programs, examples and unit tests

everything: $(EVERYTHING) ## all, and the simulator, benchmarks, fuzzers and stress programs

packages:
	@pkg-config --exists $(PACKAGES) criterion || { \
	    echo "error: a library is missing: $(PACKAGES) criterion" >&2; \
	    echo "  fix: run ./scripts/setup" >&2; exit 1; }

# Objects depend on this file, so that another compiler or other flags build them anew.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(COMPILE))' | cmp -s - $@ || echo '$(subst ','\'',$(COMPILE))' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | packages
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

# Made anew each time, so that an object whose source is gone does not stay.
$(ARCHIVE): $(call objects,$(LIBRARY_SOURCES))
	rm -f $@
	ar rcs $@ $^

$(SHARED): $(call objects,$(LIBRARY_SOURCES))
	$(LINK) -shared -Wl,-soname,libtroupe.so $(if $(SANITIZE),,-Wl,-z,defs) $^ -o $@ $(LIBRARIES)

$(BUILD)/troupe: $(call objects,node/troupe_main.c $(CLI_SOURCES)) $(ARCHIVE)
	$(LINK) $^ -o $@ $(LIBRARIES)

# The daemon shares libtroupe.so with the behaviors it loads: there must be only one of it.
# Its files and leaves of base, which keep no state, are its own.
DAEMON_SOURCES = node/trouped_main.c $(wildcard node/cli/daemon_file.c node/cli/daemon_files.c \
	node/cli/daemon_settings.c node/cli/duration.c node/cli/process.c node/cli/suggest.c \
	node/base/memory.c node/base/file.c node/base/error.c node/base/buffer.c node/base/utf8.c)
$(BUILD)/trouped: $(call objects,$(DAEMON_SOURCES)) $(SHARED)
	$(LINK) $(filter %.o,$^) -o $@ $(ORIGIN_PATHS) -L$(BUILD) -Wl,--no-as-needed -ltroupe -Wl,--as-needed $(LIBRARIES)

$(BUILD)/examples/%.so: node/examples/%.c $(BUILD)/flags | packages
	@mkdir -p $(@D)
	$(COMPILE) -shared -MF $(BUILD)/examples/$*.d $< -o $@ -lm

# A user's own main, X_main.c, with the behaviors of X.c linked in.
$(BUILD)/examples/%: $(BUILD)/obj/node/examples/%_main.o $(BUILD)/obj/node/examples/%.o $(SHARED)
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) -o $@ $(ORIGIN_PATHS) -L$(BUILD) -ltroupe -lm

UNIT_SOURCES = $(TEST_SOURCES) $(CLI_SOURCES) \
	$(if $(filter cluster-tests/%,$(TEST_SOURCES)),$(filter-out %_main.c,$(SIM_SOURCES)))
$(BUILD)/tests/unit: $(call objects,$(UNIT_SOURCES)) $(ARCHIVE)
	@mkdir -p $(@D)
	$(LINK) $^ -o $@ $(LIBRARIES) $(CRITERION)

$(BUILD)/cluster-tests/sim: $(call objects,$(SIM_SOURCES)) $(ARCHIVE)
	@mkdir -p $(@D)
	$(LINK) $^ -o $@ $(LIBRARIES)

# A program of one file, beside what it measures, fuzzes or stresses.
define single_program
$(BUILD)/$(1)/$(basename $(notdir $(2))): $(call objects,$(2)) $(ARCHIVE)
	@mkdir -p $$(@D)
	$$(LINK) $$^ -o $$@ $$(LIBRARIES)
endef
$(foreach source,$(BENCH_SOURCES),$(eval $(call single_program,bench,$(source))))
$(foreach source,$(FUZZ_SOURCES),$(eval $(call single_program,fuzz,$(source))))
$(foreach source,$(STRESS_SOURCES),$(eval $(call single_program,stress,$(source))))

-include $(shell find $(BUILD)/obj $(BUILD)/examples -name '*.d' 2>/dev/null)

# ---- tests -----------------------------------------------------------------------------------

# Programs and scripts that look for what was built find its folder in TROUPE_BUILD.
export TROUPE_BUILD = $(abspath $(BUILD))
export PYTHON

test: all ## run the unit tests
ifneq ($(TEST_SOURCES),)
	timeout -k 10 $(TEST_SECONDS) $(BUILD)/tests/unit
endif

# Warnings are errors in the plain builds; instrumented code makes gcc guess lengths that cannot be.
# A leak does not fail a Criterion test: reports go to files, and any file is a failure.
ASAN_BUILD = build/asan
asan: ## build all of it with ASan and UBSan; run unit tests, fuzzers and some simulator seeds
	+$(MAKE) BUILD=$(ASAN_BUILD) CFLAGS='-O1 -g -fno-omit-frame-pointer' everything \
	    SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all'
	scripts/asan-run $(ASAN_BUILD) $(TEST_SECONDS)

TSAN_BUILD = build/tsan
# gcc says that its TSan does not model fences; where we use them, no plain memory hangs on one.
tsan: ## build the stress programs with TSan and run them
	+$(MAKE) BUILD=$(TSAN_BUILD) CFLAGS='-O1 -g -fno-omit-frame-pointer' \
	    SANITIZE='-fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan)' tsan-run

.PHONY: tsan-run
tsan-run: $(STRESSES)
	@mkdir -p $(BUILD)
	@printf 'race:libzmq.so.5\nrace:zmq::*\n' > $(BUILD)/suppressions
	TSAN_OPTIONS='suppressions=$(abspath $(BUILD))/suppressions halt_on_error=1 exitcode=66' \
	    scripts/run-each $(TEST_SECONDS) $(STRESSES)

fuzz: $(FUZZERS) ## run each fuzzer with its default of iterations (make asan runs them sanitized)
	scripts/run-each 120 $(FUZZERS)

sim: $(SIM) ## run simulator seeds: FIRST=n SEEDS=m, or replay one: SEED=n
ifneq ($(SIM_SOURCES),)
	$(SIM) $(if $(SEED),--seed $(SEED),--first $(FIRST) --seeds $(SEEDS))
endif

mutants: ## check that each deliberate bug is caught by the simulator
	$(if $(wildcard cluster-tests/mutants),cluster-tests/mutants)

CLUSTER_TESTS = $(sort $(wildcard cluster-tests/*.sh cluster-tests/test_*.py))
cluster: all ## run the tests with real node processes
	scripts/run-each $(TEST_SECONDS) $(CLUSTER_TESTS)

bench: all $(BENCHES) ## build and run the benchmarks
	scripts/run-each $(TEST_SECONDS) $(BENCHES)

bench-check: all ## measure, and name what is over 15 % slower than the recorded figures
	scripts/bench-check

bench-record: all ## measure, and record the figures for bench-check
	scripts/bench-check --record

# ---- style -----------------------------------------------------------------------------------

layers: ## check who includes whom
	scripts/layers

format: ## format the sources
	$(CLANG_FORMAT) -i $(FORMATTED)

format-check: ## check the sources' format
	$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED)

warnings: ## build everything with gcc and with clang, warnings being errors
	+$(MAKE) CC=gcc everything
	+$(MAKE) CC=clang BUILD=build/clang everything
	clang -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only node/include/troupe.h

# One after the other also under -j: each uses all cores, and their output must not mix.
CHECKS = format-check layers warnings test asan tsan sim mutants cluster
check: ## all of the above that CI runs
	+@for check in $(CHECKS); do echo "== $$check"; $(MAKE) $$check || exit 1; done

# ---- peers -----------------------------------------------------------------------------------

# The workloads for other actor systems, which scripts/bench-peers runs beside ours. They need what
# `scripts/setup --peers` installs, so nothing else hangs on them.
PEERS = $(addprefix $(BUILD)/peers/,workloads.beam caf)
CXX_WARNINGS = -Wall -Wextra -Wpedantic -Werror
.PHONY: peers
peers: $(PEERS) ## build the programs that scripts/bench-peers compares with

$(BUILD)/peers/workloads.beam: cluster-tests/peers/workloads.erl
	@mkdir -p $(@D)
	erlc -Wall -Werror -o $(@D) $<

CAF_SOURCES = $(wildcard cluster-tests/peers/caf/*.cpp)
$(BUILD)/peers/caf: $(CAF_SOURCES) cluster-tests/peers/caf/workload.hpp Makefile
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -DNDEBUG $(CXX_WARNINGS) $(CAF_SOURCES) -o $@ -lcaf_io -lcaf_core -pthread

# ---- installing ------------------------------------------------------------------------------

install: all ## install into PREFIX (/usr/local), beneath DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include
	$(if $(TROUPE)$(TROUPED),install $(TROUPE) $(TROUPED) $(DESTDIR)$(PREFIX)/bin)
	install $(SHARED) $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(ARCHIVE) $(DESTDIR)$(PREFIX)/lib
	install -m 644 node/include/troupe.h $(DESTDIR)$(PREFIX)/include
ifneq ($(TROUPE),)
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(TROUPE) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/troupe
endif

clean: ## remove build/
	rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
