package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"path"
	"slices"
	"strings"
	"testing"
)

// model is the simplest thing that could be right: files by their resolved
// path, layers applied one after the other from the bottom, no tree.
type model map[string]*modelFile

type modelFile struct {
	flag byte
	mode int64
	uid  int
	data string
}

// real resolves the directory p as in a chroot.
func (m model) real(p string, hops int) (string, error) {
	done := "."
	parts := strings.Split(p, "/")
	for i, part := range parts {
		switch part {
		case "", ".":
		case "..":
			done = path.Dir(done)
		default:
			next := path.Join(done, part)
			f := m[next]
			if f == nil || f.flag != tar.TypeSymlink {
				done = next
				continue
			}
			if hops == 40 {
				return "", errors.New("loop")
			}
			rest := f.data + "/" + strings.Join(parts[i+1:], "/")
			if !strings.HasPrefix(f.data, "/") {
				rest = done + "/" + rest
			}
			return m.real(rest, hops+1)
		}
	}
	return done, nil
}

func (m model) removeAll(p string) {
	for name := range m {
		if name == p || strings.HasPrefix(name, p+"/") {
			delete(m, name)
		}
	}
}

func (m model) mkdirAll(p string) {
	if p == "." {
		return
	}
	m.mkdirAll(path.Dir(p))
	if m[p] == nil || m[p].flag != tar.TypeDir {
		m[p] = &modelFile{flag: tar.TypeDir, mode: 0o755}
	}
}

// apply returns the index of the entry that is wrong with its error.
func (m model) apply(layer []ent) (int, error) {
	if i, err := m.applyWhiteouts(layer); err != nil {
		return i, err
	}
	for i, e := range layer {
		if err := m.applyEntry(e); err != nil {
			return i, err
		}
	}
	return 0, nil
}

func (m model) applyWhiteouts(layer []ent) (int, error) {
	lastFlag := map[string]byte{}
	for _, e := range layer {
		lastFlag[path.Clean(e.name)] = e.flag
	}
	var gone []string
entries:
	for i, e := range layer {
		dir, base := path.Split(path.Clean(e.name))
		if !strings.HasPrefix(base, ".wh.") {
			continue
		}
		for p := path.Clean(dir); p != "."; p = path.Dir(p) {
			parent, err := m.real(path.Dir(p), 0)
			if err != nil {
				continue
			}
			f := m[path.Join(parent, path.Base(p))]
			if lastFlag[p] == tar.TypeDir && f != nil && f.flag == tar.TypeSymlink {
				continue entries
			}
		}
		real, err := m.real(dir, 0)
		if err != nil {
			return i, err
		}
		if base != ".wh..wh..opq" {
			gone = append(gone, path.Join(real, base[4:]))
			continue
		}
		for name := range m {
			if path.Dir(name) == real {
				gone = append(gone, name)
			}
		}
	}
	for _, p := range gone {
		m.removeAll(p)
	}
	return 0, nil
}

func (m model) applyEntry(e ent) error {
	dir, base := path.Split(path.Clean(e.name))
	dir, err := m.real(dir, 0)
	if err != nil {
		return err
	}
	m.mkdirAll(dir)
	if strings.HasPrefix(base, ".wh.") {
		return nil
	}
	p := path.Join(dir, base)
	if e.flag == tar.TypeDir && m[p] != nil && m[p].flag == tar.TypeDir {
		m[p].mode, m[p].uid = e.mode, e.uid
		return nil
	}
	m.removeAll(p)
	if e.flag != tar.TypeLink {
		m[p] = &modelFile{e.flag, e.mode, e.uid, e.data}
		return nil
	}
	targetDir, err := m.real(path.Dir(e.data), 0)
	if err != nil {
		return err
	}
	f := m[path.Join(targetDir, path.Base(e.data))]
	if f == nil || f.flag == tar.TypeDir {
		return errors.New("bad link")
	}
	f.mode, f.uid = e.mode, e.uid
	m[p] = f
	return nil
}

