package systemd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sealift/sealift/buildcfg/hint"
)

// manager is a socket that answers one call as systemd does, with an error unless that is
// empty. The call is sent to the channel.
func manager(t *testing.T, failure string) (socket string, calls <-chan *dbus.Message) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "private")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan *dbus.Message, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadString('\n')
			switch line = strings.TrimLeft(line, "\x00"); {
			case err != nil:
				t.Error(err)
				return
			case strings.HasPrefix(line, "AUTH EXTERNAL"):
				c.Write([]byte("DATA\r\n"))
			case strings.HasPrefix(line, "DATA"):
				c.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
			case strings.HasPrefix(line, "AUTH"):
				c.Write([]byte("REJECTED EXTERNAL\r\n"))
			case strings.HasPrefix(line, "BEGIN"):
				m, err := dbus.DecodeMessage(in)
				if err != nil {
					t.Error(err)
					return
				}
				answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
					dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()),
				}}
				if failure != "" {
					answer.Type = dbus.TypeError
					answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.AccessDenied")
					answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(""))
					answer.Body = []any{failure}
				}
				// A serial is given by a connection only; any is good here.
				if err := encode(c, answer); err != nil {
					t.Error(err)
				}
				got <- m
				return
			}
		}
	}()
	return socket, got
}

// encode writes a message with the serial 1, which follows the length in the header.
func encode(c net.Conn, m *dbus.Message) error {
	var b strings.Builder
	err := m.EncodeTo(&b, binary.LittleEndian)
	text := []byte(b.String())
	if err == nil && len(text) > 12 {
		text[8] = 1
		_, err = c.Write(text)
	}
	return err
}

func TestStart(t *testing.T) {
	socket, calls := manager(t, "")
	if err := start(context.Background(), socket, "sealift-7.scope", []int{7, 8}); err != nil {
		t.Fatal(err)
	}
	m := <-calls
	if m == nil || len(m.Body) != 4 || m.Body[0] != "sealift-7.scope" || m.Body[1] != "fail" || m.Headers[dbus.FieldMember].Value() != "StartTransientUnit" {
		t.Fatalf("%v", m)
	}
	found := map[string]any{}
	for _, p := range m.Body[2].([][]any) {
		found[p[0].(string)] = p[1].(dbus.Variant).Value()
	}
	if pids, ok := found["PIDs"].([]uint32); !ok || len(pids) != 2 || pids[0] != 7 || pids[1] != 8 || found["Delegate"] != true {
		t.Errorf("%v", found)
	}
}

func TestRefused(t *testing.T) {
	socket, _ := manager(t, "no more scopes")
	if err := Scope(socket, os.Getpid()); err == nil || !strings.Contains(err.Error(), "no more scopes") || !strings.Contains(hint.Of(err), "Delegate=yes") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	if err := Scope(filepath.Join(t.TempDir(), "none"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestArrive(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := arrive(ctx, "sealift-0.scope", os.Getpid()); err == nil || !strings.Contains(err.Error(), "did not get into sealift-0.scope") {
		t.Errorf("%v", err)
	}
	if err := arrive(ctx, "sealift-0.scope", 1<<30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
