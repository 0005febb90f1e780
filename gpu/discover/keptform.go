package discover

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/library"
	"github.com/sealift/sealift/gpu/plan"
)

// The form of what is kept is read at every start, for which JSON takes too long. It is
// a list of records. A record is the number of its strings, as text, and those strings,
// the first of which says what it is; each string ends with a zero byte. Records of a
// device, and of a library, follow the one that names it.
//
//	kept FORM KEY FROM, kind VERSION KIND, device NAME, env NAME=VALUE, node PATH HOST,
//	mount HOST PATH TYPE OPTION..., hook NAME PATH ARG..., gids NUMBER...,
//	lib PATH STAMP SONAME ARCH, need LIBRARY VERSION..., forward MAJOR...
const keptForm = "1"

// keptFields is how many strings a record has at least.
func keptFields(tag string) int {
	switch tag {
	case "lib":
		return 5
	case "kept", "mount":
		return 4
	case "kind", "node", "hook":
		return 3
	case "device", "env", "need":
		return 2
	}
	return 1
}

// errForm says that something else was kept, or nothing whole.
var errForm = errors.New("this is not what was kept of GPUs")

// Text returns k in a form for ParseKept. What a plan does not use of a specification
// is not in it. The error says what cannot be.
func (k *Kept) Text() (string, error) {
	var w keptWriter
	w.add("kept", keptForm, k.Key, k.From)
	w.add("kind", k.Spec.Version, k.Spec.Kind)
	w.edits(&k.Spec.ContainerEdits)
	for _, d := range k.Spec.Devices {
		w.add("device", d.Name)
		w.edits(&d.ContainerEdits)
	}
	for _, name := range slices.Sorted(maps.Keys(k.Libraries)) {
		f := k.Libraries[name]
		w.add("lib", name, f.Stamp, f.Library.SoName, f.Library.Arch)
		for _, from := range slices.Sorted(maps.Keys(f.Library.Needs)) {
			w.add("need", append([]string{from}, f.Library.Needs[from]...)...)
		}
		if f.Library.Forward != nil {
			w.add("forward", numbers(f.Library.Forward.Drivers)...)
		}
	}
	return w.text.String(), w.err
}

type keptWriter struct {
	text strings.Builder
	err  error
}

func (w *keptWriter) add(tag string, rest ...string) {
	record := append([]string{strconv.Itoa(len(rest) + 1), tag}, rest...)
	for _, s := range record {
		if strings.IndexByte(s, 0) >= 0 {
			w.err = fmt.Errorf("%q cannot be kept", s)
		}
		w.text.WriteString(s)
		w.text.WriteByte(0)
	}
}

func (w *keptWriter) edits(e *specs.ContainerEdits) {
	for _, v := range e.Env {
		w.add("env", v)
	}
	for _, n := range e.DeviceNodes {
		w.add("node", n.Path, n.HostPath)
	}
	for _, m := range e.Mounts {
		w.add("mount", append([]string{m.HostPath, m.ContainerPath, m.Type}, m.Options...)...)
	}
	for _, h := range e.Hooks {
		w.add("hook", append([]string{h.HookName, h.Path}, h.Args...)...)
	}
	if len(e.AdditionalGIDs) > 0 {
		w.add("gids", numbers(e.AdditionalGIDs)...)
	}
	if len(e.NetDevices) > 0 || e.IntelRdt != nil {
		w.err = errors.New("network devices and cache allocation cannot be kept")
	}
}

func numbers[N int | uint32](list []N) (texts []string) {
	for _, n := range list {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

// ParseKept reads what Text has written.
func ParseKept(text string) (*Kept, error) {
	r := keptReader{k: &Kept{Spec: &specs.Spec{}, Libraries: plan.Facts{}}}
	r.at = &r.k.Spec.ContainerEdits
	rest := strings.Split(text, "\x00")
	if len(rest) < 3 || rest[1] != "kept" {
		return nil, errForm
	}
	for len(rest) > 1 { // an empty string follows the last zero byte
		n, err := strconv.Atoi(rest[0])
		if err != nil || n < 1 || n > len(rest)-2 || n < keptFields(rest[1]) {
			return nil, errForm
		}
		if err := r.record(rest[1], rest[2:n+1]); err != nil {
			return nil, err
		}
		rest = rest[n+1:]
	}
	if rest[0] != "" {
		return nil, errForm
	}
	return r.k, nil
}

type keptReader struct {
	k   *Kept
	at  *specs.ContainerEdits
	lib *library.Library
}

// record takes a record, which has as many strings as keptFields wants.
func (r *keptReader) record(tag string, f []string) error {
	switch e := r.at; tag {
	case "kept":
		if f[0] != keptForm {
			return errForm
		}
		r.k.Key, r.k.From = f[1], f[2]
	case "kind":
		r.k.Spec.Version, r.k.Spec.Kind = f[0], f[1]
	case "device":
		r.k.Spec.Devices = append(r.k.Spec.Devices, specs.Device{Name: f[0]})
		r.at = &r.k.Spec.Devices[len(r.k.Spec.Devices)-1].ContainerEdits
	case "env":
		e.Env = append(e.Env, f[0])
	case "node":
		e.DeviceNodes = append(e.DeviceNodes, &specs.DeviceNode{Path: f[0], HostPath: f[1]})
	case "mount":
		e.Mounts = append(e.Mounts, &specs.Mount{HostPath: f[0], ContainerPath: f[1], Type: f[2], Options: f[3:]})
	case "hook":
		e.Hooks = append(e.Hooks, &specs.Hook{HookName: f[0], Path: f[1], Args: f[2:]})
	case "gids":
		return each(f, func(n int) { e.AdditionalGIDs = append(e.AdditionalGIDs, uint32(n)) })
	case "lib":
		r.lib = &library.Library{SoName: f[2], Arch: f[3], Needs: map[string][]string{}}
		r.k.Libraries[f[0]] = plan.Fact{Stamp: f[1], Library: r.lib}
	default:
		return r.ofLibrary(tag, f)
	}
	return nil
}

// ofLibrary takes a record that follows that of a library.
func (r *keptReader) ofLibrary(tag string, f []string) error {
	switch {
	case r.lib == nil:
		return errForm
	case tag == "need":
		r.lib.Needs[f[0]] = f[1:]
		return nil
	case tag == "forward":
		r.lib.Forward = &library.Forward{}
		return each(f, func(n int) { r.lib.Forward.Drivers = append(r.lib.Forward.Drivers, n) })
	}
	return errForm
}

// each calls take with every number.
func each(texts []string, take func(int)) error {
	for _, text := range texts {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return errForm
		}
		take(int(n))
	}
	return nil
}
