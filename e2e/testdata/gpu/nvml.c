/* A libnvidia-ml that knows GPUS GPUs of which the first has MIG0 instances, or whose
   start ends with the error FAIL. Types are as wide as those of NVIDIA's library. */
#include <stdio.h>
#include <string.h>

#ifndef GPUS
#define GPUS 2
#endif
#ifndef MIG0
#define MIG0 0
#endif
#ifndef FAIL
#define FAIL 0
#endif

typedef int ret;
typedef struct device { int index, instance; } *dev;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char busid[32]; } pci;

enum { OK, UNINITIALIZED, INVALID, UNSUPPORTED, NOTFOUND = 6 };

static struct device gpus[GPUS + 1], mig[MIG0 + 1];

static dev gpu(unsigned i) { gpus[i].index = i; gpus[i].instance = -1; return &gpus[i]; }

ret nvmlInit_v2(void) { return FAIL; }
ret nvmlInit(void) { return FAIL; }
ret nvmlInitWithFlags(unsigned flags) { return FAIL; }
ret nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(ret r) { return r == OK ? "fine" : "broken on purpose"; }
ret nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "%s", DRIVER); return OK; }
ret nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 12040; return OK; }
ret nvmlDeviceGetCount_v2(unsigned *n) { *n = GPUS; return OK; }
ret nvmlDeviceGetHandleByIndex_v2(unsigned i, dev *d) { if (i >= GPUS) return INVALID; *d = gpu(i); return OK; }
ret nvmlDeviceGetIndex(dev d, unsigned *i) { *i = d->index; return OK; }
ret nvmlDeviceGetMinorNumber(dev d, unsigned *i) { *i = d->index; return OK; }
ret nvmlDeviceGetUUID(dev d, char *s, unsigned n)
{
	if (d->instance < 0) snprintf(s, n, "GPU-%08d-1111-2222-3333-444444444444", d->index);
	else snprintf(s, n, "MIG-%08d-1111-2222-3333-4444444444%02d", d->index, d->instance);
	return OK;
}
ret nvmlDeviceGetHandleByUUID(const char *s, dev *d)
{
	char u[80];
	for (unsigned i = 0; i < GPUS; i++) {
		nvmlDeviceGetUUID(gpu(i), u, sizeof u);
		if (!strcmp(s, u)) { *d = gpu(i); return OK; }
	}
	for (unsigned i = 0; i < MIG0; i++) {
		mig[i].index = 0; mig[i].instance = i;
		nvmlDeviceGetUUID(&mig[i], u, sizeof u);
		if (!strcmp(s, u)) { *d = &mig[i]; return OK; }
	}
	return NOTFOUND;
}
ret nvmlDeviceGetName(dev d, char *s, unsigned n) { snprintf(s, n, "Test GPU"); return OK; }
ret nvmlDeviceGetBrand(dev d, int *b) { *b = 0; return OK; }
ret nvmlDeviceGetArchitecture(dev d, unsigned *a) { *a = 7; return OK; }
ret nvmlDeviceGetCudaComputeCapability(dev d, int *a, int *b) { *a = 8; *b = 0; return OK; }
ret nvmlDeviceGetPciInfo_v3(dev d, pci *p)
{
	memset(p, 0, sizeof *p);
	p->bus = d->index + 1;
	snprintf(p->busid, sizeof p->busid, "00000000:%02X:00.0", p->bus);
	return OK;
}
ret nvmlDeviceGetMigMode(dev d, unsigned *now, unsigned *later) { *now = *later = MIG0 && d->index == 0; return OK; }
ret nvmlDeviceGetMaxMigDeviceCount(dev d, unsigned *n) { *n = d->index == 0 ? MIG0 : 0; return OK; }
ret nvmlDeviceGetMigDeviceHandleByIndex(dev d, unsigned i, dev *m)
{
	if (i >= MIG0) return NOTFOUND;
	mig[i].index = d->index; mig[i].instance = i;
	*m = &mig[i];
	return OK;
}
ret nvmlDeviceIsMigDeviceHandle(dev d, unsigned *is) { *is = d->instance >= 0; return OK; }
ret nvmlDeviceGetMemoryInfo(dev d, unsigned long long m[3]) { m[0] = m[1] = 40ULL << 30; m[2] = 0; return OK; }
ret nvmlDeviceGetAttributes_v2(dev d, struct { unsigned counts[7]; unsigned long long megabytes; } *a) { memset(a, 0, sizeof *a); a->megabytes = 5 << 10; return OK; }
ret nvmlDeviceGetGpuInstanceId(dev d, unsigned *i) { *i = d->instance + 1; return OK; }
ret nvmlDeviceGetComputeInstanceId(dev d, unsigned *i) { *i = 0; return OK; }
ret nvmlDeviceGetGpuInstanceById(dev d, unsigned id, dev *gi) { *gi = &mig[id - 1]; return OK; }
ret nvmlGpuInstanceGetInfo(dev gi, struct { dev d; unsigned id, profile, start, size; } *i)
{
	memset(i, 0, sizeof *i);
	i->d = gpu(0); i->id = gi->instance + 1;
	return OK;
}
/* One profile there is, with the number 0. */
ret nvmlDeviceGetGpuInstanceProfileInfo(dev d, unsigned profile, struct { unsigned id, counts[9]; unsigned long long megabytes; } *i)
{
	if (profile) return UNSUPPORTED;
	memset(i, 0, sizeof *i);
	i->counts[1] = 1;
	i->megabytes = 5 << 10;
	return OK;
}
ret nvmlGpuInstanceGetComputeInstanceProfileInfo(dev gi, unsigned profile, unsigned engine, struct { unsigned id, counts[8]; } *i)
{
	if (profile || engine) return UNSUPPORTED;
	memset(i, 0, sizeof *i);
	i->counts[0] = 1;
	return OK;
}
ret nvmlGpuInstanceGetComputeInstanceById(dev gi, unsigned id, dev *ci) { *ci = gi; return OK; }
ret nvmlComputeInstanceGetInfo_v2(dev ci, struct { dev d, gi; unsigned id, profile, start, size; } *i)
{
	memset(i, 0, sizeof *i);
	i->d = gpu(0); i->gi = ci;
	return OK;
}
ret nvmlDeviceGetDeviceHandleFromMigDeviceHandle(dev m, dev *d) { *d = gpu(m->index); return OK; }
