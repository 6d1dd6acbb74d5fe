# rhea: make help. One file, not recursive; everything that is built goes into the folder BUILD.
#
# Sources are found by looking: every .cc below a room's folder belongs to that room's static library. A new file or
# folder needs no line here; a new room needs one word in ROOMS (and a line in tests/style/layers.txt).

BUILD ?= build
override BUILD := $(patsubst %/,%,$(patsubst ./%,%,$(patsubst $(CURDIR)/%,%,$(BUILD))))

# In parallel unless told otherwise; a -j on the command line wins.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

GOALS := $(or $(MAKECMDGOALS),all)
CONFIGURED := $(filter-out help format clean distclean,$(GOALS))

# Rooms from left to right: an include points left only, and so do the libraries (../docs/design/house.md).
ROOMS := emu-base emu-io qapi emu-object emu-chardev block monitor emu-mem emu-net emu-migrate emu-ui emu-cpu target hw emu-machine

# --- what there is
SOURCES := $(sort $(shell find emu block monitor hw target qapi tests -name '*.cc' -not -path 'tests/guest/*' 2>/dev/null))

# ------------------------------------------------------------------------------------------------ configuration
# config.stamp is remade when configure or the list of packages changes; config.mk and config.h only when their text does.
ifneq ($(CONFIGURED),)
INSTALL_KINDS := $(if $(filter run,$(GOALS)),required optional) $(if $(filter run-linux check check-programs check-rooms soak,$(GOALS)),required optional test)
NEEDS_TESTS := $(if $(filter check check-programs check-rooms soak,$(GOALS)),$(shell grep -s '^HAVE_GTEST := 0' $(BUILD)/config.mk))

$(BUILD)/config.stamp: configure .ci/packages $(if $(NEEDS_TESTS),FORCE)
	@$(if $(strip $(INSTALL_KINDS)),.ci/install-packages $(sort $(INSTALL_KINDS)))
	@if [ -f $(BUILD)/config.args ]; then eval "./configure $$(cat $(BUILD)/config.args)"; else ./configure --build-dir=$(BUILD); fi
	@touch $@
$(BUILD)/config.mk: $(BUILD)/config.stamp ;
$(BUILD)/config.h: $(BUILD)/config.stamp ;
include $(BUILD)/config.mk
endif

# -------------------------------------------------------------------------------------------------------- tools
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))';)

# Several worktrees share one cache: no absolute names in what the compiler sees, and the precompiled header counts by
# its text (.gch.sum), not by its bytes.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export CCACHE_PCH_EXTSUM := 1
export CCACHE_SLOPPINESS := pch_defines,time_macros,include_file_mtime,include_file_ctime

ALL_CPPFLAGS := -I. -I$(BUILD) -I$(BUILD)/gen $(CPPFLAGS) $(LIB_CFLAGS)
ALL_CXXFLAGS := -std=c++2b -pthread -Wall -Wextra -Wconversion -Wshadow $(CXXFLAGS) $(MODE_FLAGS) $(SANITIZER_FLAGS)
ALL_LDFLAGS := -pthread $(CXXFLAGS) $(SANITIZER_FLAGS) $(FAST_LINKER) -Wl,--as-needed $(LDFLAGS)

ifeq ($(USE_PCH)$(wildcard emu/base/base.h),1emu/base/base.h)
PCH := $(BUILD)/pch/rhea.h.gch
USE_PCH_FLAGS := -fpch-preprocess -Winvalid-pch -include $(BUILD)/pch/rhea.h
endif

compile = $(call say,C++,$<)$(LAUNCHER) $(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) $(USE_PCH_FLAGS) $(3) -MMD -MP -c -o $(1) $(2)

$(BUILD)/pch/rhea.h: $(BUILD)/config.mk
	@mkdir -p $(@D)
	@echo '#include "emu/base/base.h"' > $@
$(BUILD)/pch/rhea.h.gch: $(BUILD)/pch/rhea.h
	$(call say,PCH,emu/base/base.h)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -MT $@ -MF $(@:.gch=.d) -x c++-header -o $@ $<
	$(Q)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -E -P -x c++-header $< | cksum > $@.sum
