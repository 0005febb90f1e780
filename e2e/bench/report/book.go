package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Book is where measurements go: they are printed and, with a directory, written to files
// of it: tables.csv, tables.md and a picture for each. Processes may add to one after the other.
type Book struct {
	Out io.Writer
	Dir string
}

// Begin makes the directory's files anew, with what is said of the machine.
func (b *Book) Begin(machine string) error {
	if _, err := fmt.Fprint(b.Out, machine); err != nil || b.Dir == "" {
		return err
	}
	return errors.Join(os.MkdirAll(b.Dir, 0o755), os.WriteFile(b.file("tables.csv"), []byte(Head), 0o644),
		os.WriteFile(b.file("tables.md"), []byte("```\n"+machine+"```\n"), 0o644))
}

func (b *Book) file(name string) string { return filepath.Join(b.Dir, name) }

// Note prints a table and adds its samples to the files. One without rows it passes over.
func (b *Book) Note(t *Table) error {
	if len(t.Rows) == 0 {
		return nil
	}
	t.Load, _, _ = strings.Cut(first("/proc/loadavg"), " ")
	_, err := fmt.Fprint(b.Out, t.Text())
	if err == nil && b.Dir != "" {
		err = b.add("tables.csv", t.CSV())
	}
	return err
}

// Show notes tables, with a picture of each.
func (b *Book) Show(tables ...*Table) error {
	for _, t := range tables {
		err := b.Note(t)
		if err == nil && b.Dir != "" && len(t.Rows) > 0 {
			err = b.picture(t.Title, t.Markdown(), t.SVG())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Draw adds a curve, whose tables have been noted.
func (b *Book) Draw(c *Curve) error {
	if b.Dir == "" || len(c.Tables) == 0 {
		return nil
	}
	return b.picture(c.Title, c.Markdown(), c.SVG())
}

// picture writes a picture, and shows it below a text.
func (b *Book) picture(title, text, svg string) error {
	name := Name(title) + ".svg"
	return errors.Join(os.WriteFile(b.file(name), []byte(svg), 0o644), b.add("tables.md", text+"\n![]("+name+")\n"))
}

func (b *Book) add(name, text string) error {
	f, err := os.OpenFile(b.file(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

var strange = regexp.MustCompile(`[^a-z0-9]+`)

// Name makes a file name of a title.
func Name(title string) string {
	return strings.Trim(strange.ReplaceAllString(strings.ToLower(title), "-"), "-")
}
