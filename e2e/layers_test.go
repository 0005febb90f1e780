package e2e

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sealift/sealift/"

// layers is the architecture: what each package may import of this module.
// Everything may import buildcfg/hint but the starter. A package that is not
// listed fails the test, so that a new one is placed on purpose.
var layers = map[string][]string{
	"buildcfg":      {},
	"buildcfg/hint": {},
	"starter": {
		"starter/confine", "starter/enter", "starter/fds", "starter/hold", "starter/mountinfo", "starter/netns", "starter/plan", "starter/program", "starter/reaper", "starter/resolve",
		"starter/rootemu", "starter/seccomp", "starter/talk",
	},
	"starter/plan":    {},
	"starter/enter":   {},
	"starter/hold":    {"starter/fds", "starter/plan", "starter/talk"},
	"starter/program": {},
	"starter/reaper":  {},
	"starter/confine": {"starter/plan"},
	"starter/fds":     {},
	"starter/netns":   {},
	"starter/resolve": {},
	"starter/talk":    {"starter/plan"},
	// What root emulation writes on files, and who reads it.
	"starter/owner":          {},
	"starter/mountinfo":      {},
	"starter/seccomp":        {},
	"starter/rootemu/creds":  {},
	"starter/rootemu/device": {},
	"starter/rootemu/inode":  {"starter/filestat"},
	"starter/rootemu/memory": {},
	"starter/rootemu": {
		"starter/owner", "starter/rootemu/creds", "starter/rootemu/device", "starter/rootemu/inode", "starter/rootemu/memory",
		"starter/seccomp", "starter/filestat",
	},
	"starter/filestat": {},

	"image/tree":            {},
	"image/squashfs/format": {},
	"image/squashfs/codec":  {"image/squashfs/format"},
	"image/squashfs/lru":    {},
	"image/squashfs/meta":   {"image/squashfs/codec", "image/squashfs/format", "image/squashfs/lru"},
	"image/squashfs": {
		"image/squashfs/codec", "image/squashfs/format", "image/squashfs/lru", "image/squashfs/meta", "image/tree",
	},
	"image/squashfs/table": {"image/squashfs/codec", "image/squashfs/format", "image/tree"},
	"image/squashfs/writer": {
		"image/squashfs", "image/squashfs/codec", "image/squashfs/format", "image/squashfs/meta", "image/squashfs/table",
		"image/tree",
	},
	"image/sif":         {"image/sif/overlay"},
	"image/sif/overlay": {},
	"image/trust/merkle": {
		"image/trust/payload",
		"image/sif", "image/squashfs/lru"},
	"image/sif/edit":      {"image/output", "image/sif", "image/sif/siffile", "image/trust/merkle"},
	"image/sif/siffile":   {"image/sif"},
	"image/sif/layout":    {},
	"image/sandbox":       {"image/tree", "starter/owner", "starter/filestat"},
	"image/output":        {},
	"image/usage":         {"image/squashfs", "image/squashfs/format", "image/tree"},
	"image/upper":         {"image/output", "image/sandbox", "image/squashfs/writer", "image/tree"},
	"image/conffile":      {},
	"image/trust/policy":  {"image/conffile"},
	"image/trust/payload": {},
	"image/trust/gate": {
		"image",
		"image/sif", "image/trust", "image/trust/keyring", "image/trust/merkle", "image/trust/pem", "image/trust/policy",
	},
	"image/trust/remember": {"image/cache", "image/trust/merkle"},
	"cmd/sealift/policies": {
		"cmd/sealift/bars", "cmd/sealift/caches", "image/cache", "image/trust/remember",
		"image", "image/oci", "image/sif", "image/trust/merkle",
		"cmd/sealift/keys", "cmd/sealift/rulefiles", "cmd/sealift/ui", "cmd/sealift/verdicts", "image/trust/gate", "image/trust/keyring", "image/trust/pem", "image/trust/policy",
	},
	"image/oci/mirrors":  {"image/conffile"},
	"image/oci/registry": {"image/oci/conn", "image/oci/mirrors", "image/oci/wire"},
	"image/oci/wire":     {},
	"image/oci/conn":     {},
	"image/oci/logins":   {"image/oci/registry", "image/output"},
	"image/oci": {
		"image/oci/ahead", "image/oci/compression", "image/oci/daemon", "image/oci/members", "image/output", "image/oci/registry", "image/tree",
	},
	"image/oci/ahead":       {"image/output"},
	"image/oci/compression": {},
	"image/oci/export": {
		"image/metadata", "image/oci", "image/oci/compression", "image/oci/registry", "image/output", "image/tree",
	},
	"image/oci/daemon":       {},
	"image/oci/members":      {},
	"image/oras":             {"image/oci/registry", "image/oci/wire"},
	"image/library":          {"image/oci/registry", "image/oci/wire"},
	"image/library/endpoint": {"image/output"},
	"image/web":              {"image/oci/registry", "image/oci/wire", "image/squashfs/format"},
	"image/trust/keyring":    {"buildcfg", "image/output"},
	"image/trust/pem":        {},
	"image/trust": {
		"image/trust/payload",
		"image/sif", "image/trust/keyring", "image/trust/pem"},
	"image/trust/hkp":         {"image/oci/registry", "image/oci/wire", "image/trust/keyring"},
	"image/definition":        {},
	"image/dockerfile":        {"image/dockerfile/steps"},
	"image/dockerfile/ignore": {},
	"image/dockerfile/perm":   {"image/tree"},
	"image/dockerfile/steps":  {},
	"image/distro":            {},
	"image": {
		"image/crypt", "image/sandbox", "image/sif", "image/squashfs", "image/squashfs/format", "image/tree", "image/trust/merkle",
	},
	"image/crypt": {
		"image/crypt/gocryptfs", "image/squashfs", "image/squashfs/codec", "image/squashfs/format", "image/squashfs/table", "image/tree",
	},
	"image/crypt/gocryptfs": {"image/squashfs/lru"},
	"image/layered":         {"image"},
	"image/contents": {
		"image", "image/crypt", "image/oci", "image/oci/compression", "image/oci/export", "image/output", "image/oci/registry", "image/sandbox",
		"image/sif", "image/squashfs", "image/squashfs/codec", "image/squashfs/format", "image/squashfs/writer", "image/tree", "image/trust/merkle",
	},
	"image/metadata":    {"buildcfg", "image", "image/definition", "image/tree"},
	"image/files":       {"image/tree"},
	"image/scif":        {"image/definition", "image/metadata", "image/tree"},
	"image/cache":       {"image/cache/claim", "image/output"},
	"image/cache/claim": {},
	"image/profile":     {"image/squashfs", "image/squashfs/format", "image/tree"},
	"image/build/key":   {"image/tree"},
	"image/stage": {
		"image", "image/contents", "image/metadata", "image/oci", "image/profile", "image/sandbox", "image/squashfs",
		"image/squashfs/format", "image/squashfs/writer", "image/tree", "starter/owner",
	},
	"image/build": {
		"image", "image/elsewhere", "image/build/kept", "image/build/key", "image/cache", "image/crypt", "image/metadata", "image/oci", "image/output", "image/profile", "image/oci/registry",
		"image/sandbox", "image/sif",
		"image/squashfs", "image/squashfs/codec", "image/squashfs/writer", "image/stage", "image/tree",
		"image/trust/merkle",
	},
	"image/build/kept": {"image/build/key", "image/cache"},
	"image/elsewhere": {
		"image/build/kept", "image/cache", "image/library", "image/oci/registry", "image/oras", "image/web",
	},
	"image/pull": {
		"image/sif", "image/trust/merkle",
		"image", "image/build/bootstrap",
		"image/build", "image/build/fromdef", "image/build/kept", "image/build/key", "image/cache", "image/elsewhere", "image/metadata",
		"image/oci", "image/output", "image/squashfs/codec",
	},
	"image/sbom":         {"image"},
	"image/compare":      {"image/metadata", "image/sbom", "image/tree"},
	"image/provenance":   {},
	"image/documents":    {"image/provenance", "image/sbom", "image/sif", "image/sif/siffile"},
	"image/build/attach": {"image/build", "image/provenance", "image/sbom", "image/sif", "image/squashfs"},
	"image/build/bootstrap": {
		"image", "image/build", "image/build/kept", "image/build/key", "image/distro", "image/elsewhere", "image/metadata", "image/oci", "image/stage",
		"image/tree",
	},
	"image/build/fromdocker": {
		"image", "image/build", "image/build/bootstrap", "image/build/key", "image/elsewhere", "image/dockerfile", "image/dockerfile/ignore", "image/dockerfile/perm",
		"image/dockerfile/steps", "image/files", "image/metadata", "image/oci/compression", "image/output", "image/sandbox", "image/tree",
	},
	"image/build/fromdef": {
		"image/build", "image/build/bootstrap", "image/build/key", "image/definition", "image/files", "image/metadata", "image/oci",
		"image/scif", "image/tree",
	},

	"gpu/ldcache": {},
	"gpu/library": {},
	"gpu/request": {},
	"gpu/require": {"gpu/library"},
	"gpu/plan":    {"gpu/ldcache", "gpu/library", "gpu/request", "gpu/require"},
	"gpu/cdifile": {},
	"gpu/mask":    {},
	"gpu/files":   {"gpu/mask", "gpu/plan"},
	"gpu/discover": {
		"buildcfg", "gpu/files", "gpu/library", "gpu/mask", "gpu/plan", "gpu/request",
	},

	"gpu/helper": {"gpu/discover"},

	"runtime/account": {},
	"runtime/bind":    {},
	"runtime/host":    {"runtime/account", "runtime/cgroup", "starter/mountinfo", "starter/rootemu"},
	"runtime/cgroup":  {"image/conffile", "starter/mountinfo"},
	// What acts on the plans of runtime/cgroup.
	"runtime/cgroup/control": {"runtime/cgroup"},
	"runtime/cgroup/systemd": {},
	"runtime/job":            {},
	"runtime/shell":          {},
	"runtime/view":           {"image"},
	"runtime/environ":        {"image", "runtime/bind", "runtime/shell", "runtime/view"},
	"runtime/identity":       {"runtime/account", "runtime/host", "starter/plan"},
	"runtime/network":        {"runtime/bind", "runtime/host", "starter/plan"},
	"runtime/seccomp":        {"starter/plan", "starter/seccomp"},
	"runtime/security":       {"runtime/host"},
	"runtime/payload":        {"image", "image/metadata", "image/scif", "runtime/view"},
	"runtime/layout":         {"image", "image/layered", "runtime/bind", "runtime/host", "runtime/view", "starter/plan"},
	"runtime/volume":         {"image", "image/output", "image/sandbox", "image/squashfs", "image/tree", "runtime/layout"},
	"runtime/mounts": {
		"gpu/plan",
		"image", "runtime/account", "runtime/bind", "runtime/identity", "runtime/job", "runtime/layout", "runtime/view", "starter/plan",
	},
	"runtime/spec": {
		"gpu/plan",
		"image", "runtime/bind", "runtime/environ", "runtime/host", "runtime/identity", "runtime/layout", "runtime/mounts",
		"runtime/network", "runtime/payload", "runtime/seccomp", "runtime/security", "runtime/shell", "runtime/view", "starter/plan",
	},
	"runtime/imagefs": {
		"image/squashfs", "image/squashfs/format", "image/tree", "image/trust/merkle", "starter/owner", "starter/plan",
	},
	"runtime/join":                 {"starter/enter"},
	"runtime/userdir":              {},
	"runtime/instance":             {"runtime/userdir"},
	"runtime/tail":                 {},
	"runtime/failure":              {"starter/enter", "starter/plan"},
	"runtime/share":                {"runtime/join", "runtime/userdir", "starter/enter", "starter/hold", "starter/plan"},
	"runtime/launch":               {"buildcfg", "image", "runtime/failure", "runtime/imagefs", "runtime/join", "runtime/tail", "starter/enter", "starter/plan", "starter/seccomp", "starter/talk"},
	"runtime/doctor":               {"gpu/plan", "runtime/cgroup", "runtime/host", "runtime/identity"},
	"runtime/wrapper":              {},
	"runtime/hostmpi":              {"gpu/ldcache", "gpu/library", "runtime/doctor/mpi/libraries"},
	"runtime/hostcmd":              {},
	"runtime/doctor/mpi":           {"runtime/doctor", "runtime/doctor/mpi/libraries", "runtime/wrapper"},
	"runtime/doctor/mpi/libraries": {"gpu/library"},
	"runtime/doctor/probe": {
		"runtime/doctor/mpi", "runtime/doctor/mpi/libraries",
		"gpu/cdifile", "gpu/discover", "gpu/request",
		"image/squashfs", "image/squashfs/writer", "image/tree", "runtime/cgroup", "runtime/doctor", "runtime/host", "runtime/imagefs", "runtime/launch",
		"runtime/spec", "starter/mountinfo", "starter/plan",
	},

	"cmd/sealift/ui":        {},
	"cmd/sealift/cryptkeys": {"cmd/sealift/ui", "image/crypt"},
	"cmd/sealift/bars":      {"cmd/sealift/ui"},
	"cmd/sealift/paths":     {"image"},
	"cmd/sealift/rulefiles": {"buildcfg", "cmd/sealift/ui"},
	"cmd/sealift/verdicts": {
		"buildcfg", "cmd/sealift/caches", "cmd/sealift/rulefiles", "cmd/sealift/ui", "image", "image/cache", "image/sif", "image/trust/merkle",
	},
	"cmd/sealift/root": {"buildcfg", "cmd/sealift/ui", "runtime/host"},
	"cmd/sealift/images": {
		"cmd/sealift/cryptkeys", "cmd/sealift/paths", "cmd/sealift/remotes", "cmd/sealift/ui", "image", "image/contents", "image/metadata", "image/oci", "image/oci/compression",
		"image/oci/export", "image/output", "image/sandbox", "image/documents", "image/scif", "image/squashfs/codec", "image/squashfs/writer",
		"image/usage",
	},
	"cmd/sealift/diffs": {
		"cmd/sealift/cryptkeys", "cmd/sealift/images", "cmd/sealift/ui", "image/compare", "image/contents", "image/metadata", "image/sbom", "image/tree",
	},
	"cmd/sealift/gpus": {
		"cmd/sealift/caches", "cmd/sealift/ui", "gpu/discover", "gpu/plan", "gpu/request", "image/output", "runtime/host",
	},
	"cmd/sealift/limits": {
		"cmd/sealift/ui", "image/output", "runtime/cgroup", "runtime/cgroup/control", "runtime/cgroup/systemd", "runtime/host", "runtime/instance",
	},
	"cmd/sealift/fromhost": {
		"buildcfg", "cmd/sealift/ui", "gpu/ldcache", "image/output", "runtime/doctor/mpi/libraries", "runtime/host", "runtime/hostcmd", "runtime/hostmpi", "runtime/spec",
	},
	"cmd/sealift/shares": {
		"buildcfg", "cmd/sealift/ui", "runtime/failure", "runtime/instance", "runtime/job", "runtime/launch", "runtime/share", "runtime/spec", "runtime/userdir",
		"runtime/volume", "starter/plan", "starter/talk",
	},
	"cmd/sealift/actions": {
		"cmd/sealift/gpus", "cmd/sealift/fromhost", "cmd/sealift/shares",
		"cmd/sealift/limits", "cmd/sealift/paths", "cmd/sealift/ui", "cmd/sealift/verdicts", "image", "image/crypt", "image/squashfs", "runtime/host", "runtime/identity", "runtime/imagefs",
		"runtime/launch", "runtime/spec", "runtime/volume", "starter/plan",
	},
	"cmd/sealift/sources": {
		"cmd/sealift/gpus", "gpu/cdifile",
		"cmd/sealift/actions", "cmd/sealift/cryptkeys", "cmd/sealift/policies", "cmd/sealift/pulls", "cmd/sealift/ui", "image", "image/crypt", "image/pull",
	},
	"cmd/sealift/scripts": {
		"cmd/sealift/actions", "cmd/sealift/ui", "image", "image/build", "runtime/bind", "runtime/host", "runtime/identity", "runtime/spec", "runtime/volume",
		"starter/plan",
	},
	"cmd/sealift/instances": {
		"cmd/sealift/actions", "cmd/sealift/limits", "cmd/sealift/sources", "cmd/sealift/ui", "image/sandbox", "runtime/host", "runtime/instance", "runtime/join", "runtime/launch", "runtime/spec", "runtime/tail",
	},
	"cmd/sealift/remotes":    {"buildcfg", "cmd/sealift/ui", "image/oci/conn", "image/oci/logins", "image/oci/mirrors", "image/oci/registry"},
	"cmd/sealift/registries": {"cmd/sealift/remotes", "cmd/sealift/ui", "image/oci/logins", "image/oci/registry"},
	"cmd/sealift/caches":     {"cmd/sealift/ui", "image/cache"},
	"cmd/sealift/doctors":    {"cmd/sealift/caches", "cmd/sealift/paths", "cmd/sealift/ui", "image", "runtime/doctor", "runtime/doctor/mpi", "runtime/doctor/probe"},
	"cmd/sealift/targets":    {"cmd/sealift/ui", "image", "image/build", "runtime/host"},
	"cmd/sealift/pulls": {
		"cmd/sealift/bars", "cmd/sealift/policies",
		"buildcfg", "cmd/sealift/caches", "cmd/sealift/endpoints", "cmd/sealift/images", "cmd/sealift/remotes", "cmd/sealift/targets",
		"cmd/sealift/ui", "image/build", "image/pull",
	},
	"cmd/sealift/pushes": {
		"cmd/sealift/bars", "cmd/sealift/endpoints", "cmd/sealift/images", "cmd/sealift/paths", "cmd/sealift/remotes", "cmd/sealift/trusts", "cmd/sealift/ui", "image", "image/contents",
		"image/library", "image/oci/compression", "image/oci/export", "image/oci/registry", "image/oras", "image/output",
	},
	"cmd/sealift/endpoints": {
		"buildcfg", "cmd/sealift/remotes", "cmd/sealift/ui", "image/library", "image/library/endpoint", "image/oci/registry",
		"image/trust/hkp",
	},
	"cmd/sealift/keys": {
		"cmd/sealift/rulefiles",
		"buildcfg", "cmd/sealift/endpoints", "cmd/sealift/remotes", "cmd/sealift/ui", "image/output", "image/trust/hkp", "image/trust/keyring",
	},
	"cmd/sealift/trusts": {
		"image",
		"cmd/sealift/policies", "image/trust/merkle", "image/trust/policy",
		"cmd/sealift/endpoints", "cmd/sealift/keys", "cmd/sealift/remotes", "cmd/sealift/ui", "image/oci/conn", "image/sif", "image/sif/siffile", "image/trust",
		"image/trust/keyring", "image/trust/pem",
	},
	"cmd/sealift/overlays": {
		"cmd/sealift/images", "cmd/sealift/ui", "image/output", "image/sif", "image/sif/edit", "image/sif/siffile",
		"image/trust/merkle", "image/upper",
	},
	"cmd/sealift/sifs": {"cmd/sealift/ui", "image/output", "image/sif", "image/sif/edit", "image/sif/layout", "image/sif/siffile"},
	"cmd/sealift/builds": {
		"cmd/sealift/trusts",
		"buildcfg", "cmd/sealift/scripts", "cmd/sealift/caches", "cmd/sealift/endpoints", "cmd/sealift/images", "cmd/sealift/paths", "cmd/sealift/cryptkeys", "cmd/sealift/remotes",
		"cmd/sealift/targets", "cmd/sealift/ui", "image", "image/build", "image/build/attach", "image/build/fromdef", "image/build/fromdocker", "image/definition", "image/dockerfile",
		"image/oci/registry", "runtime/host",
	},
	"cmd/sealift-hostcmd":    {"runtime/hostcmd"},
	"cmd/sealift":            {"buildcfg", "cmd/sealift/actions", "cmd/sealift/root", "cmd/sealift/ui"},
	"cmd/sealift/wrappers":   {"cmd/sealift/ui", "image/output", "runtime/wrapper"},
	"cmd/sealift/containers": {"cmd/sealift/actions", "cmd/sealift/instances", "cmd/sealift/sources", "cmd/sealift/ui", "cmd/sealift/wrappers"},
	"cmd/sealift-full": {
		"buildcfg", "cmd/sealift/policies", "cmd/sealift/root",
		"cmd/sealift/builds", "cmd/sealift/caches", "cmd/sealift/containers", "cmd/sealift/diffs", "cmd/sealift/doctors", "cmd/sealift/endpoints",
		"cmd/sealift/keys", "cmd/sealift/pulls", "cmd/sealift/pushes", "cmd/sealift/registries", "cmd/sealift/sifs", "cmd/sealift/overlays",
		"cmd/sealift/manual", "cmd/sealift/trusts", "cmd/sealift/ui",
	},
	"cmd/sealift/manual":    {"buildcfg", "cmd/sealift/ui"},
	"e2e/apart":             {},
	"e2e/bench/proc":        {},
	"e2e/bench/report":      {},
	"e2e/bench":             {"e2e/bench/proc", "e2e/bench/report", "e2e/fixture", "e2e/fixture/gpuspec", "image/sif", "image/trust/merkle"},
	"e2e/bounded":           {},
	"e2e/box":               {},
	"e2e/bench/ranks":       {"e2e/bench/proc", "e2e/bench/report", "e2e/fixture", "e2e/mpi"},
	"e2e/fixture":           {},
	"e2e/fixture/elffile":   {},
	"e2e/fixture/gpuspec":   {},
	"e2e/fixture/fickle":    {},
	"e2e/fixture/keyserver": {},
	"e2e/mpi":               {"e2e/fixture"},
	"e2e/slurm":             {},
	"e2e/sweep":             {},
	"e2e/messages":          {},
	"e2e/trees":             {"image/tree"},
	"e2e/vm":                {"e2e/fixture"},
}

