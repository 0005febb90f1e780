package spec

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/account"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// TestPlans runs testdata/*.txtar. Such an archive may define a machine
// ("facts"), an image ("image") and what is in all other images ("volume") that
// differ from testdata/base.txt, and holds cases: "NAME" is a command line, in which NAME may be preceded by
// lines "facts: CHANGE", "image: CHANGE" and "volume: CHANGE", "show: WORD...", the first words of the
// lines to show, and "match: TEXT...", what one of they hold; "NAME.want" is what
// is expected.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		total += runArchive(t, base, file, archive)
	}
	if total < 500 {
		t.Errorf("only %d cases", total)
	}
}

func runArchive(t *testing.T, base *txtar.Archive, file string, archive *txtar.Archive) int {
	facts, img := section(base, "facts")+section(archive, "facts"), section(base, "image")+section(archive, "image")
	other := section(base, "volume") + section(archive, "volume")
	out := &txtar.Archive{Comment: archive.Comment}
	cases := 0
	for _, f := range archive.Files {
		switch {
		case strings.HasSuffix(f.Name, ".want"):
			continue
		case f.Name == "facts" || f.Name == "image" || f.Name == "volume":
			out.Files = append(out.Files, f)
			continue
		}
		cases++
		var got string
		t.Run(filepath.Base(file)+"/"+f.Name, func(t *testing.T) {
			got = runCase(t, facts, img, other, string(f.Data))
			if want := section(archive, f.Name+".want"); got != want && !*update {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", f.Data, got, want)
			}
		})
		out.Files = append(out.Files, f, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
	}
	if text := txtar.Format(out); *update && !bytes.Equal(text, txtar.Format(archive)) {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// runCase computes one plan and prints what matters of it.
func runCase(t *testing.T, facts, img, other, text string) string {
	var command, only, match string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if change, ok := strings.CutPrefix(line, "facts: "); ok {
			facts += change + "\n"
		} else if change, ok := strings.CutPrefix(line, "image: "); ok {
			img += change + "\n"
		} else if change, ok := strings.CutPrefix(line, "volume: "); ok {
			other += change + "\n"
		} else if prefixes, ok := strings.CutPrefix(line, "show: "); ok {
			only = prefixes
		} else if words, ok := strings.CutPrefix(line, "match: "); ok {
			match = words
		} else if line != "" && !strings.HasPrefix(line, "#") {
			command = line
		}
	}
	f, i := parseFacts(t, facts), parseImage(t, img)
	r := parseCommand(t, command)
	c, err := computeCase(t, r, f, i, other)
	if err != nil {
		if hint.Of(err) == "" {
			t.Errorf("no hint for: %v", err)
		}
		return fmt.Sprintf("error: %v\nhint: %s\n", err, hint.Of(err))
	}
	if _, err := plan.Encode(&c.Plan); err != nil {
		t.Error(err)
	}
	return matching(printed(c, strings.Fields(only)), strings.Fields(match))
}

// computeCase computes a plan with all volumes that it wants.
func computeCase(t *testing.T, r Request, f *host.Facts, img image.Info, other string) (*Container, error) {
	wants, err := Wants(r, f)
	if err != nil {
		return nil, err
	}
	var volumes []layout.Volume
	for _, w := range wants {
		volumes = append(volumes, parseVolume(t, w, f.UID, other))
	}
	if strings.Contains(other, "own overlay\n") {
		volumes = append(volumes, layout.Volume{Own: true, Want: layout.Want{Use: image.Layer}, Info: parseImage(t, "squashfs x\n"+other)})
	}
	return Compute(r, f, img, volumes...)
}

// parseVolume makes what is wanted: a directory, if its name says so, or an image with
// the same files. Lines "directory WORD..." say what the directories are.
func parseVolume(t *testing.T, w layout.Want, uid uint32, text string) layout.Volume {
	kind := "squashfs "
	if strings.Contains(w.Path, "dir") || w.Use == image.System {
		kind = "sandbox "
	}
	v := layout.Volume{Want: w, Info: parseImage(t, kind+strconv.Quote(w.Path)+"\n"+text)}
	v.Directory = layout.Directory{Owner: uid, Upper: true}
	if strings.Contains(w.Path, "ext") {
		v.Info.Kind, v.Info.FS, v.Offset = image.Ext3, nil, 512
	}
	v.Unpack = strings.Contains(w.Path, "unpack")
	for line := range strings.Lines(text) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "directory ")
		if !ok {
			continue
		}
		switch words {
		case "plain":
			v.Directory.Upper = false
		case "fresh":
			v.Directory.Upper, v.Info.FS = false, nil
		case "closed":
			v.Directory.Closed = true
		case "read-only":
			v.Directory.ReadOnly = true
		case "foreign":
			v.Directory.Owner = 4711
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return v
}

// matching returns the lines that hold one of words, or all when there is none.
func matching(text string, words []string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// printed shows a container. Of the action scripts, which are always the same,
// it shows none; lines lists the kinds of lines to show, or all.
func printed(c *Container, lines []string) string {
	var b strings.Builder
	for _, note := range c.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, m := range c.Served {
		if len(m.Program) > 0 {
			fmt.Fprintf(&b, "program %s %d %q\n", m.Target, m.Volume, m.Program)
		}
	}
	if c.Owner != nil {
		fmt.Fprintf(&b, "owner %d %d\n", c.Owner.UID, c.Owner.GID)
	}
	for line := range strings.Lines(c.Plan.String()) {
		if strings.Contains(line, "/.singularity.d/actions/") {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		shown := len(lines) == 0
		for _, l := range lines {
			shown = shown || l == word
		}
		if shown {
			b.WriteString(line)
		}
	}
	return b.String()
}

// parseCommand reads "ACTION [FLAGS] [ARGS]".
func parseCommand(t *testing.T, line string) Request {
	words := splitWords(t, line)
	if len(words) == 0 {
		t.Fatal("no command line")
	}
	r := Request{Action: Action(words[0])}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	list := func(p *[]string) func(string) error {
		return func(s string) error { *p = append(*p, s); return nil }
	}
	commas := func(p *[]string) func(string) error {
		return func(s string) error { *p = append(*p, strings.Split(s, ",")...); return nil }
	}
	for name, p := range map[string]*[]string{"bind": &r.Binds, "mount": &r.Mounts, "env": &r.Env, "env-file": &r.EnvFiles, "no-env": &r.NoEnv, "env-keep": &r.EnvKeep, "containlibs": &r.Libraries, "overlay": &r.Overlays,
		"network-args": &r.NetworkArgs, "dns": &r.DNS, "security": &r.Security, "fusemount": &r.FuseMounts} {
		fs.Func(name, "", list(p))
	}
	for name, p := range map[string]*[]string{"scratch": &r.Scratch, "no-mount": &r.NoMount} {
		fs.Func(name, "", commas(p))
	}
	for name, p := range map[string]*bool{"cleanenv": &r.CleanEnv, "no-eval": &r.NoEval, "contain": &r.Contain,
		"containall": &r.ContainAll, "writable-tmpfs": &r.WritableTmpfs, "fakeroot": &r.Fakeroot, "userns": &r.Userns,
		"no-pid": &r.NoPID, "ipc": &r.IPC, "uts": &r.UTS, "no-init": &r.NoInit, "no-home": &r.NoHome, "no-umask": &r.NoUmask, "writable": &r.Writable, "compat": &r.Compat, "unpack": &r.Unpack, "oci-cwd": &r.OCIPwd,
		"net": &r.Net, "keep-privs": &r.KeepPrivs, "no-privs": &r.NoPrivs, "allow-setuid": &r.AllowSetuid} {
		fs.BoolVar(p, name, false, "")
	}
	for name, p := range map[string]*string{"app": &r.App, "shell": &r.Shell, "home": &r.Home, "pwd": &r.Pwd, "hostname": &r.Hostname, "workdir": &r.Workdir,
		"network": &r.Network, "netns-path": &r.NetnsPath, "add-caps": &r.AddCaps, "drop-caps": &r.DropCaps} {
		fs.StringVar(p, name, "", "")
	}
	if err := fs.Parse(words[1:]); err != nil {
		t.Fatal(err)
	}
	r.Args = fs.Args()
	return r
}

// splitWords splits at blanks; a word in Go quotes may hold anything.
func splitWords(t *testing.T, line string) []string {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if quoted, err := strconv.QuotedPrefix(line); err == nil {
			word, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatal(err)
			}
			words, line = append(words, word), line[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		words, line = append(words, word), rest
	}
	return words
}

// hostFS is a host tree in memory, which may have unreadable files.
type hostFS struct {
	fstest.MapFS
	denied map[string]bool
}

func (h hostFS) Stat(name string) (fs.FileInfo, error) {
	if h.denied[name] {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrPermission}
	}
	return h.MapFS.Stat(name)
}

// parseFacts reads lines "KEY VALUE...", of which later ones win or add.
func parseFacts(t *testing.T, text string) *host.Facts {
	f := &host.Facts{GroupNames: map[uint32]string{}, Umask: 0o22, SessionDir: "/tmp"}
	root := hostFS{fstest.MapFS{}, map[string]bool{}}
	f.Root = root
	for line := range strings.Lines(text) {
		words := splitWords(t, line)
		if len(words) == 0 {
			continue
		}
		arg := strings.Join(words[1:], " ")
		switch words[0] {
		case "uid":
			f.UID = number(t, arg)
		case "gid":
			f.GID = number(t, arg)
		case "group":
			f.Groups = append(f.Groups, number(t, words[1]))
			if len(words) > 2 {
				f.GroupNames[number(t, words[1])] = words[2]
			}
		case "groupname":
			f.GroupNames[number(t, words[1])] = words[2]
		case "user":
			f.User = account.User{Name: words[1], Gecos: words[2], Home: words[3], Shell: words[4]}
		case "cwd":
			f.Cwd = arg
		case "env":
			f.Environ = append(f.Environ, arg)
		case "noenv":
			f.Environ = nil
		case "arch":
			f.Arch = arg
		case "subids":
			f.SubUIDs = []host.Range{{First: number(t, words[1]), Count: number(t, words[2])}}
			f.SubGIDs = f.SubUIDs
			f.NewUIDMap, f.NewGIDMap = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
		case "admin":
			f.Admin = arg == "yes"
		case "userns":
			f.UserNS = arg == "yes"
		case "fuse":
			f.NoFuse = nil
			if arg != "yes" {
				f.NoFuse = fs.ErrNotExist
			}
		case "memory":
			n, err := strconv.ParseInt(arg, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			f.MemoryLimit = n
		case "procmasked":
			f.ProcMasked = arg == "yes"
		case "terminal":
			f.Terminal = arg == "yes"
		case "notify":
			f.UserNotify = arg == "yes"
		case "hostname":
			f.Hostname = arg
		case "kernel":
			f.Kernel = arg
		case "pasta":
			f.Pasta = arg
		case "slirp4netns":
			f.Slirp4netns = arg
		case "tun":
			f.Tun = arg == "yes"
		case "denied":
			root.denied[words[1]] = true
		case "rm":
			delete(root.MapFS, words[1])
		default:
			if !addFile(t, root.MapFS, words) {
				t.Fatalf("unknown fact %q", line)
			}
		}
	}
	return f
}

func parseImage(t *testing.T, text string) image.Info {
	files := fstest.MapFS{}
	info := image.Info{Path: "img.sif", Kind: image.SIF, Arch: "amd64", FS: files}
	for line := range strings.Lines(text) {
		words := splitWords(t, line)
		switch {
		case len(words) == 0 || words[0] == "directory" || words[0] == "own":
		case words[0] == "path":
			info.Path = words[1]
		case words[0] == "sandbox":
			info.Path, info.Kind, info.Arch = words[1], image.Sandbox, ""
		case words[0] == "squashfs":
			info.Path, info.Kind, info.Arch = words[1], image.SquashFS, ""
		case words[0] == "arch":
			info.Arch = words[1]
		case words[0] == "workdir":
			info.WorkDir = words[1]
		case words[0] == "rm":
			delete(files, words[1])
		case words[0] == "none":
			clear(files)
		case !addFile(t, files, words):
			t.Fatalf("unknown line %q", line)
		}
	}
	return info
}

// addFile reads "dir PATH [MODE]", "file PATH [CONTENT [MODE]]" or "link PATH
// TARGET"; paths have no leading slash.
func addFile(t *testing.T, files fstest.MapFS, words []string) bool {
	arg := func(i int, otherwise string) string {
		if i < len(words) {
			return words[i]
		}
		return otherwise
	}
	mode := func(s string) fs.FileMode {
		m, err := strconv.ParseUint(s, 8, 12)
		if err != nil {
			t.Fatal(err)
		}
		return fs.FileMode(m)
	}
	switch words[0] {
	case "dir":
		files[words[1]] = &fstest.MapFile{Mode: fs.ModeDir | mode(arg(2, "0755"))}
	case "file":
		files[words[1]] = &fstest.MapFile{Data: []byte(arg(2, "")), Mode: mode(arg(3, "0644"))}
	case "whiteout":
		files[words[1]] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice, Sys: whiteout{}}
	case "device":
		files[words[1]] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}
	case "link":
		files[words[1]] = &fstest.MapFile{Data: []byte(words[2]), Mode: fs.ModeSymlink | 0o777}
	default:
		return false
	}
	return true
}

// whiteout is the system's part of a whiteout.
type whiteout struct{}

func (whiteout) Device() uint64 { return 0 }

func number(t *testing.T, s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// TestPurity computes a plan twice from equal input.
func TestPurity(t *testing.T) {
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, i := parseFacts(t, section(base, "facts")), parseImage(t, section(base, "image"))
	var last string
	for range 20 {
		c, err := Compute(Request{Action: Exec, Args: []string{"true"}}, f, i)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Plan.String(); last != "" && got != last {
			t.Fatalf("plans differ:\n%s\n%s", got, last)
		}
		last = c.Plan.String()
	}
}
