package ui

import "fmt"

// Colour is how text stands out on a terminal: a parameter of SGR, which ECMA-48
// specifies.
type Colour int

// The colours.
const (
	Faint  Colour = 2
	Red    Colour = 31
	Green  Colour = 32
	Yellow Colour = 33
)

// Painter returns what colours results: on a terminal that can show it, unless
// NO_COLOR is set. Elsewhere it leaves them as they are.
func (p *Process) Painter() func(Colour, string) string {
	if !p.OnTerminal() || !p.takesEscapes() {
		return func(_ Colour, text string) string { return text }
	}
	return func(c Colour, text string) string { return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text) }
}
