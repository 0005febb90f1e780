// Package wrapper is scripts that stand for programs of an image: who calls one runs the
// program in a container, without knowing of it.
//
// Input: what is to be run. Output: the text of the script, and what a script's text says.
// It is pure: it touches no file, and quotes whatever it is given.
package wrapper

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Wrapper is a script that runs one program.
type Wrapper struct {
	// Program is the absolute path of sealift.
	Program string `json:"sealift"`
	// Flags are those of exec.
	Flags []string `json:"flags"`
	// Image and Command are exec's operands.
	Image   string `json:"image"`
	Command string `json:"command"`
}

// mark is the line by which a script is known, before one that says what it runs. What it
// means never changes; another format gets another number.
const mark = "# sealift wrapper 1; made by 'sealift wrapper create', which may overwrite it"

// ErrForeign says that a text is not of a script of this package's.
var ErrForeign = errors.New("not made by sealift wrapper create")

// Script returns the text of w's script, for sh(1).
func (w Wrapper) Script() ([]byte, error) {
	if w.Flags == nil {
		w.Flags = []string{}
	}
	about, err := json.Marshal(w) // in one line, whatever is in it
	if err != nil {
		return nil, err
	}
	words := []string{"exec", Quote(w.Program), "exec"}
	for _, flag := range w.Flags {
		words = append(words, Quote(flag))
	}
	words = append(words, "--", Quote(w.Image), Quote(w.Command), `"$@"`)
	return []byte("#!/bin/sh\n" + mark + "\n# " + string(about) + "\n" + strings.Join(words, " ") + "\n"), nil
}

// Parse returns what the script with this text runs; ErrForeign where it is not one that
// Script makes. Changed scripts are foreign, too.
func Parse(text []byte) (Wrapper, error) {
	_, rest, _ := bytes.Cut(text, []byte("\n"+mark+"\n# "))
	about, _, _ := bytes.Cut(rest, []byte("\n"))
	var w Wrapper
	if json.Unmarshal(about, &w) != nil {
		return Wrapper{}, ErrForeign
	}
	if again, err := w.Script(); err != nil || !bytes.Equal(again, text) {
		return Wrapper{}, ErrForeign
	}
	return w, nil
}

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%"

// Quote returns a word of sh(1), as it is where it needs no quotes.
func Quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
