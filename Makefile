# make            build both programs into bin/
# make demo       build, convert an image, run it, inspect it: no network, no root
# make test       install what the tests need (as root on Debian) and run them all
# make install    PREFIX=/usr/local
PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
CFG      = github.com/sealift/sealift/buildcfg
LDFLAGS  = -s -w -X $(CFG).Version=$(VERSION)
STATIC   = CGO_ENABLED=0 $(GO) build -trimpath
FUZZTIME ?= 30s

.PHONY: all demo test check bench lint fuzz cover install clean

all:
	$(STATIC) -ldflags '$(LDFLAGS)' -o bin/sealift ./cmd/sealift
	$(STATIC) -ldflags '-s -w' -o bin/sealift-starter ./starter

demo: all
	$(STATIC) -o bin/box ./e2e/box
	PATH="$(CURDIR)/bin:$$PATH" examples/hello/demo.sh

test:
	e2e/setup.sh
	$(MAKE) check

# The tests alone, on a machine that has what they need.
check: lint all
	$(GO) test -count=1 -timeout 40m ./...

bench: all
	$(STATIC) -o bin/box ./e2e/box
	$(GO) run ./e2e/bench

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Every fuzz target for FUZZTIME each.
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r f; do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$f); do \
	    $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$f) || exit 1; done; done

cover:
	$(GO) test -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -1

install:
	$(STATIC) -ldflags '$(LDFLAGS) -X $(CFG).LibexecDir=$(PREFIX)/libexec/sealift' -o bin/install/sealift ./cmd/sealift
	$(STATIC) -ldflags '-s -w' -o bin/install/sealift-starter ./starter
	install -D -m 0755 bin/install/sealift $(DESTDIR)$(PREFIX)/bin/sealift
	ln -sf sealift $(DESTDIR)$(PREFIX)/bin/run-singularity
	install -D -m 0755 bin/install/sealift-starter $(DESTDIR)$(PREFIX)/libexec/sealift/sealift-starter

clean:
	rm -rf bin e2e/.fixtures coverage.out
