package scif

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/metadata"
)

// maxApps bounds the applications that Inspect reads, maxTexts their texts in
// bytes.
const (
	maxApps  = 1024
	maxTexts = 32 << 20
)

// List returns the names of an image's applications, sorted.
func List(fsys fs.StatFS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, AppsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("applications: %w", err)
	}
	var apps []string
	for _, e := range entries {
		if info, err := fsys.Stat(Meta(e.Name())); err == nil && info.IsDir() {
			apps = append(apps, e.Name())
		}
	}
	slices.Sort(apps)
	return apps, nil
}

// Inspect returns the attributes of all applications of an image by their
// names. More than 1024 applications or 32 MiB of their texts are an error.
func Inspect(fsys fs.StatFS) (map[string]metadata.AppAttributes, error) {
	names, err := List(fsys)
	if err != nil {
		return nil, err
	}
	if len(names) > maxApps {
		return nil, fmt.Errorf("%d applications; expected at most %d", len(names), maxApps)
	}
	apps, total := map[string]metadata.AppAttributes{}, 0
	for _, name := range names {
		files, err := metadata.FromDir(fsys, Meta(name))
		if err != nil {
			return nil, err
		}
		for _, text := range files {
			total += len(text)
		}
		if total > maxTexts {
			return nil, fmt.Errorf("the texts of the applications have more than %d bytes", maxTexts)
		}
		a, err := files.Attributes(Meta(name))
		if err != nil {
			return nil, err
		}
		apps[name] = a.AppAttributes
	}
	return apps, nil
}

// InspectApp returns the attributes of one application. The error of Missing
// says that there is none of that name.
func InspectApp(fsys fs.StatFS, app string) (metadata.Attributes, error) {
	apps, err := List(fsys)
	if err == nil && !slices.Contains(apps, app) {
		err = Missing(app, apps)
	}
	if err != nil {
		return metadata.Attributes{}, err
	}
	files, err := metadata.FromDir(fsys, Meta(app))
	if err != nil {
		return metadata.Attributes{}, err
	}
	return files.Attributes(Meta(app))
}

// Missing is the error that an image with the applications apps has none of
// the name app.
func Missing(app string, apps []string) error {
	err := fmt.Errorf("the image has no application %s", app)
	if len(apps) == 0 {
		return hint.Wrap(err, "build it with %%apprun and other sections of applications; it has none")
	}
	return hint.Wrap(err, "choose one that it has: %s", strings.Join(apps, ", "))
}
