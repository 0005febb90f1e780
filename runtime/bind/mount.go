package bind

import (
	"encoding/csv"
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// ParseMounts reads values of --mount. Each line of a value is one mount, a
// record of RFC 4180 with fields KEY=VALUE, as Docker has it: type=bind, which
// may be left out, source or src, destination, dst or target, image-src and id,
// and ro or readonly and nonested, which may go without a value. A relative source
// is one in the directory cwd.
func ParseMounts(values []string, cwd string) ([]Bind, error) {
	var binds []Bind
	for _, value := range values {
		r := csv.NewReader(strings.NewReader(value))
		r.FieldsPerRecord = -1
		records, err := r.ReadAll()
		if err != nil {
			err = hint.Wrap(err, mountGrammar)
		} else if len(records) == 0 {
			err = hint.New("it is empty", mountGrammar)
		}
		for _, fields := range records {
			var b Bind
			if b, err = parseMount(fields, cwd); err != nil {
				break
			}
			binds = append(binds, b)
		}
		if err != nil {
			return nil, fmt.Errorf("--mount %s: %w", value, err)
		}
	}
	return binds, nil
}

// Both reads values of --bind and then those of --mount.
func Both(binds, mounts []string, cwd string) ([]Bind, error) {
	list, err := Parse(binds, cwd)
	if err != nil {
		return nil, err
	}
	more, err := ParseMounts(mounts, cwd)
	return append(list, more...), err
}

const mountGrammar = "write type=bind,source=PATH,destination=PATH[,ro], with a field that holds a comma in double quotes"

func parseMount(fields []string, cwd string) (b Bind, err error) {
	kind, source := "bind", ""
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "type":
			kind = value
		case "source", "src":
			source = value
		case "destination", "dst", "target":
			b.Target = value
		case "ro", "readonly":
			b.ReadOnly, err = truth(key, value)
		case "nonested":
			b.Unnested, err = truth(key, value)
		case "image-src", "id":
			err = b.Image.set(key, value)
		case "bind-propagation":
			err = hint.New("bind-propagation cannot be chosen", "leave it out: what the host mounts later appears in the container, and never the other way round")
		default:
			err = hint.New(fmt.Sprintf("unknown option %q", key), mountGrammar)
		}
		if err != nil {
			return b, err
		}
	}
	switch {
	case kind != "bind":
		return b, hint.New(fmt.Sprintf("type %q is not supported", kind), "use type=bind")
	case source == "":
		return b, hint.New("the source is empty", mountGrammar)
	}
	b.Source = Absolute(source, cwd)
	if err := CheckTarget("destination", b.Target); err != nil {
		return b, err
	}
	b.Target = path.Clean(b.Target)
	return b, nil
}

// truth reads the value of an option that may go without.
func truth(key, value string) (bool, error) {
	if value != "" && value != "true" && value != "false" {
		return false, hint.New(fmt.Sprintf("%s=%s is neither true nor false", key, value), mountGrammar)
	}
	return value != "false", nil
}
