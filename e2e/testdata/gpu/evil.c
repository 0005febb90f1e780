/* A library that writes down which program has loaded it. */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void)
{
	char name[4096];
	ssize_t n = readlink("/proc/self/exe", name, sizeof name - 1);
	int log = open("/evil.log", O_WRONLY | O_APPEND);
	if (n < 0 || log < 0) return;
	name[n++] = '\n';
	if (write(log, name, n) < n) _exit(99);
	close(log);
}
