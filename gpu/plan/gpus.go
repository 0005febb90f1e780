package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
)

// GPU is one of NVIDIA's, or an instance of one (MIG).
type GPU struct {
	// Name is one that the specification has for it.
	Name string
	// Index is the number of the GPU, and Instance that of the instance, -1 for a
	// whole GPU; an unknown Index is -1.
	Index, Instance int
	// UUID is empty where nothing tells it.
	UUID string
	// Minor is the number of its device node.
	Minor int
	// Nodes are the device nodes on the host.
	Nodes []string
}

// ID is what the GPU is called everywhere: its UUID, or else its name.
func (g *GPU) ID() string { return cmp.Or(g.UUID, g.Name) }

// GPUs lists the GPUs of a specification, each once though it may have several names,
// in the order of their numbers. The host's tree tells UUIDs that are not in it.
func GPUs(spec *specs.Spec, host fs.FS) []GPU {
	var gpus []GPU
	at := map[string]int{}
	for _, d := range spec.Devices {
		g := GPU{Name: d.Name, Index: -1, Instance: -1, Minor: -1}
		for _, n := range d.ContainerEdits.DeviceNodes {
			g.Nodes = append(g.Nodes, cmp.Or(n.HostPath, n.Path))
			if minor, ok := numbered(n.Path, "/dev/nvidia"); ok {
				g.Minor = minor
			}
		}
		if d.Name == "all" || d.Name == "none" || g.Minor < 0 {
			continue
		}
		key := strings.Join(g.Nodes, "\n")
		if i, known := at[key]; known {
			gpus[i].learn(d.Name)
			continue
		}
		g.learn(d.Name)
		at[key] = len(gpus)
		gpus = append(gpus, g)
	}
	uuids := uuidsOf(host)
	for i := range gpus {
		if g := &gpus[i]; g.UUID == "" && g.Instance < 0 {
			g.UUID = uuids[g.Minor]
		}
	}
	slices.SortStableFunc(gpus, func(a, b GPU) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Minor, b.Minor))
	})
	return gpus
}

// learn takes what a name says: 0, gpu0, 0:1, mig0:1, or a UUID.
func (g *GPU) learn(name string) {
	if strings.HasPrefix(name, "GPU-") || strings.HasPrefix(name, "MIG-") {
		g.UUID = name
		return
	}
	number := strings.TrimPrefix(strings.TrimPrefix(name, "gpu"), "mig")
	index, instance, isMIG := strings.Cut(number, ":")
	i, err := strconv.Atoi(index)
	if err != nil {
		return
	}
	if isMIG {
		if g.Instance, err = strconv.Atoi(instance); err != nil {
			return
		}
	}
	g.Index = i
}

// numbered returns the number of which prefix is followed, and nothing else.
func numbered(name, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil
}

// uuidsOf reads the UUIDs of GPUs by their minor numbers.
func uuidsOf(host fs.FS) map[int]string {
	uuids := map[int]string{}
	files, _ := fs.Glob(host, "proc/driver/nvidia/gpus/*/information") // well-formed
	for _, file := range files {
		text, err := fs.ReadFile(host, file)
		if err != nil {
			continue // it is only a convenience
		}
		minor, uuid := -1, ""
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); key {
			case "GPU UUID":
				uuid = value
			case "Device Minor":
				if n, err := strconv.Atoi(value); err == nil {
					minor = n
				}
			}
		}
		if minor >= 0 {
			uuids[minor] = uuid
		}
	}
	return uuids
}

// Choose returns those of gpus that ids mean: all, numbers, UUIDs or beginnings of
// them, or GPU:INSTANCE. Numbers count the GPUs that are in the list, as CUDA does. by
// is where ids are from, for messages.
func Choose(gpus []GPU, ids []string, by string) ([]GPU, error) {
	wanted := make([]bool, len(gpus))
	for _, id := range ids {
		if id == "all" {
			return gpus, nil
		}
		found := match(gpus, id)
		if len(found) == 0 {
			return nil, hint.New(fmt.Sprintf("%s names the GPU %s, which is not there", by, id), "here are: %s", describe(gpus))
		}
		if _, err := strconv.Atoi(strings.Split(id, ":")[0]); err != nil && len(found) > 1 {
			return nil, hint.New(fmt.Sprintf("%s names %s, which is the beginning of several UUIDs", by, id), "here are: %s", describe(gpus))
		}
		for _, i := range found {
			wanted[i] = true
		}
	}
	var chosen []GPU
	for i, w := range wanted {
		if w {
			chosen = append(chosen, gpus[i])
		}
	}
	return chosen, nil
}

// match returns the places of the GPUs that an id means. The number of a GPU that has
// instances means all of them.
func match(gpus []GPU, id string) (found []int) {
	number, instance, isMIG := strings.Cut(id, ":")
	n, err := strconv.Atoi(number)
	nth := positions(gpus)
	for i := range gpus {
		g := &gpus[i]
		switch {
		case err != nil && len(id) >= len("GPU-x") && len(g.UUID) >= len(id) && strings.EqualFold(g.UUID[:len(id)], id):
			found = append(found, i)
		case err == nil && nth[i] == n && (!isMIG || g.Instance >= 0 && strconv.Itoa(g.Instance) == instance):
			found = append(found, i)
		}
	}
	return found
}

// positions returns for each GPU how many whole GPUs come before it.
func positions(gpus []GPU) []int {
	nth, n, last := make([]int, len(gpus)), -1, -1
	for i := range gpus {
		if g := &gpus[i]; g.Index < 0 || g.Index != last {
			n++
		}
		nth[i], last = n, gpus[i].Index
	}
	return nth
}

// describe lists GPUs for a message.
func describe(gpus []GPU) string {
	var list []string
	nth := positions(gpus)
	for i, g := range gpus {
		name := strconv.Itoa(nth[i])
		if g.Instance >= 0 {
			name += ":" + strconv.Itoa(g.Instance)
		}
		if g.UUID != "" {
			name += " (" + g.UUID + ")"
		}
		list = append(list, name)
	}
	if len(list) == 0 {
		return "none that you may use"
	}
	return strings.Join(list, ", ")
}

// Stale says why a specification does not describe this machine any more, nil if it
// does: a file that it names is not there, or the driver of the kernel, as
// /proc/driver/nvidia/version has it, is another one.
func Stale(spec *specs.Spec, host fs.FS) error {
	text, _ := fs.ReadFile(host, "proc/driver/nvidia/version") // none is no reason
	driver := DriverVersion(string(text))
	for _, m := range spec.ContainerEdits.Mounts {
		if _, err := fs.Stat(host, relative(m.HostPath)); err != nil {
			return fmt.Errorf("%s, which it names, cannot be used: %w", m.HostPath, cause(err))
		}
		v, ok := strings.CutPrefix(path.Base(m.HostPath), "libcuda.so.")
		if ok && strings.Contains(v, ".") && driver != "" && v != driver {
			return fmt.Errorf("it is for the driver %s, and the kernel has %s", v, driver)
		}
	}
	return nil
}

// cause strips an error of the path, which lacks its first slash.
func cause(err error) error {
	if at, ok := err.(*fs.PathError); ok {
		return at.Err
	}
	return err
}

// DriverVersion finds 550.54.14 in the text of /proc/driver/nvidia/version; empty is
// none.
func DriverVersion(text string) string {
	for word := range strings.FieldsSeq(text) {
		if word[0] >= '0' && word[0] <= '9' && strings.Trim(word, "0123456789.") == "" && strings.Contains(word, ".") {
			return word
		}
	}
	return ""
}
