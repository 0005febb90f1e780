// Command sealift-hostcmd runs in containers, by the name of a command of the host: it has
// the process outside that started the container run that command.
//
// Input: its name, arguments, environment, directory and streams, and the socket beside it.
// Output: the command's exit status, or a line on standard error and 126 or 127.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift/runtime/hostcmd"
)

func main() {
	name := filepath.Base(os.Args[0])
	status, err := ask(name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sealift: error: %s on the host: %v\n", name, err)
		status = max(status, 126)
	}
	os.Exit(status)
}

// ask has the command run.
func ask(name string) (status int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // the server has another one
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT, syscall.SIGWINCH)
	return hostcmd.Ask(filepath.Join(filepath.Dir(program), hostcmd.SocketName),
		&hostcmd.Call{Name: name, Args: os.Args[1:], Dir: dir, Env: os.Environ()},
		[3]*os.File{os.Stdin, os.Stdout, os.Stderr}, signals)
}
