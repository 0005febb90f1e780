package probe

import (
	"context"
	"os"

	"github.com/sealift/sealift/runtime/doctor"
)

// groups tells of the control groups of this process, and of who manages them.
func groups(_ context.Context, m *machine) func(*doctor.Findings) {
	_, err := os.Stat("/run/systemd/system") // sd_booted(3)
	return func(f *doctor.Findings) {
		f.Groups, f.Systemd, f.UserManager = m.host.Cgroups.Groups, err == nil, m.host.Manager != ""
	}
}
