package seccomp

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite syscalls.txt")

// TestTable compares the table with the constants of golang.org/x/sys.
func TestTable(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	columns := []string{"amd64", "386", "arm64", "arm"}
	calls := map[string][]string{}
	for i, goarch := range columns {
		file := filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+goarch+".go")
		for name, number := range constants(t, file) {
			if calls[name] == nil {
				calls[name] = strings.Fields("- - - -")
			}
			calls[name][i] = number
		}
	}
	var want strings.Builder
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		fmt.Fprintf(&want, "%s %s\n", name, strings.Join(calls[name], " "))
	}
	if *update {
		if err := os.WriteFile("syscalls.txt", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != want.String() {
		t.Error("syscalls.txt is not what golang.org/x/sys has: run the test with -update")
	}
}

// constants returns the constants SYS_* of a file.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if name, found := strings.CutPrefix(spec.Names[0].Name, "SYS_"); found {
				calls[strings.ToLower(name)] = spec.Values[0].(*ast.BasicLit).Value
			}
		}
		return true
	})
	return calls
}

// everyNumber is numbers of all calls.
func (a *arch) everyNumber() map[string]uint32 {
	wanted := map[string]bool{}
	for line := range strings.Lines(table) {
		name, _, _ := strings.Cut(line, " ")
		wanted[name] = true
	}
	return a.numbers(wanted)
}

func TestNumbers(t *testing.T) {
	for name, want := range map[string]map[string]uint32{
		"SCMP_ARCH_X86_64":  {"read": 0, "openat2": 437, "socketcall": 1 << 31},
		"SCMP_ARCH_X86":     {"read": 3, "openat2": 437, "socketcall": 102, "_newselect": 142},
		"SCMP_ARCH_X32":     {"read": x32Bit, "openat2": x32Bit | 437, "ioctl": x32Bit | 514, "pwritev2": x32Bit | 547},
		"SCMP_ARCH_AARCH64": {"read": 63, "newfstatat": 79, "open": 1 << 31},
		"SCMP_ARCH_ARM":     {"read": 3, "set_tls": 0xf0005, "cacheflush": 0xf0002},
	} {
		for _, a := range append(machine("amd64"), machine("arm64")...) {
			if a.name != name {
				continue
			}
			wanted := map[string]bool{}
			for call := range want {
				wanted[call] = true
			}
			numbers := a.numbers(wanted)
			for call, nr := range want {
				if got, known := numbers[call]; known != (nr != 1<<31) || known && got != nr {
					t.Errorf("%s: %s is %d, %v", name, call, got, known)
				}
			}
		}
	}
	if machine("riscv64") != nil {
		t.Error("an architecture without a table")
	}
}
