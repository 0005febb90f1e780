package stage

import (
	"errors"
	"os"
)

// WriteScript makes a new executable file in dir, through no symbolic link.
func WriteScript(dir, name, body string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return errors.Join(err, root.Close())
	}
	_, err = f.WriteString(body)
	return errors.Join(err, f.Close(), root.Close())
}
