package policy

import (
	"fmt"
	"path"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/conffile"
)

// eclDocument is an ecl.toml, Apptainer's execution control list.
type eclDocument struct {
	Activated bool       `toml:"activated"`
	Legacy    bool       `toml:"legacyinsecure"`
	ExecGroup []eclGroup `toml:"execgroup"`
}

type eclGroup struct {
	TagName string   `toml:"tagname"`
	Mode    string   `toml:"mode"`
	DirPath string   `toml:"dirpath"`
	KeyFP   []string `toml:"keyfp"`
}

// ParseECL reads an ecl.toml. One that is not activated says nothing: the File is
// nil then. Where one is, an image that belongs to no group is refused.
func ParseECL(name string, text []byte) (*File, error) {
	f, err := parseECL(name, text)
	return f, hint.Wrap(err, "write it as Apptainer's ecl.toml; no image is used until then")
}

func parseECL(name string, text []byte) (*File, error) {
	var d eclDocument
	if err := conffile.Decode(name, text, &d); err != nil {
		return nil, err
	}
	if !d.Activated {
		return nil, nil
	}
	lines := conffile.Tables(text, "execgroup")
	f := &File{fallback: &Rule{Origin: name, Action: Deny, Reason: "it is in the directory of no execgroup"}}
	seen := map[string]bool{}
	for i, g := range d.ExecGroup {
		line := 1
		if i < len(lines) {
			line = lines[i]
		}
		r, err := g.rule()
		if err == nil && seen[g.DirPath] {
			err = fmt.Errorf("another execgroup has the dirpath %q", g.DirPath)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d:1: %w", name, line, err)
		}
		seen[g.DirPath] = true
		r.Origin, r.Legacy = fmt.Sprintf("%s:%d", name, line), d.Legacy
		if g.DirPath == "" {
			f.fallback = r
		} else {
			f.rules = append(f.rules, r)
		}
	}
	return f, nil
}

func (g eclGroup) rule() (*Rule, error) {
	if g.DirPath != "" && (!path.IsAbs(g.DirPath) || path.Clean(g.DirPath) != g.DirPath) {
		return nil, fmt.Errorf("dirpath %q is not absolute and plain", g.DirPath)
	}
	keys, err := lookUp(g.KeyFP, nil)
	if err != nil {
		return nil, err
	}
	r := &Rule{Action: Verify, dir: true}
	if g.DirPath != "" {
		r.path = []string{g.DirPath}
	}
	switch g.Mode {
	case "whitelist", "whitestrict":
		if len(keys) == 0 {
			return nil, fmt.Errorf("mode %q without keyfp allows no image", g.Mode)
		}
		r.Signers, r.Need = keys, 1
		if g.Mode == "whitestrict" {
			r.Need = len(keys)
		}
	case "blacklist":
		r.Forbidden, r.Need = keys, 1
	default:
		return nil, fmt.Errorf(`mode is %q, not "whitelist", "whitestrict" or "blacklist"`, g.Mode)
	}
	return r, nil
}