-include $(BUILD)/pch/rhea.h.d

$(BUILD)/obj/%.o: %.cc $(BUILD)/config.mk $(PCH)
	@mkdir -p $(@D)
	$(call compile,$@,$<)
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.cc $(BUILD)/config.mk $(PCH)
	@mkdir -p $(@D)
	$(call compile,$@,$<)

objects = $(patsubst %.cc,$(BUILD)/obj/%.o,$(1))

# ---------------------------------------------------------------------------------------------------- generator
# qapi-gen is built first, from qapi/gen and emu-base; it writes only what changed, and files.mk, which says
#   GEN_SOURCES := qapi/types-common.cc ...      (relative to $(BUILD)/gen)
GEN_TOOL_SOURCES := $(filter qapi/gen/%,$(SOURCES))
SCHEMA := $(sort $(wildcard qapi/*.json))
ifneq ($(and $(CONFIGURED),$(GEN_TOOL_SOURCES),$(SCHEMA)),)
$(BUILD)/gen/.stamp: $(BUILD)/bin/qapi-gen $(BUILD)/config.h $(SCHEMA)
	@mkdir -p $(@D)
	$(call say,QAPI,$(BUILD)/gen)$(BUILD)/bin/qapi-gen --out $(BUILD)/gen --config $(BUILD)/config.h $(SCHEMA)
	@touch $@
$(BUILD)/gen/files.mk: $(BUILD)/gen/.stamp ;
# Not before there is a configuration: make would build the generator in the same turn, without knowing how.
ifneq ($(wildcard $(BUILD)/config.mk),)
include $(BUILD)/gen/files.mk
endif
$(addprefix $(BUILD)/gen/,$(GEN_SOURCES)): $(BUILD)/gen/.stamp ;
GENERATED := $(BUILD)/gen/.stamp
endif

# isa-gen writes the rows of x86's instruction tables (target/x86/isa.h), likewise built first.
ISA_TABLES := $(sort $(wildcard target/x86/*.tab))
ifneq ($(and $(CONFIGURED),$(ISA_TABLES)),)
ISA_GENERATED := target/x86/isa-rows.cc
$(BUILD)/gen/$(ISA_GENERATED): $(BUILD)/bin/isa-gen $(ISA_TABLES)
	@mkdir -p $(@D)
	$(call say,ISA,$@)$(BUILD)/bin/isa-gen --out $@ $(ISA_TABLES)
	@touch $@
endif

# ---------------------------------------------------------------------------------------------------- libraries
# A list file per library holds its objects' names, so that a removed source makes the library anew.
sources_of_room = $(filter $(subst emu-,emu/,$(1))/%,$(SOURCES))
SOURCES_monitor := $(filter-out monitor/shell/%,$(call sources_of_room,monitor))
FMT_INSIDE_SOURCE := emu/base/fmt-inside.cc
SOURCES_block := $(filter-out block/tool/%/main.cc,$(call sources_of_room,block))
$(foreach r,$(filter-out monitor block qapi,$(ROOMS)),$(eval SOURCES_$(r) := $(filter-out $(FMT_INSIDE_SOURCE),$(call sources_of_room,$(r)))))
$(foreach r,$(filter-out qapi,$(ROOMS)),$(eval OBJECTS_$(r) := $(call objects,$(SOURCES_$(r)))))
SOURCES_target := $(filter-out target/x86/gen/%,$(SOURCES_target))
OBJECTS_target := $(call objects,$(SOURCES_target)) $(patsubst %.cc,$(BUILD)/obj/gen/%.o,$(ISA_GENERATED))
SOURCES_qapi := $(filter-out qapi/gen/%,$(filter qapi/%,$(SOURCES)))
OBJECTS_qapi := $(call objects,$(SOURCES_qapi)) $(patsubst %.cc,$(BUILD)/obj/gen/%.o,$(GEN_SOURCES))

# What runs once for a command, an option or a start is optimized less than what runs for each request or instruction:
# it is a third of all sources, and takes a quarter less time to compile so.
COLD := qapi/% monitor/human/% monitor/dispatch/% block/command/% block/options/% emu/machine/% emu/chardev/% target/x86/gen/%
COLD_OBJECTS := $(call objects,$(filter $(COLD),$(SOURCES)) $(wildcard emu/*.cc)) $(filter $(BUILD)/obj/gen/qapi/%,$(OBJECTS_qapi))
ifneq ($(filter -O2 -O3,$(CXXFLAGS)),)
$(COLD_OBJECTS): private ALL_CXXFLAGS += -O1 -foptimize-sibling-calls
endif

HOMELESS := $(filter-out $(wildcard emu/*.cc) $(FMT_INSIDE_SOURCE) monitor/shell/% block/tool/%/main.cc qapi/% tests/% target/x86/gen/% $(foreach r,$(ROOMS),$(SOURCES_$(r))),$(SOURCES))
ifneq ($(HOMELESS),)
$(warning in no room of ROOMS, so not built: $(HOMELESS))
endif

library = $(BUILD)/lib/lib$(1).a
FILLED_ROOMS := $(strip $(foreach r,$(ROOMS),$(if $(strip $(OBJECTS_$(r))),$(r))))
LIBRARIES := $(foreach r,$(FILLED_ROOMS),$(call library,$(r)))
# Rooms up to and with $(1), or all of them where there is no such room.
rooms_up_to = $(strip $(eval reached:=)$(foreach r,$(ROOMS),$(if $(reached),,$(r))$(if $(filter $(1) emu-$(1),$(r)),$(eval reached:=1))))
libraries_up_to = $(foreach r,$(filter $(FILLED_ROOMS),$(call rooms_up_to,$(1))),$(call library,$(r)))

define library_rule
ifneq ($$(strip $$(file < $(BUILD)/lib/$(1).list)),$$(strip $$(OBJECTS_$(1))))
$$(shell mkdir -p $(BUILD)/lib)
$$(file > $(BUILD)/lib/$(1).list,$$(strip $$(OBJECTS_$(1))))
endif
$(call library,$(1)): $$(OBJECTS_$(1)) $(BUILD)/lib/$(1).list
	@rm -f $$@
	$$(call say,AR,$$@)$(AR) rcs $$@ $$(OBJECTS_$(1))
endef
ifneq ($(CONFIGURED),)
$(foreach r,$(FILLED_ROOMS),$(eval $(call library_rule,$(r))))
endif

# The generated dispatch tables (qapi) name bodies in rooms to their right, hence the group. The standard library comes
# before it: else a string function that some archive member happens to hold would draw in that member and all it needs.
STDCXX := -lstdc++
link = $(call say,LINK,$(1))$(CXX) $(ALL_LDFLAGS) -o $(1) $(filter %.o,$(2)) $(STDCXX) -Wl,--start-group $(filter %.a,$(2)) -Wl,--end-group $(3) $(LIBS)

# ----------------------------------------------------------------------------------------------------- programs
PROGRAM_OBJECTS_rhea := $(if $(wildcard emu/main.cc),$(call objects,$(wildcard emu/*.cc)))
PROGRAM_OBJECTS_rhea-shell := $(if $(wildcard monitor/shell/main.cc),$(call objects,$(filter monitor/shell/%,$(SOURCES))))
# A tool's main stands in its folder; all else of it belongs to the room, so that tests link it.
TOOLS := $(patsubst block/tool/%/main.cc,%,$(wildcard block/tool/*/main.cc))
$(foreach t,$(TOOLS),$(eval PROGRAM_OBJECTS_rhea-$(t) := $(call objects,block/tool/$(t)/main.cc)))
PROGRAMS := $(strip $(foreach p,rhea rhea-shell $(addprefix rhea-,$(TOOLS)),$(if $(PROGRAM_OBJECTS_$(p)),$(BUILD)/bin/$(p))))
$(BUILD)/bin/rhea: $(PROGRAM_OBJECTS_rhea) $(LIBRARIES)
$(BUILD)/bin/rhea-shell: $(PROGRAM_OBJECTS_rhea-shell) $(LIBRARIES)
$(foreach t,$(TOOLS),$(eval $(BUILD)/bin/rhea-$(t): $(PROGRAM_OBJECTS_rhea-$(t)) $(call libraries_up_to,block)))
# Scripts start rhea-img by the thousand, and finding and relocating shared libraries is most of what a start costs: where
# there are archives, it takes those, but for the C library, which finds host names by modules of its own.
SMALL_LIBRARIES := -levent_core -levent_pthreads -levent -lz -luring -lzstd -lnettle
archive_or_shared = $(if $(filter /%,$(shell $(CXX) -print-file-name=$(patsubst -l%,lib%.a,$(1)))),$(patsubst -l%,-l:lib%.a,$(1)),$(1))
$(BUILD)/bin/rhea-img: private LIBS := $(foreach l,$(LIBS),$(if $(filter $(l),$(SMALL_LIBRARIES)),$(call archive_or_shared,$(l)),$(l)))
ifeq ($(FMT_INSIDE),1)
$(BUILD)/bin/rhea-img: $(call objects,$(FMT_INSIDE_SOURCE))
$(BUILD)/bin/rhea-img: private LIBS := $(filter-out -lfmt,$(LIBS)) -static-libstdc++ -static-libgcc
$(BUILD)/bin/rhea-img: private STDCXX := -l:libstdc++.a
# Other programs' sources are compiled with the precompiled header, which has the functions of libfmt in a library.
$(call objects,$(FMT_INSIDE_SOURCE)): private USE_PCH_FLAGS :=
endif
$(BUILD)/bin/qapi-gen: $(call objects,$(GEN_TOOL_SOURCES)) $(call library,emu-base)
$(BUILD)/bin/isa-gen: $(call objects,$(filter target/x86/gen/%,$(SOURCES))) $(call library,emu-base)
$(PROGRAMS) $(BUILD)/bin/qapi-gen $(BUILD)/bin/isa-gen:
	@mkdir -p $(@D)
	$(call link,$@,$^)
