/*
 * SPANK plugin: srun, sbatch and salloc --sealift=IMAGE run tasks in containers.
 *
 * Input: the options below, and in plugstack.conf(5) task=PATH where sealift-task is not in
 * the directory that the plugin was built for. Output: in each task's process, after the
 * fork and as the user, the command is replaced by sealift-task, which learns from
 * variables what the command was and what container it runs in. It decides nothing about
 * containers, starts no program and allocates nothing in slurmstepd.
 *
 * The command is replaced in the array that Slurm passes to execve(2), instead of executing
 * another one here: the prolog of tasks and the user's limits come after this last hook.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <slurm/slurm.h>
#include <slurm/spank.h>

SPANK_PLUGIN(sealift, 1);

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/sealift"
#endif
#define PREFIX "SEALIFT_TASK_"

enum { IMAGE, MOUNTS, WORKDIR, ARGS, OPTIONS };

static int check(int val, const char *optarg, int remote);

static struct spank_option options[OPTIONS] = {
	[IMAGE] = {"sealift", "IMAGE", "Sealift: run tasks, and batch scripts, in a container of IMAGE, a file or directory on the nodes, "
		"or what 'sealift exec' takes", 1, IMAGE, check},
	[MOUNTS] = {"sealift-mounts", "SOURCE[:TARGET[:ro]]", "Sealift: make paths of the node visible, comma separated", 1, MOUNTS, check},
	[WORKDIR] = {"sealift-workdir", "DIR", "Sealift: working directory in the container", 1, WORKDIR, check},
	[ARGS] = {"sealift-args", "FLAGS", "Sealift: more flags of 'sealift exec', separated by blanks, quoted as for a shell", 1, ARGS, check},
};

/* The variables that stand for the options, for sealift-task. */
static const char *const variables[OPTIONS] = {PREFIX "IMAGE", PREFIX "MOUNTS", PREFIX "WORKDIR", PREFIX "ARGS"};

/* check refuses values that no container can have, before a job is made of them. */
static int check(int val, const char *optarg, int remote)
{
	if (optarg == NULL || *optarg == '\0') {
		slurm_error("sealift: --%s: the value is empty", options[val].name);
		return -1;
	}
	if (val == IMAGE && *optarg == '-') {
		slurm_error("sealift: --%s=%s: an image's name does not start with a hyphen", options[val].name, optarg);
		return -1;
	}
	if (val == WORKDIR && *optarg != '/') {
		slurm_error("sealift: --%s=%s: it takes an absolute path", options[val].name, optarg);
		return -1;
	}
	return 0;
}

int slurm_spank_init(spank_t sp, int ac, char *av[])
{
	for (int i = 0; i < ac; i++) {
		if (strncmp(av[i], "task=/", 6) != 0) {
			slurm_error("sealift: plugstack.conf: \"%s\" is not task=/ABSOLUTE/PATH", av[i]);
			return -1;
		}
	}
	switch (spank_context()) {
	case S_CTX_LOCAL: case S_CTX_ALLOCATOR: case S_CTX_REMOTE:
		break;
	default:
		return 0;
	}
	for (int i = 0; i < OPTIONS; i++) {
		spank_err_t err = spank_option_register(sp, &options[i]);
		if (err != ESPANK_SUCCESS) {
			slurm_error("sealift: --%s cannot be registered: %s", options[i].name, spank_strerror(err));
			return -1;
		}
	}
	return 0;
}

/* is_file says whether text is what the file at path holds. */
static int is_file(const char *path, const char *text)
{
	char block[4096];
	size_t left = strlen(text);
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return 0;
	while ((n = read(fd, block, sizeof(block))) > 0 && (size_t)n <= left && memcmp(text, block, n) == 0) {
		text += n;
		left -= n;
	}
	close(fd);
	return n == 0 && left == 0;
}

/*
 * In srun. With --multi-prog, argv is a file and its text, of which each task makes a
 * command that plugins do not see.
 */
