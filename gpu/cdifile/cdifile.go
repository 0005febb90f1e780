// Package cdifile reads specifications of CDI, the Container Device Interface, from the
// directories in which vendors' tools put them.
//
// Input: directories. Output: specifications, and what is wrong with files. It is the
// only importer of the reader of such files. It decides nothing and injects nothing.
package cdifile

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
	"tags.cncf.io/container-device-interface/pkg/parser"
	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Files are the specifications of some directories.
type Files struct {
	dirs  []string
	cache *cdi.Cache // nil where there is no directory
}

// Read reads the specifications in dirs, of which later ones beat earlier ones. Files
// that cannot be used are no error: Problems tells of them.
func Read(dirs []string) (*Files, error) {
	f := &Files{dirs: dirs}
	if !slices.ContainsFunc(f.dirs, func(dir string) bool { _, err := os.Stat(dir); return err == nil }) {
		return f, nil
	}
	var err error
	f.cache, err = cdi.NewCache(cdi.WithSpecDirs(f.dirs...), cdi.WithAutoRefresh(false))
	if err != nil && f.cache == nil {
		return nil, err
	}
	return f, nil
}

// Device returns the specification that has a device with a qualified name,
// vendor/class=name, the device's name in it, and its file.
func (f *Files) Device(qualified string) (spec *specs.Spec, name, file string, err error) {
	if _, _, _, err := parser.ParseQualifiedName(qualified); err != nil {
		return nil, "", "", hint.Wrap(fmt.Errorf("--device: %w", err), "write vendor/class=name, such as nvidia.com/gpu=0")
	}
	var d *cdi.Device
	if f.cache != nil {
		d = f.cache.GetDevice(qualified)
	}
	if d == nil {
		return nil, "", "", f.missing(qualified)
	}
	return d.GetSpec().Spec, d.Name, d.GetSpec().GetPath(), nil
}

// missing says that there is no such device, and what may be the reason.
func (f *Files) missing(qualified string) error {
	text := fmt.Sprintf("device %s is in no file of %s", qualified, strings.Join(f.dirs, ", "))
	if problems := f.Problems(); len(problems) > 0 {
		text += "; " + strings.Join(problems, "; ")
	}
	remedy := "have the vendor's tool write a specification there, or name its directory with --cdi-dirs"
	if f.cache != nil {
		if names := f.cache.ListDevices(); len(names) > 0 {
			remedy = "here are: " + strings.Join(names, ", ")
		}
	}
	return hint.New(text, "%s", remedy)
}

// Problems are what is wrong with files, one line each: of two that have the same
// device, neither counts for it.
func (f *Files) Problems() []string {
	if f.cache == nil {
		return nil
	}
	var all []string
	for path, errs := range f.cache.GetErrors() {
		for _, err := range errs {
			text := strings.ReplaceAll(err.Error(), "\n", " ")
			if !strings.Contains(text, path) {
				text = path + ": " + text
			}
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Kind returns one specification with all devices of a kind, vendor/class, and the
// files that they are from; nil is none.
func (f *Files) Kind(kind string) (spec *specs.Spec, files []string) {
	if f.cache == nil {
		return nil, nil
	}
	vendor, class := parser.ParseQualifier(kind)
	for _, s := range f.cache.GetVendorSpecs(vendor) {
		if s.GetClass() != class {
			continue
		}
		var devices []specs.Device
		for _, d := range s.Devices {
			if known := f.cache.GetDevice(kind + "=" + d.Name); known != nil && known.GetSpec() == s {
				devices = append(devices, d)
			}
		}
		if len(devices) == 0 {
			continue
		}
		if spec == nil {
			spec = &specs.Spec{Version: s.Version, Kind: kind}
		}
		files = append(files, s.GetPath())
		spec.Devices = append(spec.Devices, devices...)
		join(&spec.ContainerEdits, &s.ContainerEdits)
	}
	return spec, files
}

// join adds edits to others.
func join(to, more *specs.ContainerEdits) {
	to.Env = append(to.Env, more.Env...)
	to.DeviceNodes = append(to.DeviceNodes, more.DeviceNodes...)
	to.NetDevices = append(to.NetDevices, more.NetDevices...)
	to.Hooks = append(to.Hooks, more.Hooks...)
	to.Mounts = append(to.Mounts, more.Mounts...)
	to.AdditionalGIDs = append(to.AdditionalGIDs, more.AdditionalGIDs...)
	if more.IntelRdt != nil {
		to.IntelRdt = more.IntelRdt
	}
}
