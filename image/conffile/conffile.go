// Package conffile reads configuration files in TOML, strictly.
//
// Input: a file's name and text, and the struct that it is to fill, with tags
// and text unmarshalers of its own. Output: errors that begin with
// NAME:LINE:COLUMN, of a setting that is not known too. The package reads no
// file and knows no setting.
package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Decode fills a struct with the settings of a file. The name is for errors.
func Decode(name string, text []byte, into any) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(into)
	var unknown *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		line, column := unknown.Errors[0].Position()
		key := strings.Join(unknown.Errors[0].Key(), ".")
		return fmt.Errorf("%s:%d:%d: %s is not a setting that is known here", name, line, column, key)
	case errors.As(err, &bad):
		line, column := bad.Position()
		return fmt.Errorf("%s:%d:%d: %w", name, line, column, err)
	}
	return fmt.Errorf("%s:1:1: %w", name, err)
}

// Tables returns the lines of the tables [[key]] of a text that Decode took. One
// that is written as an array of inline tables has none.
func Tables(text []byte, key string) (lines []int) {
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		var path []string
		var at unstable.Range
		for k := e.Key(); k.Next(); {
			path, at = append(path, string(k.Node().Data)), k.Node().Raw
		}
		if len(path) == 1 && path[0] == key {
			lines = append(lines, p.Shape(at).Start.Line)
		}
	}
	return lines
}
