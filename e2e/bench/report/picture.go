package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The sizes of pictures, in pixels.
const (
	width   = 760
	left    = 230 // where bars begin
	right   = 90  // what is kept for numbers
	barStep = 26
	barSize = 18
	top     = 34
)

// ours and others are the colours of bars: told apart also in grey.
const (
	ours   = "#1f6feb"
	others = "#a0a7b0"
)

// SVG returns the medians as bars, from nothing to the largest, with the spread as a line.
func (t *Table) SVG() string {
	var most float64
	for _, r := range t.Rows {
		_, _, high := r.spread(number)
		most = max(most, high)
	}
	var b strings.Builder
	begin(&b, top+barStep*len(t.Rows)+12, t.Title+", "+t.Unit)
	scale := func(n float64) float64 {
		if most == 0 {
			return 0
		}
		return n / most * (width - left - right)
	}
	for i, r := range t.Rows {
		low, median, high := r.spread(number)
		y := top + barStep*i
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+barSize-5, html.EscapeString(r.Name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y, scale(median), barSize, colour(r.Name))
		fmt.Fprintf(&b, `<path d="M%.1f %dH%.1f" stroke="#333"/>`+"\n", left+scale(low), y+barSize/2, left+scale(high))
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", left+scale(high)+6, y+barSize-5, short(median))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func colour(name string) string {
	if strings.HasPrefix(name, "sealift") {
		return ours
	}
	return others
}

// begin writes what each picture begins with.
func begin(b *strings.Builder, height int, title string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" role="img">`+"\n", width, height)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n"+`<text x="8" y="20" font-weight="bold">%s</text>`+"\n", width, height, html.EscapeString(title))
}

// short spells a number with three digits that count.
func short(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.*f", 2-int(math.Floor(math.Log10(n))), n)
}

// Curve is how a number grows with a size: a Table for each size.
type Curve struct {
	Title, Unit, Size string // Size is of what, such as "files"
	Sizes             []float64
	Tables            []*Table
}

// Add adds the table of a size, larger than those before.
func (c *Curve) Add(size float64, t *Table) {
	c.Sizes, c.Tables = append(c.Sizes, size), append(c.Tables, t)
}

// lines returns the contenders' names, in the order in which they appear.
func (c *Curve) lines() (names []string) {
	met := map[string]bool{}
	for _, t := range c.Tables {
		for _, r := range t.Rows {
			if !met[r.Name] {
				names, met[r.Name] = append(names, r.Name), true
			}
		}
	}
	return names
}

// Markdown returns the medians: a line for each contender, a column for each size.
func (c *Curve) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\nMedians in %s, by %s.\n\n| |", upper(c.Title), c.Unit, c.Size)
	for _, s := range c.Sizes {
		fmt.Fprintf(&b, " %g |", s)
	}
	b.WriteString("\n|---" + strings.Repeat("|---:", len(c.Sizes)) + "|\n")
	for _, name := range c.lines() {
		fmt.Fprintf(&b, "| %s |", name)
		for _, t := range c.Tables {
			if r := t.find(name); r != nil {
				fmt.Fprintf(&b, " %s |", short(r.Median()))
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// SVG returns the medians as lines, with both axes logarithmic.
func (c *Curve) SVG() string {
	const height, bottom, edge = 380, 330, 60
	low, high := math.Inf(1), 0.0
	for _, t := range c.Tables {
		for _, r := range t.Rows {
			low, high = min(low, r.Median()), max(high, r.Median())
		}
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	first, last := c.Sizes[0], c.Sizes[len(c.Sizes)-1]
	x := func(size float64) float64 {
		return edge + part(size, first, last)*(width-edge-210)
	}
	y := func(n float64) float64 { return bottom - part(n, low, high)*(bottom-top-10) }
	var b strings.Builder
	begin(&b, height, c.Title+", "+c.Unit)
	for n := low; n <= high*1.01; n *= 10 {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", edge, y(n), x(last), edge-6, y(n)+4, n)
	}
	for _, s := range c.Sizes {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", x(s), bottom+18, s)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", (x(first)+x(last))/2, bottom+38, html.EscapeString(c.Size))
	dashes := []string{"", "6 3", "2 3", "8 3 2 3", "1 5"}
	for i, name := range c.lines() {
		var path strings.Builder
		end := 0.0
		for j, t := range c.Tables {
			if r := t.find(name); r != nil {
				step := "L"
				if path.Len() == 0 {
					step = "M"
				}
				end = r.Median()
				fmt.Fprintf(&path, "%s%.1f %.1f", step, x(c.Sizes[j]), y(end))
			}
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", path.String(), colour(name), dashes[i%len(dashes)])
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text><path d="M%d %dh24" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n",
			width-170, top+14+20*i, html.EscapeString(name), width-200, top+10+20*i, colour(name), dashes[i%len(dashes)])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// part tells where a number is between two others, on a logarithmic scale.
func part(n, low, high float64) float64 {
	if low >= high {
		return 0
	}
	return math.Log(n/low) / math.Log(high/low)
}
