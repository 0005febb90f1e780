package tree

import "strings"

// shadow is a guess of what higher layers hide, by path alone. It may be wrong
// both ways where symbolic links are; Merge corrects that.
type shadow struct {
	// all says that a lower layer's file at this path and everything beneath
	// it is hidden: a higher layer has a whiteout or no directory here.
	all bool
	// below says so of everything beneath: the directory is opaque.
	below    bool
	children map[string]*shadow
}

// hides reports whether a file at name, a cleaned path, is hidden.
func (s *shadow) hides(name string) bool {
	for name != "" {
		if s.all || s.below {
			return true
		}
		var first string
		first, name, _ = strings.Cut(name, "/")
		if s = s.children[first]; s == nil {
			return false
		}
	}
	return true // whatever it is, a directory also replaces a file
}

// add enters what r hides from lower layers and returns how many shadows it
// made. Nothing is entered below what is hidden already.
func (s *shadow) add(r *record) (made int) {
	name := r.name
	if name == "." {
		name = ""
	}
	for name != "" {
		if s.all || s.below {
			return made
		}
		var first string
		first, name, _ = strings.Cut(name, "/")
		next := s.children[first]
		if next == nil {
			if s.children == nil {
				s.children = make(map[string]*shadow)
			}
			next = &shadow{}
			s.children[first] = next
			made++
		}
		s = next
	}
	switch {
	case r.kind == kindOpaque:
		s.below, s.children = true, nil
	case r.kind != kindNode || !r.node.IsDir():
		s.all, s.children = true, nil
	}
	return made
}
