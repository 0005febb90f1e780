// Command signals prints the name of each signal that it gets. SIGTERM ends it
// with status 9. A shell's traps would not do: one that interrupts another
// changes the status that the first goes by.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	c := make(chan os.Signal, 64)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	fmt.Println("ready")
	for s := range c {
		fmt.Println(unix.SignalName(s.(syscall.Signal)))
		if s == syscall.SIGTERM {
			os.Exit(9)
		}
	}
}
