package contents

import (
	"fmt"
	"io"
	"path"
)

// Style says how a listing looks.
type Style struct {
	// Long shows more than names, see Entry.Long.
	Long bool
	// Recursive shows all below directories, by their paths.
	Recursive bool
	// JSON makes an array of what Entry.MarshalJSON returns.
	JSON bool
}

// Print lists paths, or the root without any, to w as ls(1) does: what is in
// directories by name, under a heading where there are several paths.
func (l Style) Print(w io.Writer, fsys FS, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	separator := "[\n"
	for i, at := range paths {
		found, err := List(fsys, at)
		if err != nil {
			return err
		}
		if len(paths) > 1 && found.Dir && !l.Recursive && !l.JSON {
			fmt.Fprintf(w, "%s%s:\n", "\n"[:min(i, 1)], Quote(found.Path))
		}
		err = found.Entries(l.Recursive, func(e Entry) error {
			if !l.JSON {
				_, err := fmt.Fprintln(w, l.line(e, found.Dir && !l.Recursive))
				return err
			}
			text, err := e.MarshalJSON()
			if err == nil {
				_, err = fmt.Fprintf(w, "%s%s", separator, text)
			}
			separator = ",\n"
			return err
		})
		if err != nil {
			return err
		}
	}
	if !l.JSON {
		return nil
	}
	if separator == "[\n" { // nothing was listed
		fmt.Fprint(w, "[")
	}
	_, err := fmt.Fprintln(w, "\n]")
	return err
}

// line is an entry as text; in a directory it goes by its last name.
func (l Style) line(e Entry, inside bool) string {
	name := e.Path
	if inside {
		name = path.Base(name)
	}
	if l.Long {
		return e.Long(name)
	}
	return Quote(name)
}