int slurm_spank_local_user_init(spank_t sp, int ac, char *av[])
{
	int argc = 0;
	char **argv = NULL;

	unsetenv(PREFIX "PROGRAMS");
	if (spank_get_item(sp, S_JOB_ARGV, &argc, &argv) == ESPANK_SUCCESS && argc >= 2 && strchr(argv[1], '\n') && is_file(argv[0], argv[1]))
		setenv(PREFIX "PROGRAMS", "1", 1);
	return 0;
}

/* pass gives sealift-task the value of a variable; NULL is none. */
static int pass(spank_t sp, const char *name, const char *value)
{
	spank_err_t err;

	if (value == NULL) {
		spank_unsetenv(sp, name); /* it may not be there */
		return 0;
	}
	err = spank_setenv(sp, name, value, 1);
	if (err != ESPANK_SUCCESS)
		slurm_error("sealift: %s cannot be set: %s", name, spank_strerror(err));
	return err == ESPANK_SUCCESS ? 0 : -1;
}

/* contained says whether a step's tasks run in containers: not the shell of salloc, from
 * which steps are started, nor what Slurm keeps for processes of elsewhere. */
static int contained(uint32_t step)
{
	return step == SLURM_BATCH_SCRIPT || step < SLURM_MAX_NORMAL_STEP_ID;
}

int slurm_spank_task_init(spank_t sp, int ac, char *av[])
{
	char *values[OPTIONS] = {NULL}, *task = LIBEXECDIR "/sealift-task", mark[2];
	uint32_t step = 0;
	int argc = 0;
	char **argv = NULL;
	int programs = spank_getenv(sp, PREFIX "PROGRAMS", mark, sizeof(mark)) == ESPANK_SUCCESS;

	if (programs)
		spank_unsetenv(sp, PREFIX "PROGRAMS"); /* it is about this step, not those that its tasks start */
	for (int i = 0; i < ac; i++)
		task = av[i] + strlen("task=");
	for (int i = 0; i < OPTIONS; i++) {
		if (spank_option_getopt(sp, &options[i], &values[i]) != ESPANK_SUCCESS)
			values[i] = NULL;
	}
	if (values[IMAGE] == NULL) {
		for (int i = 0; i < OPTIONS; i++) {
			if (values[i] != NULL) {
				slurm_error("sealift: --%s takes --%s=IMAGE, too", options[i].name, options[IMAGE].name);
				return -1;
			}
		}
		return 0;
	}
	if (spank_get_item(sp, S_JOB_STEPID, &step) != ESPANK_SUCCESS || spank_get_item(sp, S_JOB_ARGV, &argc, &argv) != ESPANK_SUCCESS) {
		slurm_error("sealift: Slurm does not tell what the task is");
		return -1;
	}
	if (!contained(step))
		return 0;
	if (argc < 1 || argv == NULL || argv[0] == NULL) {
		slurm_error("sealift: there is no command to run in the container");
		return -1;
	}
	if (programs && step != SLURM_BATCH_SCRIPT) {
		slurm_error("sealift: --%s and --multi-prog exclude each other: have the lines of %s start 'sealift exec' themselves",
			options[IMAGE].name, argv[0]);
		return -1;
	}
	if (access(task, X_OK) != 0) {
		slurm_error("sealift: %s cannot be executed: %s; install Sealift there, or give task=PATH in plugstack.conf", task, strerror(errno));
		return -1;
	}
	for (int i = 0; i < OPTIONS; i++) {
		if (pass(sp, variables[i], values[i]) != 0)
			return -1;
	}
	if (pass(sp, PREFIX "COMMAND", argv[0]) != 0 || pass(sp, PREFIX "SCRIPT", step == SLURM_BATCH_SCRIPT ? argv[0] : NULL) != 0)
		return -1;
	argv[0] = strdup(task); /* in this process, which executes it and ends */
	if (argv[0] == NULL) {
		slurm_error("sealift: out of memory");
		return -1;
	}
	return 0;
}