// commands are the packages of the command line.
var commands = []string{
	"cmd/sealift", "cmd/sealift-full", "cmd/sealift/root", "cmd/sealift/sources", "cmd/sealift/limits", "cmd/sealift/actions", "cmd/sealift/instances", "cmd/sealift/builds", "cmd/sealift/caches", "cmd/sealift/diffs", "cmd/sealift/doctors", "cmd/sealift/endpoints", "cmd/sealift/images",
	"cmd/sealift/cryptkeys", "cmd/sealift/keys", "cmd/sealift/manual", "cmd/sealift/policies", "cmd/sealift/pulls", "cmd/sealift/pushes", "cmd/sealift/registries",
	"cmd/sealift/containers", "cmd/sealift/gpus", "cmd/sealift/fromhost", "cmd/sealift/overlays", "cmd/sealift/remotes", "cmd/sealift/wrappers", "cmd/sealift/sifs", "cmd/sealift/targets", "cmd/sealift/trusts", "cmd/sealift/ui",
	"cmd/sealift/gpus", "cmd/sealift/overlays", "cmd/sealift/shares", "cmd/sealift/remotes", "cmd/sealift/sifs", "cmd/sealift/targets", "cmd/sealift/trusts", "cmd/sealift/ui",
}

// owners names the only packages that may import each module.
var owners = map[string][]string{
	"github.com/DataDog/zstd":                {"image/squashfs/codec"},
	"github.com/ProtonMail/go-crypto":        {"image/trust/keyring", "e2e/fixture/keyserver"},
	"github.com/anchore/go-lzo":              {"image/squashfs/codec"},
	"github.com/docker/cli":                  {"image/oci/logins"},
	"github.com/google/go-containerregistry": {"image/oci/registry"},
	"github.com/godbus/dbus":                 {"runtime/cgroup/systemd"},
	"github.com/klauspost/compress":          {"image/squashfs/codec", "image/oci/compression", "e2e/fixture"},
	"github.com/klauspost/pgzip":             {"image/oci/compression"},
	"github.com/moby/buildkit":               {"image/dockerfile"},
	"github.com/moby/docker-image-spec":      {"image/dockerfile/steps"},
	"github.com/moby/patternmatcher":         {"image/dockerfile/ignore"},
	"github.com/opencontainers/image-spec":   {"image/dockerfile", "image/dockerfile/steps", "image/oci"},
	"github.com/pelletier/go-toml":           {"image/conffile"},
	"github.com/pierrec/lz4":                 {"image/squashfs/codec"},
	"github.com/spf13/cobra":                 commands,
	"github.com/spf13/pflag":                 commands,
	"github.com/sigstore/sigstore":           {"image/trust/pem"},
	"github.com/sylabs/sif/v2/pkg/integrity": {"image/trust"},
	"github.com/sylabs/sif/v2/pkg/sif":       {"image/sif"},
	"github.com/vbauerster/mpb":              {"cmd/sealift/bars"},
	"github.com/ulikunitz/xz":                {"image/squashfs/codec"},
	"github.com/youmark/pkcs8":               {"image/crypt"},
	"go.yaml.in/yaml/v3":                     {"image/library/endpoint"},
	"golang.org/x/crypto":                    {"image/crypt/gocryptfs", "image/trust/pem"},
	// NVIDIA's own way to GPUs; CDI's types, and the reader of its files.
	"github.com/NVIDIA/go-nvml":                        {"gpu/helper"},
	"github.com/NVIDIA/nvidia-container-toolkit":       {"gpu/helper"},
	"tags.cncf.io/container-device-interface/specs-go": {"gpu/plan", "gpu/cdifile", "gpu/files", "gpu/discover", "gpu/helper"},
	"tags.cncf.io/container-device-interface/pkg":      {"gpu/cdifile"},
	"golang.org/x/sys": {
		"cmd/sealift", "cmd/sealift/caches", "cmd/sealift/instances", "cmd/sealift/limits", "cmd/sealift/ui", "e2e/apart", "e2e/bench/ranks", "e2e/box", "e2e/trees", "gpu/discover", "image", "image/build", "image/build/kept", "image/cache",
		"image/cache/claim", "image/contents", "image/dockerfile/steps", "image/library/endpoint", "image/oci",
		"image/oci/export", "image/output", "image/sandbox", "image/squashfs", "image/squashfs/meta", "image/stage", "image/trust/keyring", "image/upper", "runtime/cgroup/control", "runtime/doctor/probe", "runtime/host", "runtime/hostcmd",
		"runtime/imagefs",
		"runtime/instance", "runtime/join", "runtime/launch", "runtime/seccomp", "runtime/share", "runtime/userdir", "e2e/bench/ranks", "runtime/volume", "cmd/sealift/root", "cmd/sealift/shares",
		"starter", "starter/confine", "starter/enter", "starter/fds", "starter/hold", "starter/netns", "starter/program", "starter/reaper", "starter/resolve", "starter/rootemu", "starter/rootemu/creds", "starter/rootemu/device", "starter/rootemu/inode",
		"starter/rootemu/memory", "starter/seccomp", "starter/filestat", "starter/talk",
	},
	"mvdan.cc/sh": {"runtime/shell", "image/files", "e2e/box"},
}