func (m model) list() string {
	lines := []string{"040755 0 ."}
	first := map[*modelFile]string{}
	for _, name := range slices.SortedFunc(keys(m), byComponents) {
		f := m[name]
		line := fmt.Sprintf("10%04o %d %s", f.mode, f.uid, name)
		switch f.flag {
		case tar.TypeDir:
			line = "04" + line[2:]
		case tar.TypeSymlink:
			line = fmt.Sprintf("120777 %d %s", f.uid, name)
		}
		switch {
		case first[f] != "":
			line += " == " + first[f]
		case f.flag == tar.TypeSymlink:
			line += " -> " + f.data
		case f.data != "":
			line += " = " + f.data
		}
		if first[f] == "" {
			first[f] = name
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func keys(m model) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

func byComponents(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

// randomLayer makes entries over few names, so that they meet often.
func randomLayer(r *rand.Rand, body *int) []ent {
	name := func() string {
		parts := make([]string, 1+r.Intn(3))
		for i := range parts {
			parts[i] = string("abcd"[r.Intn(4)])
		}
		return strings.Join(parts, "/")
	}
	var layer []ent
	for range 1 + r.Intn(8) {
		e := ent{name: name(), mode: int64(r.Intn(0o1000)), uid: r.Intn(3)}
		switch r.Intn(12) {
		case 0, 1, 2, 3:
			*body++
			e.flag, e.data = tar.TypeReg, fmt.Sprint("body", *body)
		case 4, 5:
			e.flag = tar.TypeDir
		case 6, 7:
			e.flag, e.data = tar.TypeSymlink, []string{"", "", "/", "../", "./../../", "a/../"}[r.Intn(6)]+name()
		case 8, 9:
			e.flag, e.data = tar.TypeLink, name()
		case 10:
			e.flag, e.name = tar.TypeReg, path.Join(path.Dir(e.name), ".wh."+path.Base(e.name))
		case 11:
			e.flag, e.name = tar.TypeReg, path.Join(path.Dir(e.name), ".wh..wh..opq")
		}
		layer = append(layer, e)
	}
	return layer
}

// TestMergeEqualsModel merges random stacks and compares with the model. What
// the model finds wrong Merge must refuse; it is then left out to go on.
func TestMergeEqualsModel(t *testing.T) {
	seeds := 4000
	if testing.Short() {
		seeds = 1000
	}
	refused, rereads, tested := 0, 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewSource(int64(seed)))
		m, body := model{}, 0
		var stack [][]ent
		for range 1 + r.Intn(4) {
			layer := randomLayer(r, &body)
			for {
				trial := m.clone()
				bad, err := trial.apply(layer)
				if err == nil {
					m = trial
					break
				}
				if refused++; refused%10 == 0 {
					if _, err := mergeOf(t, append(slices.Clone(stack), layer)...); err == nil {
						t.Fatalf("seed %d: accepted what the model refuses: %v\n%+v", seed, err, append(stack, layer))
					}
				}
				layer = slices.Delete(slices.Clone(layer), bad, bad+1)
			}
			stack = append(stack, layer)
		}
		n, report, err := Merge(context.Background(), layersOf(t, stack...), new(storing).store)
		if err != nil {
			t.Fatalf("seed %d: %v\n%+v", seed, err, stack)
		}
		if got, want := list(n), m.list(); got != want {
			t.Fatalf("seed %d: got\n%s\nwant\n%s\nstack %+v", seed, got, want, stack)
		}
		rereads += report.Rereads
		tested++
	}
	if refused < seeds/10 || rereads < seeds/100 {
		t.Errorf("%d stacks tested %d refusals and %d rereads, too few to mean anything", tested, refused, rereads)
	}
}

// clone copies the model with its hard links.
func (m model) clone() model {
	c, copies := model{}, map[*modelFile]*modelFile{}
	for name, f := range m {
		if copies[f] == nil {
			g := *f
			copies[f] = &g
		}
		c[name] = copies[f]
	}
	return c
}
