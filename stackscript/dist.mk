# `make dist`: the release. TOOTSTRAP_URL is where its files will be served.

TOOTSTRAP_URL ?= https://get.tootstrap.example
# Secret key of a minisign key pair (`minisign -G`), outside the repository; its public key is expected beside it. None: nothing is signed.
MINISIGN_KEY ?=
MINISIGN_PUBKEY ?= $(MINISIGN_KEY:.key=.pub)
DIST := dist
BINARY := tootstrap-x86_64-linux-musl
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# `make dist PROFILE=dev` builds fast, for trying things out.
PROFILE ?= release
BUILT = target/x86_64-unknown-linux-musl/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/tootstrap
# The same binary wherever it is built: no path of this machine is in it.
# Addresses that are relative are written in the short form (RELR, which musl has known since 1.2.4): 200 kB less.
FLAGS = -Clink-arg=-Wl,-z,pack-relative-relocs $(REMAPPED)
REMAPPED = --remap-path-prefix=$(CURDIR)=tootstrap --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo

.PHONY: dist
dist: setup ## The static binary and the StackScript, install.sh and cloud-init.yaml that fetch it: dist/
	RUSTFLAGS="$(FLAGS)" cargo build --locked --profile $(PROFILE) --target x86_64-unknown-linux-musl
	@file -b $(BUILT) | grep -Eq 'statically linked|static-pie linked' || { echo '$(BUILT) is not statically linked' >&2; exit 1; }
	@! grep -aqF '$(CURDIR)/src' $(BUILT) || { echo '$(BUILT) holds paths of this machine' >&2; exit 1; }
	mkdir -p $(DIST)
	install -m 0755 $(BUILT) $(DIST)/$(BINARY)
	strip $(DIST)/$(BINARY)
	sh stackscript/render.sh $(DIST) $(VERSION) $(TOOTSTRAP_URL) $(if $(MINISIGN_KEY),'$(MINISIGN_KEY)' '$(MINISIGN_PUBKEY)')
	@ls -l $(DIST)
