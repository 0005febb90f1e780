package seccomp

import (
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProgramText(t *testing.T) {
	for _, p := range [][]unix.SockFilter{
		Nothing(),
		Assemble(7, []Rule{{NR: 3, Action: 4, Tests: []Test{{Arg: 5, Any: 6}}}}),
		{{Code: math.MaxUint16, Jt: 1, Jf: 2, K: math.MaxUint32}, {}},
	} {
		text := FormatProgram(p)
		if got, err := ParseProgram(text); err != nil || !slices.Equal(got, p) {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	if got := FormatProgram(Nothing()); got != "000600007fff0000" {
		t.Error(got)
	}
	for _, text := range []string{"", "0", "000600007fff000", "000600007fff000g", "+00600007fff0000", strings.Repeat("0", 16*4097)} {
		if p, err := ParseProgram(text); err == nil {
			t.Errorf("%.20s: %v", text, p)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for words, want := range map[string]uintptr{"": 0, "log": 2, "spec_allow,log": 6, "now": 0, "log,now": 2} {
		if got, now, err := ParseFlags(words); got != want || now != strings.Contains(words, "now") || err != nil {
			t.Errorf("%q: %x, %v, %v", words, got, now, err)
		}
	}
	for _, words := range []string{"tsync", "log,", ",", "LOG"} {
		if got, _, err := ParseFlags(words); err == nil {
			t.Errorf("%q: %x", words, got)
		}
	}
}
