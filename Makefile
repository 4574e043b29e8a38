# Two commands on a fresh Debian machine:
#   make demo    installs what is missing, builds, and runs examples/toy with an eviction in its middle
#   make check   installs what the tests need, builds with sanitizers, and runs them all
# Everything else is Meson's: meson setup build && ninja -C build && meson install -C build

.PHONY: all demo check bench install clean

all: build/release/build.ninja
	ninja -C build/release

build/release/build.ninja:
	tools/dependencies build
	meson setup build/release -Dtests=disabled -Dbuildtype=release

demo: all
	examples/toy/demo build/release

check:
	tools/dependencies build test
	tools/check

bench: all
	tools/dependencies bench
	bench/run build/release

install: all
	meson install -C build/release

clean:
	rm -rf build
