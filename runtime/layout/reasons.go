package layout

import "slices"

// reason is why what was planned from these places on is in the container.
type reason struct {
	ops, extras int
	why         string
}

// LeftOut is what is not mounted, and why, in the words of the user's options.
type LeftOut struct {
	Target string `json:"target"`
	Why    string `json:"rule"`
}

// Because says why what is planned from here on is in the container, in the words
// of the user's options.
func (l *Layout) Because(why string) {
	l.reasons = append(l.reasons, reason{len(l.Ops), len(l.Extras), why})
}

// LeaveOut says why nothing is mounted on target.
func (l *Layout) LeaveOut(target, why string) {
	if out := (LeftOut{target, why}); !slices.Contains(l.Left, out) {
		l.Left = append(l.Left, out)
	}
}

// Why returns the reason of the operation with the index i of Ops, empty where none
// was given.
func (l *Layout) Why(i int) string {
	return l.latest(func(r reason) bool { return r.ops <= i })
}

// WhyExtra is Why for Extras.
func (l *Layout) WhyExtra(i int) string {
	return l.latest(func(r reason) bool { return r.extras <= i })
}

func (l *Layout) latest(holds func(reason) bool) string {
	for _, r := range slices.Backward(l.reasons) {
		if holds(r) {
			return r.why
		}
	}
	return ""
}
