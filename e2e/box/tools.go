package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// split separates leading one-letter flags from the operands.
func split(args []string) (flags string, rest []string) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		flags, args = flags+args[0][1:], args[1:]
	}
	return flags, args
}

func cat(args []string) error {
	if len(args) == 0 {
		args = []string{"/dev/stdin"}
	}
	for _, name := range args {
		if err := copyTo(os.Stdout, name); err != nil {
			return err
		}
	}
	return nil
}

func copyTo(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

func chmod(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: chmod MODE FILE [FILE]")
	}
	if args[0] == "+x" {
		args[0] = "755"
	}
	mode, err := strconv.ParseUint(args[0], 8, 12)
	if err != nil {
		return err
	}
	for _, name := range args[1:] {
		if err := unix.Chmod(name, uint32(mode)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func cp(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: cp FILE FILE")
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return err
	}
	out, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	if err := copyTo(out, args[0]); err != nil {
		return err
	}
	return out.Close()
}

// env prints the environment, or runs a command with NAME=value added.
func env(args []string) error {
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, value, _ := strings.Cut(args[0], "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
		args = args[1:]
	}
	if len(args) > 0 {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			path := filepath.Join(dir, args[0])
			if unix.Access(path, unix.X_OK) == nil {
				return unix.Exec(path, args, os.Environ())
			}
		}
		return exitCode(127)
	}
	for _, kv := range os.Environ() {
		fmt.Println(kv)
	}
	return nil
}

func hostname([]string) error {
	name, err := os.Hostname()
	fmt.Println(name)
	return err
}

func id(args []string) error {
	flags, _ := split(args)
	switch flags {
	case "u":
		fmt.Println(os.Getuid())
	case "g":
		fmt.Println(os.Getgid())
	default:
		fmt.Printf("uid=%d gid=%d\n", os.Getuid(), os.Getgid())
	}
	return nil
}

func ls(args []string) error {
	flags, names := split(args)
	if len(names) == 0 {
		names = []string{"."}
	}
	for _, name := range names {
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() || strings.Contains(flags, "d") {
			fmt.Println(line(name, info, flags))
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if info, err = e.Info(); err != nil {
				return err
			}
			fmt.Println(line(e.Name(), info, flags))
		}
	}
	return nil
}

func line(name string, info os.FileInfo, flags string) string {
	if !strings.Contains(flags, "l") {
		return name
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d %d %d %d %s", info.Mode(), st.Nlink, st.Uid, st.Gid, info.Size(), name)
}

func mkdir(args []string) error {
	flags, names := split(args)
	make := os.Mkdir
	if strings.Contains(flags, "p") {
		make = os.MkdirAll
	}
	for _, name := range names {
		if err := make(name, 0o777); err != nil {
			return err
		}
	}
	return nil
}

func rm(args []string) error {
	flags, names := split(args)
	remove := os.Remove
	if strings.ContainsAny(flags, "rR") {
		remove = os.RemoveAll
	}
	for _, name := range names {
		if err := remove(name); err != nil && !(os.IsNotExist(err) && strings.Contains(flags, "f")) {
			return err
		}
	}
	return nil
}

func sleep(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: sleep SECONDS")
	}
	seconds, err := strconv.ParseFloat(args[0], 64)
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	return err
}

func touch(args []string) error {
	for _, name := range args {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		now := time.Now()
		if err := os.Chtimes(name, now, now); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func uname(args []string) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	fields := map[rune][]byte{'s': u.Sysname[:], 'n': u.Nodename[:], 'r': u.Release[:], 'm': u.Machine[:]}
	flags, _ := split(args)
	if flags == "" {
		flags = "s"
	}
	var out []string
	for _, f := range flags {
		if f == 'a' {
			out = append(out, text(u.Sysname[:]), text(u.Nodename[:]), text(u.Release[:]), text(u.Machine[:]))
		} else if v, ok := fields[f]; ok {
			out = append(out, text(v))
		}
	}
	fmt.Println(strings.Join(out, " "))
	return nil
}

// text is a NUL-terminated field as a string.
func text(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func echo(args []string) error {
	_, err := fmt.Println(strings.Join(args, " "))
	return err
}
