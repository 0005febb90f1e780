package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/files"
	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/gpu/request"
)

// way is a specification of NVIDIA's GPUs and where it is from.
type way struct {
	spec *specs.Spec
	from string
	slow bool // to find again
	libs plan.Facts
}

// nvidia takes what --nv means. Without a GPU it warns, unless one was named.
func (f *finder) nvidia(ctx context.Context) error {
	n := f.request.NVIDIA
	w := f.recalled(ctx, n)
	if w == nil && n.By == "" {
		f.warn("--nv: neither a GPU nor a driver of NVIDIA's was found; sealift doctor gpu says more")
		return nil
	}
	if w == nil {
		text := fmt.Sprintf("%s names %s, but neither a GPU nor a driver of NVIDIA's was found", n.By, strings.Join(n.IDs, ","))
		return hint.New(strings.Join(append([]string{text}, f.Warnings...), "; "), "sealift doctor gpu says what is missing; or unset %s", n.By)
	}
	if err := f.chosen(w, n.IDs, n.By); err != nil {
		return err
	}
	return f.modes(n)
}

// recalled returns what was kept, or else searches, and keeps what took long to find:
// unless there was something to warn of, which the next start is to do as well.
func (f *finder) recalled(ctx context.Context, n *request.NVIDIA) *way {
	if f.kept != nil {
		return &way{spec: f.kept.Spec, from: f.kept.From + ", as an earlier start has found it", libs: f.kept.Libraries}
	}
	told := len(f.Warnings)
	w := f.search(ctx, n)
	if w != nil && f.key != "" && w.slow && len(f.Warnings) == told {
		w.libs = plan.Look(w.spec, f.Root)
		f.Keep = &Kept{Key: f.key, From: w.from, Spec: w.spec, Libraries: w.libs}
	}
	return w
}

// search tries the ways to find NVIDIA's GPUs: specifications that exist, as they
// take no asking of the driver, the helper, and looking at files. It returns nil where
// none leads to anything, and says why in warnings.
func (f *finder) search(ctx context.Context, n *request.NVIDIA) *way {
	from := n.From
	tried := func(name string) bool { return from == "" || from == "auto" || from == name }
	if tried("cdi") {
		w, err := f.fromCDI()
		if w != nil {
			return w
		}
		if err != nil {
			f.warn("%v", err)
		}
	}
	seen := f.NVIDIA(n.Compat32)
	// With a driver in the kernel, the library makes nodes that are missing.
	worth := seen != nil && (len(seen.Devices) > 0 || f.KernelVersion() != "")
	if tried("helper") && (worth || from == "helper") {
		w, err := f.fromHelper(ctx)
		if w != nil {
			return w
		}
		if !errors.Is(err, errNoHelper) || from == "helper" {
			f.warn("%v", err)
		}
	}
	if tried("files") && seen != nil {
		return &way{spec: seen, from: "the driver's files"}
	}
	return nil
}

// fromCDI uses specifications that somebody has written.
func (f *finder) fromCDI() (*way, error) {
	if f.CDI == nil {
		return nil, nil
	}
	spec, names := f.CDI.Kind(files.Kind)
	if spec == nil {
		if problems := f.CDI.Problems(); len(problems) > 0 {
			return nil, fmt.Errorf("CDI: %s", strings.Join(problems, "; "))
		}
		return nil, nil
	}
	list := strings.Join(names, ", ")
	if stale := plan.Stale(spec, f.Root); stale != nil {
		return nil, fmt.Errorf("%s is out of date and not used: %w", list, stale)
	}
	return &way{spec: spec, from: "the CDI specification " + list, slow: true}, nil
}

// openGPUs lists the GPUs that the caller may use.
func (f *finder) openGPUs(spec *specs.Spec) []plan.GPU {
	gpus := []plan.GPU{} // not nil: they are NVIDIA's
	for _, g := range plan.GPUs(spec, f.Root) {
		if !slices.ContainsFunc(g.Nodes, func(n string) bool { return f.Access(n) != nil }) {
			gpus = append(gpus, g)
		}
	}
	return gpus
}

// chosen takes the GPUs that ids mean, of those that the caller may use.
func (f *finder) chosen(w *way, ids []string, by string) error {
	gpus := f.openGPUs(w.spec)
	chosen, err := plan.Choose(gpus, ids, by)
	if err != nil {
		return f.closed(w, ids, by, err)
	}
	names := []string{} // as with none, where there is no GPU
	for _, g := range chosen {
		names = append(names, g.Name)
	}
	if len(gpus) == 0 && len(ids) > 0 {
		f.noGPU(w)
	}
	if len(names) > 0 {
		f.modprobe(w.spec)
	}
	f.take(plan.Source{Spec: w.spec, Names: names, From: w.from, Explicit: by != "", GPUs: gpus, Libraries: w.libs}, w.from)
	return nil
}

// closed explains err, that a GPU is not among the usable ones, by that of its node if
// it is there.
func (f *finder) closed(w *way, ids []string, by string, err error) error {
	everyone := plan.GPUs(w.spec, f.Root)
	for _, id := range ids {
		meant, unknown := plan.Choose(everyone, []string{id}, by)
		if unknown != nil {
			continue
		}
		for _, g := range meant {
			for _, node := range g.Nodes {
				if closed := f.usable(by+" "+id, node); closed != nil {
					return closed
				}
			}
		}
	}
	return err
}

// noGPU warns that there is a driver only.
func (f *finder) noGPU(w *way) {
	for _, g := range plan.GPUs(w.spec, f.Root) {
		for _, node := range g.Nodes {
			if err := f.Access(node); err != nil {
				f.warn("--nv: no GPU may be used here: %s: %v; sealift doctor gpu says more", node, err)
				return
			}
		}
	}
	f.warn("--nv: no GPU was found, only the driver; sealift doctor gpu says more")
}

// modes takes further devices of NVIDIA's driver. IMEX channels that may be used come
// with every GPU.
func (f *finder) modes(n *request.NVIDIA) error {
	for _, mode := range n.Modes {
		spec, err := f.Mode(mode, n.IMEX)
		switch {
		case err != nil && mode == "imex":
			return hint.Wrap(fmt.Errorf("NVIDIA_IMEX_CHANNELS: %w", err), "see /dev/nvidia-caps-imex-channels")
		case err != nil:
			f.warn("%v", err)
		default:
			f.optional(spec, mode, "")
		}
	}
	if !slices.Contains(n.Modes, "imex") {
		if spec, err := f.Mode("imex", []string{"all"}); err == nil {
			_ = f.open(spec, "imex") // those that are closed were not asked for
		}
	}
	if spec := f.MPS(); spec != nil {
		f.take(plan.Source{Spec: spec, From: "CUDA's multi-process service"}, "CUDA's multi-process service")
	}
	return nil
}

// errNoHelper says that there is no helper to ask.
var errNoHelper = errors.New("no helper is installed that asks NVIDIA's library")

// fromHelper asks NVIDIA's library.
func (f *finder) fromHelper(ctx context.Context) (*way, error) {
	if f.Helper == "" {
		return nil, errNoHelper
	}
	answer, err := f.ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("NVIDIA's library could not be asked: %w", err)
	}
	for _, text := range answer.Warnings {
		f.warn("%s", text)
	}
	return &way{spec: answer.Spec, from: "NVIDIA's library", slow: true}, nil
}
