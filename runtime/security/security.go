// Package security reads the security options of a container.
//
// Input: values of --security, and facts of the host. Output: Options, each of
// which can be carried out here: what cannot is an error, never a remark. It is
// pure.
package security

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
)

// Options are what values of --security come to.
type Options struct {
	// Seccomp is the path of a seccomp profile as it was given, or empty.
	Seccomp string
	// LSM and Label are the security module and its label for the payload, as
	// plan.Label takes them, or empty.
	LSM, Label string
	// UID, unless nil, is who the payload is. GIDs are its groups, its own first;
	// none means that of the caller.
	UID  *uint32
	GIDs []uint32
}

// keys of options.
const (
	seccomp  = "seccomp"
	apparmor = "apparmor"
	selinux  = "selinux"
	uid      = "uid"
	gid      = "gid"
)

const remedy = "write seccomp:FILE, apparmor:PROFILE, selinux:CONTEXT, uid:NUMBER or gid:NUMBER[:NUMBER…]"

// Parse reads values, in each of which commas may join several options.
func Parse(values []string) (Options, error) {
	var o Options
	var seen []string
	for _, value := range values {
		for _, option := range split(value) {
			key, text, _ := strings.Cut(option, ":")
			if text == "" {
				return Options{}, hint.New(fmt.Sprintf("--security %s: an option needs a value", option), remedy)
			}
			if slices.Contains(seen, key) {
				return Options{}, hint.New(fmt.Sprintf("--security %s: %s is given twice", option, key), "leave out one of them")
			}
			seen = append(seen, key)
			if err := o.set(key, text); err != nil {
				return Options{}, hint.Wrap(fmt.Errorf("--security %s: %w", option, err), remedy)
			}
		}
	}
	if slices.Contains(seen, apparmor) && slices.Contains(seen, selinux) {
		return Options{}, hint.New("--security: a payload cannot have a profile of apparmor and a context of selinux", "leave out one of them")
	}
	return o, nil
}

// split splits at commas, but for those in a context: s0:c1,c2.
func split(value string) []string {
	var options []string
	for part := range strings.SplitSeq(value, ",") {
		if n := len(options); n > 0 && strings.HasPrefix(options[n-1], selinux+":") && !known(part) {
			options[n-1] += "," + part
			continue
		}
		options = append(options, part)
	}
	return options
}

func known(option string) bool {
	key, _, _ := strings.Cut(option, ":")
	return slices.Contains([]string{seccomp, apparmor, selinux, uid, gid}, key)
}

func (o *Options) set(key, text string) error {
	switch key {
	case seccomp:
		o.Seccomp = text
	case apparmor, selinux:
		if strings.ContainsAny(text, "\n\x00") {
			return fmt.Errorf("%q is no label", text)
		}
		o.LSM, o.Label = key, text
	case uid:
		n, err := id(text)
		o.UID = &n
		return err
	case gid:
		for part := range strings.SplitSeq(text, ":") {
			n, err := id(part)
			if err != nil {
				return err
			}
			o.GIDs = append(o.GIDs, n)
		}
	default:
		return fmt.Errorf("unknown option %q", key)
	}
	return nil
}

// id reads the number of a user or a group. The highest one means that a call is
// not to change it (setresuid(2)).
func id(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q is not the number of a user or a group", text)
	}
	return uint32(n), nil
}

// Check refuses labels of a security module that does not run.
func (o *Options) Check(f *host.Facts) error {
	runs := true
	switch o.LSM {
	case apparmor:
		text, err := f.ReadFile("/sys/module/apparmor/parameters/enabled", 16)
		runs = err == nil && strings.HasPrefix(text, "Y")
	case selinux:
		_, err := fs.Stat(f.Root, "sys/fs/selinux/enforce")
		runs = err == nil
	}
	if !runs {
		return hint.New(fmt.Sprintf("--security %s:%s: this kernel does not run %s", o.LSM, o.Label, o.LSM),
			"leave the option out, or have the administrator enable %s", o.LSM)
	}
	return nil
}