$(BUILD)/bin/rhea-system-x86_64: $(BUILD)/bin/rhea
	@ln -sf rhea $@

# The built-in guest: a kernel of our own without any library, for make run and the whole-program tests. It is guest
# code: neither the build's flags nor its sanitizers are for it.
GUEST := $(BUILD)/guest/rhea-guest.elf
GUEST_FLAGS := -std=c++2b -I. -O2 -ffreestanding -fno-exceptions -fno-rtti -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-threadsafe-statics -fno-tree-loop-distribute-patterns \
	-fcf-protection=none -Wall -Wextra -Wconversion -Wshadow
GUEST_OBJECTS := $(patsubst tests/guest/%,$(BUILD)/guest/%.o,$(wildcard tests/guest/*.cc tests/guest/*.S))
$(BUILD)/guest/%.o: tests/guest/% $(BUILD)/config.mk
	@mkdir -p $(@D)
	$(call say,GUEST,$<)$(LAUNCHER) $(CXX) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<
$(GUEST): $(GUEST_OBJECTS) tests/guest/guest.ld
	$(call say,LINK,$@)$(CXX) -static -nostdlib -no-pie -Wl,--no-warn-rwx-segments,-z,max-page-size=4096,--build-id=none \
		-T tests/guest/guest.ld -o $@ $(GUEST_OBJECTS)
ifneq ($(CONFIGURED),)
-include $(GUEST_OBJECTS:.o=.d)
endif

all: $(GUEST) $(PROGRAMS) $(if $(PROGRAM_OBJECTS_rhea),$(BUILD)/bin/rhea-system-x86_64) $(if $(PROGRAMS),,$(LIBRARIES)) $(GENERATED)

# -------------------------------------------------------------------------------------------------------- tests
# tests/<room>/*.cc -> BUILD/tests/<room> (GoogleTest), linked with the rooms up to its own; tests/fuzz, tests/bench and
# tests/hand: one program per file. tests/style reads the source tree; of ours it needs only what the helpers do.
TEST_ROOMS := $(filter-out lib fuzz bench hand tour build,$(sort $(foreach s,$(filter tests/%,$(SOURCES)),$(word 2,$(subst /, ,$(s))))))
TESTS := $(addprefix $(BUILD)/tests/,$(TEST_ROOMS))
# Helpers of several rooms (tests/lib) are an archive: a test links those that it uses.
TEST_HELPERS := $(call objects,$(filter tests/lib/%,$(SOURCES)))
TEST_LIBRARY := $(if $(TEST_HELPERS),$(BUILD)/lib/libtest-helpers.a)
$(BUILD)/lib/libtest-helpers.a: $(TEST_HELPERS)
	@mkdir -p $(@D); rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^
# ONLY_<room>='a-% b-%': of that room only the sources of these names, for a build that is to take little time.
define test_rule
TEST_OBJECTS_$(1) := $(call objects,$(filter $(patsubst %,tests/$(1)/%.cc,$(or $(ONLY_$(1)),%)),$(SOURCES)))
$(BUILD)/tests/$(1): $$(TEST_OBJECTS_$(1)) $(TEST_LIBRARY) $(if $(filter style,$(1)),$(call library,emu-base),$(call libraries_up_to,$(1)))
endef
$(foreach t,$(TEST_ROOMS),$(eval $(call test_rule,$(t))))
$(TESTS):
	@mkdir -p $(@D)
	$(call link,$@,$^,-lgtest_main $(GTEST_LIBS))

FUZZ_NAMES := $(patsubst tests/fuzz/%.cc,%,$(filter-out tests/fuzz/driver.cc,$(wildcard tests/fuzz/*.cc)))
FUZZERS := $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES))
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(if $(FUZZ_FLAGS),,$(BUILD)/obj/tests/fuzz/driver.o) $(TEST_LIBRARY) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call link,$@,$^,$(FUZZ_FLAGS))

BENCHES := $(patsubst tests/bench/%.cc,$(BUILD)/bench/%,$(wildcard tests/bench/*.cc))
# tests/hand: what the tests have that people may want to try by hand.
HANDS := $(patsubst tests/hand/%.cc,$(BUILD)/hand/%,$(wildcard tests/hand/*.cc))
$(BENCHES) $(HANDS): $(BUILD)/%: $(BUILD)/obj/tests/%.o $(TEST_LIBRARY) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call link,$@,$^)

tests: all $(TESTS) $(FUZZERS) $(HANDS)

RUN_TESTS = BUILD=$(BUILD) RHEA_SANITIZERS=$(SANITIZERS) RHEA_FUZZ_RUNS=$(RHEA_FUZZ_RUNS) tests/run-tests
PROGRAM_TESTS := $(filter-out %/style,$(TESTS))
check: tests
	@if [ '$(HAVE_GTEST)' = off ]; then echo 'make check: configured with --disable-tests; run ./configure --enable-tests' >&2; exit 1; fi
	@$(RUN_TESTS) $(addprefix gtest:,$(TESTS)) $(addprefix fuzz:,$(FUZZERS)) $(BUILD_TESTS) format

# tests/build/*.sh try configure, the package list, the runner's counts and the installation.
BUILD_TESTS := $(foreach t,$(wildcard tests/build/*.sh),command:build-$(basename $(notdir $(t))):$(t))

# Parts of it, for sanitizer builds (.ci/run).
check-programs: all $(PROGRAM_TESTS) $(HANDS)
	@$(RUN_TESTS) $(addprefix gtest:,$(PROGRAM_TESTS))
ROOM_TESTS := $(addprefix $(BUILD)/tests/,$(ROOMS_TO_CHECK))
check-rooms: $(if $(filter system boot img,$(ROOMS_TO_CHECK)),all $(HANDS)) $(if $(filter machine,$(ROOMS_TO_CHECK)),$(GUEST)) $(ROOM_TESTS)
	@$(RUN_TESTS) $(addprefix gtest:,$(ROOM_TESTS))
check-fuzz: $(FUZZERS)
	@$(RUN_TESTS) $(addprefix fuzz:,$(FUZZERS))

soak: tests
	@RHEA_SOAK=$(or $(SECONDS),60) RHEA_TEST_TIMEOUT=86400 $(RUN_TESTS) $(SOAK_FUZZERS) $(addprefix gtest:,$(PROGRAM_TESTS))

# Ten and a half million images that are damaged: half an hour on two processors. RHEA_FUZZ_SEED=N: others.
SOAK_FUZZERS = $(foreach f,$(filter qcow2-%,$(FUZZ_NAMES)),fuzz:$(BUILD)/fuzz/$(f):$(or $(FUZZ_RUNS),3500000))
soak-fuzz: $(addprefix $(BUILD)/fuzz/,$(filter qcow2-%,$(FUZZ_NAMES)))
	@RHEA_TEST_TIMEOUT=86400 $(RUN_TESTS) $(SOAK_FUZZERS)

bench: all $(BENCHES)
	@BUILD=$(BUILD) tests/bench/run $(BENCHES)

run: all
	@BUILD=$(BUILD) tests/tour/run

# Debian's kernel and busybox from the package sources, for tests too; needs a network once.
run-linux: all
	@BUILD=$(BUILD) tests/linux/run

# ---------------------------------------------------------------------------------------------- format and lint
STYLED = $(shell find emu block monitor hw target qapi tests \( -name '*.cc' -o -name '*.h' \) 2>/dev/null)
format:
	clang-format -i $(or $(FILES),$(STYLED))

# make lint [FILES="a.cc b.cc"]
lint: $(GENERATED)
	@BUILD=$(BUILD) LINT_FLAGS='$(LIB_CFLAGS)' tests/lint $(or $(FILES),$(filter-out tests/%,$(SOURCES)))

# ------------------------------------------------------------------------------------------------------ install
install: all docs
	@BUILD=$(BUILD) DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' DOCDIR='$(DOCDIR)' COMPLETIONDIR='$(COMPLETIONDIR)' .ci/install install
uninstall:
	@BUILD=$(BUILD) DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' DOCDIR='$(DOCDIR)' COMPLETIONDIR='$(COMPLETIONDIR)' .ci/install uninstall

docs: $(GENERATED) $(addprefix $(BUILD)/bin/rhea-,$(TOOLS))
	@BUILD=$(BUILD) docs/make-docs

# -------------------------------------------------------------------------------------------------------- clean
clean:
	@if [ -d $(BUILD) ]; then find $(BUILD) -mindepth 1 -maxdepth 1 ! -name 'config.*' ! -name Makefile -exec rm -rf {} +; fi
distclean:
	@if [ -f $(BUILD)/config.stamp ]; then rm -rf $(BUILD); elif [ -d $(BUILD) ]; then echo "make distclean: '$(BUILD)' has no config.stamp: not a build folder of ours, left alone" >&2; exit 1; fi

help:
	@echo 'make [TARGET] [BUILD=folder] [V=1]   (configures by itself; ./configure --help for choices)'
	@echo
	@echo '  all        the programs, into BUILD/bin (default)'
	@echo '  run        build, then start the main job; without a terminal: play a short tour of it'
	@echo '  run-linux  boot a small Debian Linux on it (fetches kernel and busybox, once)'
	@echo '  check      build, then every test; ends with the counts'
	@echo '  bench      measure; prints tables'
	@echo '  soak       the long-running tests, SECONDS=60 each, and soak-fuzz'
	@echo '  soak-fuzz  FUZZ_RUNS=3500000 damaged images for each of the fuzz targets of qcow2'
	@echo '  install    into --prefix (DESTDIR is put before it); uninstall takes it away'
	@echo '  docs       reference manual and manual pages, into BUILD/docs'
	@echo '  format     clang-format over the sources        lint       clang-tidy; FILES="..." for some'
	@echo '  clean      remove what was built               distclean   remove BUILD'
	@echo
	@echo 'One part: make BUILD/tests/<room>, BUILD/bin/rhea, BUILD/fuzz/<name>, BUILD/bench/<name>, BUILD/hand/<name>'

FORCE:
.PHONY: all run run-linux check check-programs check-rooms check-fuzz tests soak soak-fuzz bench install uninstall docs format lint clean distclean help FORCE

ifneq ($(CONFIGURED),)
-include $(patsubst %.cc,$(BUILD)/obj/%.d,$(SOURCES)) $(patsubst %.cc,$(BUILD)/obj/gen/%.d,$(GEN_SOURCES) $(ISA_GENERATED))
endif
