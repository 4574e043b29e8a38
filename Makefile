# Two commands on a fresh Debian machine:
#   make demo    installs what is missing, builds, and runs examples/ with evictions in their middle
#   make check   installs what the tests need, builds with sanitizers, and runs them all
# Everything else is Meson's: meson setup build && ninja -C build && meson install -C build

.PHONY: all criu demo check bench install install-condor-names uninstall-condor-names clean

all: build/release/build.ninja criu
	ninja -C build/release

# Without one everything works but transparent checkpoints; tools/criu says why, and what to do.
criu:
	@tools/criu build/criu || true

build/release/build.ninja:
	tools/dependencies build
	meson setup build/release -Dtests=disabled -Dbuildtype=release

demo: all
	tools/dependencies demo
	examples/toy/demo build/release
	examples/transparent/demo build/release

check: criu
	tools/dependencies build test
	tools/check

bench: all
	tools/dependencies bench
	bench/run build/release
	bench/sim build/release

install: all
	meson install -C build/release

# HTCondor's commands as links to stint, for scripts and workflow tools that call them: stint-condor(7). Not where HTCondor is
# installed: a command that is there and no link to stint stays.
PREFIX ?= /usr/local
CONDOR_NAMES = submit q history rm hold release vacate_job status wait userprio version

install-condor-names:
	@tools/condor-names install "$(DESTDIR)$(PREFIX)/bin" $(CONDOR_NAMES)

uninstall-condor-names:
	@tools/condor-names uninstall "$(DESTDIR)$(PREFIX)/bin" $(CONDOR_NAMES)

clean:
	rm -rf build