// TestLayers enforces the arrows of ARCHITECTURE.md. It parses the sources
// itself because the test cache would not see a change behind `go list`.
func TestLayers(t *testing.T) {
	for pkg, imports := range packages(t) {
		allowed, known := layers[pkg]
		if !known {
			t.Errorf("package %s has no place in the layers", pkg)
		}
		if n := foreign(imports); n > 20 {
			t.Errorf("package %s imports %d others; the budget is 20", pkg, n)
		}
		for _, imp := range slices.Sorted(maps.Keys(imports)) {
			if own, ok := strings.CutPrefix(imp, module); ok {
				free := own == "buildcfg/hint" && pkg != "starter"
				if !free && !slices.Contains(allowed, own) {
					t.Errorf("%s may not import %s (%s)", pkg, own, imports[imp])
				}
			} else if strings.Contains(strings.Split(imp, "/")[0], ".") && !mayImport(pkg, imp) {
				t.Errorf("%s may not import %s (%s)", pkg, imp, imports[imp])
			}
		}
	}
}

// foreign counts the imports that are not of the standard library.
func foreign(imports map[string]string) int {
	n := 0
	for imp := range imports {
		if strings.Contains(strings.Split(imp, "/")[0], ".") {
			n++
		}
	}
	return n
}

func mayImport(pkg, imp string) bool {
	for mod, pkgs := range owners {
		if imp == mod || strings.HasPrefix(imp, mod+"/") {
			return slices.Contains(pkgs, pkg)
		}
	}
	return false
}

// packages returns each package of the module with its imports, tests left
// out, and a file that has the import.
func packages(t *testing.T) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		if found[pkg] == nil {
			found[pkg] = map[string]string{}
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[pkg][imp] = name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d packages found", len(found))
	}
	return found
}

// TestSmallProgram: what starts containers is linked to nothing that is slow to get ready.
func TestSmallProgram(t *testing.T) {
	all, seen := packages(t), map[string]bool{}
	var visit func(pkg string)
	visit = func(pkg string) {
		for imp := range all[pkg] {
			if own, ok := strings.CutPrefix(imp, module); ok && !seen[own] {
				seen[own] = true
				visit(own)
			}
			for _, heavy := range []string{
				"net/http", "github.com/ProtonMail", "github.com/docker", "github.com/google/go-containerregistry",
				"github.com/moby", "github.com/opencontainers", "github.com/sigstore", "go.yaml.in", "golang.org/x/crypto/ssh",
			} {
				if strings.HasPrefix(imp, heavy) {
					t.Errorf("%s imports %s, and cmd/sealift it", pkg, imp)
				}
			}
		}
	}
	if visit("cmd/sealift"); len(seen) < 30 {
		t.Errorf("only %d packages", len(seen))
	}
}
