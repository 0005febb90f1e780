// Package share has the tasks of a job step on a node share what they need alike: one
// user namespace, and one server of the image's files.
//
// The first task that wants it starts a server in the background, which makes the user
// namespace and mounts the image in a mount namespace of its own (the holder). Every task
// enters the user namespace and a copy of that mount namespace, mounts what it has for
// itself, and executes its payload: the process that the batch system has started is the
// payload, and nothing else of Sealift stays with it. The server ends with the last task.
//
// Who shares is told by a key. Server and tasks meet at a socket in a directory of the user:
//
//	BASE/share/KEY/socket     SOCK_SEQPACKET; the directory is locked (flock(2)) by who
//	                          starts a server, and by a server that ends
//
// A task sends a message in JSON (hello) with its standard error; the answer (welcome) comes
// with descriptors of the namespaces. The connection is then the report socket of the
// task's starter. It must not print, nor decide who shares.
package share

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sealift/sealift/runtime/userdir"
	"github.com/sealift/sealift/starter/plan"
)

// Identity is all in which tasks must agree that share.
type Identity struct {
	// Version is the program's.
	Version string
	// Step tells job steps apart, Node the nodes of one that are on this machine.
	Step, Node string
	// Namespaces are those of the task (Here).
	Namespaces []string
	// Files tell images apart, in the order in which they are served.
	Files []File
	// Options are how images are opened and shown.
	Options []string
	// Plan is what the holder does.
	Plan string
}

// File is a file by what tells it from others and from what it was before.
type File struct {
	Device, Inode uint64
	Size          int64
	// Modified and Changed are in nanoseconds since the epoch.
	Modified, Changed int64
	// Offset is where in the file the image begins.
	Offset int64
}

// Key returns the name of an identity.
func (i Identity) Key() string { return digest(i) }

// Shows returns the name of what an image shows besides its own files.
func Shows(image []plan.Op) string { return digest(image) }

func digest(what any) string {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // it has no other types than those above
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// Here returns the namespaces of this process in which it makes a difference to be: what
// a task sees is what the holder saw.
func Here() (list []string, err error) {
	for _, kind := range []string{"user", "mnt", "pid", "net", "ipc", "uts"} {
		id, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return nil, fmt.Errorf("tell the namespaces of this process: %w", err)
		}
		list = append(list, id)
	}
	return list, nil
}

// hello is what a task says first. Its standard error comes with it.
type hello struct {
	Version int
}

// formatVersion is that of the messages.
const formatVersion = 1

// own is said by a task whose image shows something else than the one that the holder has
// mounted: it mounts the image itself, for the server to serve.
type own struct {
	// Image is what it shows.
	Image []plan.Op
	// Targets are those of the operations of the task's plan, by their numbers.
	Targets map[int]string
}

// welcome is the answer. The namespaces come with it, in the order of Kinds.
type welcome struct {
	// Error and Hint say why there is nothing to share.
	Error, Hint string `json:",omitempty"`
	Kinds       []byte `json:",omitempty"`
	// Shows is what the image shows that the holder has mounted.
	Shows string `json:",omitempty"`
}

// most is the greatest length of a message, and of descriptors with it.
const (
	mostText = 128 << 10
	mostFDs  = 8
)

// Place is where the tasks of a key meet.
type Place struct {
	base userdir.Base
	key  string
}

// At returns the place of a key in a directory of the user.
func At(base userdir.Base, key string) Place { return Place{base, key} }

// Key returns the key of the place.
func (p Place) Key() string { return p.key }
