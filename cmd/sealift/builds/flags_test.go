package builds

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func parseFlags(t *testing.T, args ...string) (*buildFlags, *pflag.FlagSet) {
	t.Helper()
	b := &buildFlags{}
	flags := pflag.NewFlagSet("build", pflag.ContinueOnError)
	b.add(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	b.Output = "out/"
	return b, flags
}

func TestSettle(t *testing.T) {
	b, _ := parseFlags(t)
	if err := b.settle(); err != nil || b.Sandbox || b.KeepOnError != "" || b.BlockSize != 128<<10 || strings.Join(b.Sections, "") != "all" {
		t.Errorf("%+v, %v", b, err)
	}
	b, _ = parseFlags(t, "--update", "--no-cleanup", "--section", "post,labels", "--mksquashfs-args=-b 1M -processors 2", "--build-arg", "A=1")
	if err := b.settle(); err != nil || !b.Sandbox || b.KeepOnError != "out.failed" || b.BlockSize != 1<<20 || b.Workers != 2 ||
		strings.Join(b.Sections, " ") != "post labels" || b.Arguments["A"] != "1" {
		t.Errorf("%+v, %v", b, err)
	}
	b, _ = parseFlags(t, "--no-cleanup", "--keep-on-error", "kept")
	if err := b.settle(); err != nil || b.KeepOnError != "kept" {
		t.Errorf("%+v, %v", b, err)
	}
	for _, bad := range []string{"--root-emulation=x", "--mksquashfs-args=-x", "--compression=x", "--build-arg=x"} {
		b, _ := parseFlags(t, bad)
		if err := b.settle(); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// TestRefusals: every flag that is refused is hidden, and says what to do.
func TestRefusals(t *testing.T) {
	n := 0
	for _, r := range refusals {
		for _, name := range append(r.Switches, r.Options...) {
			n++
			args := []string{"--" + name}
			if len(r.Options) > 0 && !strings.Contains(strings.Join(r.Switches, " "), name) {
				args = append(args, "value")
			}
			_, flags := parseFlags(t, args...)
			err := new(ui.Process).CheckRefused(flags)
			if err == nil || !strings.HasPrefix(err.Error(), "--"+name+": ") || hint.Of(err) == "" || !flags.Lookup(name).Hidden {
				t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
			}
		}
	}
	_, flags := parseFlags(t, "--remote")
	if err := new(ui.Process).CheckRefused(flags); n < 10 || err == nil {
		t.Error(n, err)
	}
	_, flags = parseFlags(t, "--userns", "--ignore-subuid", "--sandbox")
	if err := new(ui.Process).CheckRefused(flags); err != nil || !flags.Lookup("userns").Hidden {
		t.Error(err)
	}
}
