//go:build cgo && linux && (amd64 || arm64)

package main

// The helper is to start where the C library is older than the one that it was built
// with: it asks for the oldest version of each function that has got a newer one since,
// as those moved to libc.so.6 from libraries that it has loaded as well. Functions that
// objects of others call are wrapped for that.

/*
#cgo LDFLAGS: -Wl,--no-as-needed -l:libdl.so.2 -l:libpthread.so.0 -Wl,--as-needed
#cgo LDFLAGS: -Wl,--wrap=__libc_start_main -Wl,--wrap=dlopen -Wl,--wrap=dlsym -Wl,--wrap=dlclose -Wl,--wrap=dlerror
#cgo LDFLAGS: -Wl,--wrap=dlinfo -Wl,--wrap=pthread_create -Wl,--wrap=pthread_key_create -Wl,--wrap=pthread_setspecific
#cgo LDFLAGS: -Wl,--wrap=pthread_sigmask -Wl,--wrap=pthread_getattr_np -Wl,--wrap=pthread_attr_getstack
#cgo LDFLAGS: -Wl,--wrap=pthread_attr_getstacksize

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#ifdef __x86_64__
#define BASE "GLIBC_2.2.5"
#define DLINFO "GLIBC_2.3.3"
#define GETATTR "GLIBC_2.2.5"
#else
#define BASE "GLIBC_2.17"
#define DLINFO BASE
#define GETATTR BASE
#endif

#define OLD(type, name, version, params, args) \
	type old_##name params; \
	__asm__(".symver old_" #name ", " #name "@" version); \
	type __wrap_##name params { return old_##name args; }

typedef int (*program)(int, char **, char **);
typedef void (*hook)(void);

OLD(int, __libc_start_main, BASE, (program m, int c, char **v, hook init, hook fini, hook exit, void *end), (m, c, v, init, fini, exit, end))
OLD(void *, dlopen, BASE, (const char *name, int mode), (name, mode))
OLD(void *, dlsym, BASE, (void *lib, const char *name), (lib, name))
OLD(int, dlclose, BASE, (void *lib), (lib))
OLD(char *, dlerror, BASE, (void), ())
OLD(int, dlinfo, DLINFO, (void *lib, int what, void *answer), (lib, what, answer))
OLD(int, pthread_create, BASE, (pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg), (t, a, f, arg))
OLD(int, pthread_key_create, BASE, (pthread_key_t *k, void (*f)(void *)), (k, f))
OLD(int, pthread_setspecific, BASE, (pthread_key_t k, const void *value), (k, value))
OLD(int, pthread_sigmask, BASE, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
OLD(int, pthread_getattr_np, GETATTR, (pthread_t t, pthread_attr_t *a), (t, a))
OLD(int, pthread_attr_getstack, BASE, (const pthread_attr_t *a, void **at, size_t *size), (a, at, size))
OLD(int, pthread_attr_getstacksize, BASE, (const pthread_attr_t *a, size_t *size), (a, size))
*/
import "C"
