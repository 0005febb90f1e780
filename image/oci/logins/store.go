package logins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/output"
)

// Store keeps a login for HOST[:PORT][/PATH] in a file, or where the file's
// credential helper does, in the place of an older one. A file that is new has
// the mode 0600, in a directory of the mode 0700.
func Store(ctx context.Context, path, where string, x registry.Credentials) error {
	if strings.Contains(x.Username, ":") {
		return fmt.Errorf("the user name %q has a colon, which separates it from the password", x.Username)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return change(ctx, path, func(f *file) (edit, error) {
		key := keyOf(where)
		helper := f.helper(key)
		if helper == "" {
			return edit{set: map[string]json.RawMessage{key: entry(x)}}, nil
		}
		kept := &remembered{path: path}
		err := credentials.NewNativeStore(kept, helper).Store(types.AuthConfig{Username: x.Username, Password: x.Password, ServerAddress: key})
		if err != nil {
			return edit{}, helperFailed(helper, err)
		}
		return edit{set: map[string]json.RawMessage{key: json.RawMessage("{}")}}, nil
	})
}

// Erase forgets a login for HOST[:PORT][/PATH], and says whether there was one.
func Erase(ctx context.Context, path, where string) (found bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	err = change(ctx, path, func(f *file) (edit, error) {
		var e edit
		for _, key := range sameAs(where) {
			_, there := f.all.AuthConfigs[key]
			if helper := f.helper(key); helper != "" {
				x, err := f.get(f.all, key)
				if err != nil {
					return e, err
				}
				if x != (registry.Credentials{}) {
					there = true
					err = credentials.NewNativeStore(&remembered{path: path}, helper).Erase(key)
				}
				if err != nil {
					return e, helperFailed(helper, err)
				}
			}
			if there {
				found, e.remove = true, append(e.remove, key)
			}
		}
		return e, nil
	})
	return found, err
}

func helperFailed(helper string, err error) error {
	return hint.Wrap(fmt.Errorf("docker-credential-%s: %w", helper, err), "look whether this program is installed and works, or name another file with --authfile")
}

// keyOf returns what a login is kept under, as docker login has it.
func keyOf(where string) string {
	if where == hubName || where == hubHost {
		return hubKey
	}
	return where
}

// sameAs returns all keys of one place.
func sameAs(where string) []string {
	host, path, part := strings.Cut(where, "/")
	switch {
	case host != hubName && host != hubHost:
		return []string{where}
	case part:
		return []string{hubName + "/" + path, hubHost + "/" + path}
	}
	return []string{hubKey, hubName, hubHost}
}

// remembered is a file as docker/cli's stores want one: what it would hold is
// written here, by change.
type remembered struct{ path string }

// Save does nothing.
func (*remembered) Save() error { return nil }

// GetAuthConfigs returns none.
func (*remembered) GetAuthConfigs() map[string]types.AuthConfig {
	return map[string]types.AuthConfig{}
}

// GetFilename returns the path.
func (r *remembered) GetFilename() string { return r.path }

// edit is what changes of a file's logins.
type edit struct {
	set    map[string]json.RawMessage
	remove []string
}

// change edits a file while no other process of this program does.
func change(ctx context.Context, path string, decide func(*file) (edit, error)) error {
	// It is nobody else's to read, whatever it was.
	return output.Update(ctx, path, 0o600, func() ([]byte, error) {
		f, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = parse(path, nil)
		}
		if err != nil {
			return nil, err
		}
		e, err := decide(f)
		if err != nil || len(e.set)+len(e.remove) == 0 {
			return nil, err
		}
		text, err := e.apply(f.raw)
		if err != nil {
			return nil, fmt.Errorf("logins in %s: %w", path, err)
		}
		return text, nil
	})
}

// apply returns a file's text with the edit; all else in it stays.
func (e edit) apply(raw []byte) ([]byte, error) {
	document, auths := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &document); err != nil {
			return nil, err
		}
	}
	if a := document["auths"]; a != nil {
		if err := json.Unmarshal(a, &auths); err != nil {
			return nil, err
		}
	}
	if auths == nil {
		auths = map[string]json.RawMessage{} // of a null
	}
	for key, entry := range e.set {
		auths[key] = entry
	}
	for _, key := range e.remove {
		delete(auths, key)
	}
	var err error
	if document["auths"], err = json.Marshal(auths); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(document, "", "\t")
	return append(text, '\n'), err
}
