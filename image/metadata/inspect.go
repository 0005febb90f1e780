package metadata

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// Metadata is what inspect --json prints, in Apptainer's shape.
type Metadata struct {
	Data Data `json:"data"`
	// Type is always "container".
	Type string `json:"type"`
}

// Data wraps the attributes.
type Data struct {
	Attributes Attributes `json:"attributes"`
}

// Attributes are the texts of the metadata. Environment is by the absolute
// path of the script, without the scripts that are in every image; Apps by the
// name of the application.
type Attributes struct {
	Apps map[string]AppAttributes `json:"apps,omitempty"`
	AppAttributes
	Deffile     string `json:"deffile,omitempty"`
	Startscript string `json:"startscript,omitempty"`
}

// AppAttributes are those of Attributes that are shown of an application too.
type AppAttributes struct {
	Environment map[string]string `json:"environment,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Runscript   string            `json:"runscript,omitempty"`
	Test        string            `json:"test,omitempty"`
	Helpfile    string            `json:"helpfile,omitempty"`
}

// usual are the scripts that every image of Sealift or Apptainer has.
var usual = []string{
	"env/01-base.sh", "env/94-appsbase.sh", "env/95-apps.sh", "env/99-base.sh", "env/99-runtimevars.sh",
}

// Read returns the metadata of an image's file system.
func Read(fsys fs.FS) (Metadata, error) {
	files, err := FromFS(fsys)
	if err != nil {
		return Metadata{}, err
	}
	return files.Inspect()
}

// Inspect returns the metadata that the texts spell.
func (f Files) Inspect() (Metadata, error) {
	a, err := f.Attributes(Dir)
	return New(a), err
}

// New returns the metadata with the given attributes.
func New(a Attributes) Metadata { return Metadata{Type: "container", Data: Data{a}} }

// Attributes returns the attributes that the texts spell; dir, relative to the
// root, is where they are from. Those of applications are not among them.
func (f Files) Attributes(dir string) (Attributes, error) {
	labels, err := f.Labels()
	if err != nil {
		return Attributes{}, fmt.Errorf("/%s/%w", dir, err)
	}
	environment := map[string]string{}
	for name, text := range f {
		if path.Dir(name) == envDir && !slices.Contains(usual, name) {
			environment["/"+path.Join(dir, name)] = text
		}
	}
	return Attributes{
		AppAttributes: AppAttributes{
			Environment: environment, Labels: labels,
			Runscript: f[Runscript], Test: f[Test], Helpfile: f[Help],
		},
		Startscript: f[Startscript], Deffile: f[Definition],
	}, nil
}

// Labels returns what labels.json holds, empty when there is none. A value
// that is not a string is returned as its JSON text.
func (f Files) Labels() (map[string]string, error) {
	labels := map[string]string{}
	text, ok := f[LabelsFile]
	if !ok || text == "" {
		return labels, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("%s: %w", LabelsFile, err)
	}
	for key, raw := range values {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		labels[key] = s
	}
	return labels, nil
}

// addLabels writes labels.json with more labels, the later ones over the
// earlier ones and over those that are there.
func (f Files) addLabels(more ...map[string]string) error {
	labels, err := f.Labels()
	if err != nil {
		return fmt.Errorf("/%s/%w", Dir, err)
	}
	for _, m := range more {
		maps.Copy(labels, m)
	}
	text, err := json.MarshalIndent(labels, "", "\t")
	f[LabelsFile] = string(text) + "\n"
	return err
}
