package compare

import (
	"cmp"
	"slices"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/sbom"
)

// Text is a difference of metadata. Old or New is empty where an image lacks it.
type Text struct {
	// Name is that of the part, such as runscript; of a label or a script of the
	// environment it is "label NAME" or "environment PATH".
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Metadata compares what images say of themselves, but for their applications.
func Metadata(older, newer metadata.Attributes) (found []Text) {
	note := func(name, before, after string) {
		if before != after {
			found = append(found, Text{name, before, after})
		}
	}
	note("definition", older.Deffile, newer.Deffile)
	note("runscript", older.Runscript, newer.Runscript)
	note("startscript", older.Startscript, newer.Startscript)
	note("test", older.Test, newer.Test)
	note("help", older.Helpfile, newer.Helpfile)
	for _, name := range union(older.Environment, newer.Environment) {
		note("environment "+name, older.Environment[name], newer.Environment[name])
	}
	for _, name := range union(older.Labels, newer.Labels) {
		note("label "+name, older.Labels[name], newer.Labels[name])
	}
	return found
}

// Package is a difference of the lists of packages. Old or New, versions, is empty of one
// that an image lacks.
type Package struct {
	Manager string `json:"manager"`
	Name    string `json:"name"`
	Arch    string `json:"arch"`
	Old     string `json:"old"`
	New     string `json:"new"`
}

// Packages compares lists of packages, by name. Of several versions of a package that an
// image has, the last in order counts.
func Packages(older, newer []sbom.Package) (found []Package) {
	all := map[Package][2]string{}
	for i, list := range [][]sbom.Package{older, newer} {
		for _, p := range list {
			key := Package{Manager: p.Manager, Name: p.Name, Arch: p.Arch}
			versions := all[key]
			versions[i] = max(versions[i], p.Version)
			all[key] = versions
		}
	}
	for key, versions := range all {
		if versions[0] != versions[1] {
			key.Old, key.New = versions[0], versions[1]
			found = append(found, key)
		}
	}
	slices.SortFunc(found, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Manager, b.Manager))
	})
	return found
}
