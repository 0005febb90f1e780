package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// config is an image configuration; config.md.
type config struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	OS           string    `json:"os"`
	Config       running   `json:"config"`
	RootFS       rootFS    `json:"rootfs"`
	History      []history `json:"history"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// config returns the image configuration.
func (i Image) config(run running, diffID string) ([]byte, error) {
	created := i.Created.UTC().Format(time.RFC3339)
	return json.Marshal(config{
		Created: created, Architecture: i.Arch, Variant: i.Variant, OS: "linux", Config: run,
		RootFS: rootFS{"layers", []string{diffID}}, History: []history{{created, i.CreatedBy}},
	})
}

// running is how an image is run, by the names of config.md.
type running map[string]json.RawMessage

// running returns the fields of Base, whatever they are, but for labels, which
// the file system may have more of, and for what a container does when it
// starts.
func (i Image) running(files metadata.Files) (running, error) {
	fields := running{}
	var base struct {
		Entrypoint, Cmd []string
		Labels          map[string]string
	}
	if i.Base != nil {
		if err := errors.Join(json.Unmarshal(i.Base, &fields), json.Unmarshal(i.Base, &base)); err != nil {
			return nil, fmt.Errorf("configuration of the OCI image that it was made from: %w", err)
		}
	}
	labels, err := files.Labels()
	if err != nil {
		return nil, fmt.Errorf("/%s/%w", metadata.Dir, err)
	}
	all := map[string]string{}
	maps.Copy(all, base.Labels)
	maps.Copy(all, labels)
	entrypoint, cmd := i.start(files, base.Entrypoint, base.Cmd)
	for name, value := range map[string]any{"Labels": all, "Entrypoint": entrypoint, "Cmd": cmd} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[name] = text
	}
	// An empty value stands for none, which is written as nothing.
	maps.DeleteFunc(fields, func(_ string, v json.RawMessage) bool {
		return slices.Contains([]string{"null", "{}", "[]"}, string(v))
	})
	return fields, nil
}

// Absolute paths of programs that start an image. withEnvironment is there in
// all images of Sealift and of Apptainer: it takes in the environment scripts
// and executes its arguments. ownRunscript is added to a layer: a copy of the
// runscript, since the image that is made of an OCI image has a runscript that
// runs the ENTRYPOINT, and must not run itself.
const (
	withEnvironment = "/" + metadata.Dir + "/actions/exec"
	ownRunscript    = "/" + metadata.Dir + "/runscript.oci"
)

// hasOwn tells whether the runscript does something else than to run ENTRYPOINT
// and CMD of a base that is known.
func (i Image) hasOwn(files metadata.Files) bool {
	_, has := files[metadata.Runscript]
	return has && (i.Base == nil || !files.RunsConfig())
}

// start returns ENTRYPOINT and CMD of the image, given those of the base, so that
// a container does what sealift run would do: it runs the image's own
// runscript or else what the base runs, with the environment that scripts of
// the image set.
func (i Image) start(files metadata.Files, entrypoint, cmd []string) (newEntrypoint, newCmd []string) {
	own := i.hasOwn(files)
	if own {
		entrypoint, cmd = []string{ownRunscript}, nil
	}
	needed := own || len(entrypoint)+len(cmd) > 0 && files.SetsEnvironment()
	if needed && i.executable(withEnvironment) && !slices.Contains(entrypoint, withEnvironment) {
		entrypoint = append([]string{withEnvironment}, entrypoint...)
	}
	return entrypoint, cmd
}

// executable tells whether the image has a program at the absolute path.
func (i Image) executable(path string) bool {
	n, err := i.Root.Follow(path[1:])
	return err == nil && n.Type() == tree.TypeRegular && n.Mode&0o111 != 0
}

// withRunscript returns the root directory with ownRunscript. The tree itself is
// not changed.
func withRunscript(root *tree.Node) (*tree.Node, error) {
	script, err := root.Lookup(metadata.Dir + "/" + metadata.Runscript)
	if err != nil {
		return nil, err
	}
	own := *script
	own.Mode |= 0o555
	dir := *root.Entries[metadata.Dir]
	dir.Entries = maps.Clone(dir.Entries)
	dir.Entries[path.Base(ownRunscript)] = &own
	out := *root
	out.Entries = maps.Clone(out.Entries)
	out.Entries[metadata.Dir] = &dir
	return &out, nil
}
