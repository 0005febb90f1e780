package root

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
)

// siteFile is the site's file of variables, in buildcfg.SysconfDir: lines SEALIFT_X=VALUE,
// each of which counts where the environment has no variable that sets the same. Empty
// lines, and those that begin with #, say nothing.
const siteFile = "environment"

// maxSite bounds its length, in bytes.
const maxSite = 64 << 10

// site reads such a file, which must be the user's with the id owner, and nobody else's to
// write to. There need be none.
func site(path string, owner uint32) (list []string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hint.Wrap(err, "have the administrator make it readable for everybody")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != owner || info.Mode()&0o022 != 0 || !info.Mode().IsRegular() {
		return nil, hint.New(path+" is not a file that root alone can write to", "have the administrator correct it: chown root, chmod 644")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSite+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSite {
		return nil, hint.New(fmt.Sprintf("%s has more than %d bytes", path, maxSite), "have the administrator correct it")
	}
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case !ok || !strings.HasPrefix(name, "SEALIFT_") || strings.ContainsAny(name, " \t"):
			return nil, hint.New(fmt.Sprintf("%s:%d: %q is not SEALIFT_NAME=VALUE", path, n+1, line), "have the administrator correct it")
		default:
			list = append(list, name+"="+strings.TrimSpace(value))
		}
	}
	return list, nil
}
