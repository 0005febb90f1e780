# make            build the programs into bin/; that which asks for GPUs with a C compiler
# make demo       build, sign, verify and run an image: no network, no root
# make test       install what the tests need (as root on Debian) and run them all
# make spank      build the plugin of the Slurm whose headers are here (Debian: libslurm-dev), for this PREFIX
# make deb        also rpm, tar: packages, in bin/packages; make release makes them for all architectures
# make install    PREFIX=/usr/local; ALIASES=1 also under the names apptainer and singularity; with the plugin if there is one
PREFIX  ?= /usr/local
SYSCONFDIR ?= /etc/sealift
DESTDIR ?=
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
CFG      = github.com/sealift/sealift/buildcfg
LDFLAGS  = -s -w -X $(CFG).Version=$(VERSION) -X $(CFG).SysconfDir=$(SYSCONFDIR) $(if $(LIBEXEC),-X $(CFG).LibexecDir=$(LIBEXEC))
FUZZTIME ?= 30s # of each fuzz target
OUT     ?= bin/bench# where tables and pictures of benchmarks go; PEERS is a directory of programs more to measure
BIN     ?= bin
PACKAGES = $(abspath $(BIN))/packages
PACK     = buildcfg/packages/make.sh $(PACKAGES) $(VERSION)
NATIVE  ?= $(BIN)/install/sealift # writes manual pages and completions; to install for other machines, name one that runs here
NAMES    = $(if $(ALIASES),apptainer singularity)
# With a C compiler and libdeflate (Debian: libdeflate-dev), blocks go through libzstd and libdeflate; else, or with
# CGO_ENABLED=0, through pure Go. Static either way.
ifndef CGO_ENABLED
CGO_ENABLED := $(shell printf '\043include <libdeflate.h>\nint main(void) { return !libdeflate_alloc_decompressor(); }' | \
                 $(CC) -static -o /dev/null -xc - -ldeflate 2>/dev/null && echo 1 || echo 0)
endif
export CGO_ENABLED
PURE     = CGO_ENABLED=0 $(GO) build -trimpath
ifeq ($(CGO_ENABLED),1)
TAGS     = -tags libdeflate,netgo,osusergo
STATIC   = -linkmode external -extldflags -static
# Bound late, as no driver has all the functions that it could call.
HELPER   = CGO_CFLAGS="-O2 -g -w" $(GO) build -trimpath -tags netgo,osusergo -ldflags '-s -w -extldflags "-Wl,-z,lazy"'
endif
CLI      = $(GO) build -trimpath $(TAGS) -ldflags
.PHONY: all box spank demo test check sweep bench lint fuzz race cover install tree tar deb rpm release clean

all:
	$(CLI) '$(LDFLAGS) $(STATIC)' -o $(BIN)/ ./cmd/sealift ./cmd/sealift-full
	$(PURE) -ldflags '-s -w -E sealift_enter' -o $(BIN)/sealift-starter ./starter && $(PURE) -ldflags '-s -w' -o $(BIN)/ ./cmd/sealift-hostcmd
	$(if $(HELPER),$(HELPER) -o $(BIN)/sealift-gpu-helper ./gpu/helper)
box: ; $(PURE) -o $(BIN)/box ./e2e/box
demo: all box ; PATH="$(CURDIR)/bin:$$PATH" examples/hello/demo.sh

spank:
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -fPIC -shared -DLIBEXECDIR='"$(PREFIX)/libexec/sealift"' \
	  -o $(BIN)/sealift-spank.so runtime/slurm/spank/sealift.c
	ln -sf sealift $(BIN)/sealift-task
test:
	e2e/setup.sh
	env -u CGO_ENABLED $(MAKE) check # with what was just installed

check: lint # the tests alone, on a machine that has what they need
	$(GO) test $(TAGS) -count=1 -timeout 60m ./...
	CGO_ENABLED=0 $(GO) test -count=1 ./image/squashfs/... ./runtime/imagefs
	GO='$(GO)' TAGS='$(TAGS)' e2e/fuzz.sh 30s numbered
	$(if $(TAGS),$(GO) test -race $(TAGS) -count=1 -run 'Random|Posix' ./runtime/imagefs) # all of it: make race
lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet $(TAGS) ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 $(TAGS) ./...
	CGO_ENABLED=0 $(GO) vet ./image/squashfs/...
	GO='$(GO)' TAGS='$(TAGS)' e2e/lint.sh
fuzz: ; GO='$(GO)' TAGS='$(TAGS)' e2e/fuzz.sh $(FUZZTIME)
race: # needs cgo
	$(if $(TAGS),$(GO) test -race $(TAGS) -count=1 -timeout 20m $$($(GO) list ./... | grep -v /e2e))

install:
	$(MAKE) all BIN=$(BIN)/install LIBEXEC=$(PREFIX)/libexec/sealift
	install -D -m 0755 $(BIN)/install/sealift $(DESTDIR)$(PREFIX)/bin/sealift
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/sealift $(addprefix $(BIN)/install/,sealift-starter sealift-full sealift-hostcmd $(if $(HELPER),sealift-gpu-helper)) $(wildcard $(BIN)/sealift-spank.so)
	ln -sf ../../bin/sealift $(DESTDIR)$(PREFIX)/libexec/sealift/sealift-task
	for name in run-singularity $(NAMES); do ln -sf sealift $(DESTDIR)$(PREFIX)/bin/$$name || exit 1; done
	$(NATIVE) share $(DESTDIR)$(PREFIX)/share sealift $(NAMES)
tree: ; rm -rf $(PACKAGES)/root && $(MAKE) install DESTDIR=$(PACKAGES)/root PREFIX=/usr && $(PACK) $@
tar deb rpm: tree ; $(PACK) $@
release: all # pure Go and no helper: everybody's are the same, to the byte
	for arch in amd64 arm64; do $(MAKE) CGO_ENABLED=0 GOARCH=$$arch NATIVE=$(abspath $(BIN)/sealift) tar deb rpm || exit 1; done
bench: export PATH := $(PATH)$(if $(PEERS),:$(PEERS))
bench: all box ; CGO_ENABLED=0 $(GO) run ./e2e/bench -out $(OUT) && CGO_ENABLED=0 $(GO) run ./e2e/bench/ranks -out $(OUT)/ranks
sweep: ; SEALIFT_TEST_SWEEP=all $(GO) test $(TAGS) -count=1 -v -timeout 4h -run '^TestSweep$$' ./e2e # each fault at each call
cover: ; $(GO) test $(TAGS) -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -1
clean: ; rm -rf $(BIN) e2e/.fixtures coverage.out
