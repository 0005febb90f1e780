package host

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift/runtime/account"
)

// getentTime bounds the wait for a directory service that does not answer, for all
// questions together.
const getentTime = 3 * time.Second

// getentPaths are where the C library's own name lookup is asked for accounts
// that live in LDAP or sssd. A static program cannot load NSS modules itself.
var getentPaths = []string{"/usr/bin/getent", "/bin/getent"}

// identify fills in User and GroupNames. Files are read first; getent is
// started only for what they do not have.
func (f *Facts) identify(environ []string) {
	gids := append([]uint32{f.GID}, f.Groups...)
	f.GroupNames = account.GroupNames(read("/etc/group"), gids)
	ctx, cancel := context.WithTimeout(context.Background(), getentTime)
	defer cancel()
	user, known := find(ctx, f.UID)
	f.nameGroups(ctx, gids)
	f.User = user
	if !known {
		f.User = userFromEnv(environ)
	}
}

// find returns the account of a user.
func find(ctx context.Context, uid uint32) (user account.User, known bool) {
	user, known = account.Find(read("/etc/passwd"), uid)
	if !known {
		user, known = account.Find(getent(ctx, "passwd", itoa(uid)), uid)
	}
	return user, known
}

// Home returns a user's home directory, empty where no account says so. A program
// without the variable HOME finds its user's files by it.
func Home(uid int) string {
	ctx, cancel := context.WithTimeout(context.Background(), getentTime)
	defer cancel()
	user, _ := find(ctx, uint32(uid))
	return user.Home
}

// nameGroups asks getent for every group that has no name yet.
func (f *Facts) nameGroups(ctx context.Context, gids []uint32) {
	var missing []string
	for _, gid := range gids {
		if _, named := f.GroupNames[gid]; !named {
			missing = append(missing, itoa(gid))
		}
	}
	if len(missing) == 0 {
		return
	}
	for gid, name := range account.GroupNames(getent(ctx, "group", missing...), gids) {
		f.GroupNames[gid] = name
	}
}

// getent returns what the first getent that can be started says about keys. It
// answers unknown keys with a status and nothing on its output.
func getent(ctx context.Context, database string, keys ...string) string {
	for _, path := range getentPaths {
		cmd := exec.CommandContext(ctx, path, append([]string{database}, keys...)...)
		cmd.Env = []string{}
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		if err == nil || cmd.ProcessState != nil {
			return string(out)
		}
	}
	return ""
}

// userFromEnv is what can be known about an account that no database has.
func userFromEnv(environ []string) account.User {
	var u account.User
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case "USER":
			u.Name = value
		case "LOGNAME":
			if u.Name == "" {
				u.Name = value
			}
		case "HOME":
			u.Home = value
		case "SHELL":
			u.Shell = value
		}
	}
	if strings.ContainsAny(u.Name+u.Home+u.Shell, ":\n") {
		return account.User{} // would forge fields or lines in a passwd file
	}
	return u
}

func itoa(id uint32) string { return strconv.FormatUint(uint64(id), 10) }
