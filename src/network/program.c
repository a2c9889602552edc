/* Programs of other packages, run to their end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/program.h"

#include <glib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/process.h"

#define PROGRAM_DEADLINE_MS 60000 /* some are written in Python, and hosts may be slow */
#define PROGRAM_ARGUMENTS_MAX 48
#define PROGRAM_OUTPUT_MAX (8u << 20)
#define PROGRAMS_REMEMBERED 64

/* What programs cause is told by the kernel, perhaps after they have ended. */
static pid_t programs[PROGRAMS_REMEMBERED];
static unsigned n_programs;

bool program_was_ours(uint32_t pid)
{
    for (unsigned i = 0; i < PROGRAMS_REMEMBERED; i++) {
        if (programs[i] != 0 && (uint32_t)programs[i] == pid)
            return true;
    }
    return false;
}

bool program_is_there(const char *name)
{
    g_autofree char *program = g_find_program_in_path(name);

    return program != NULL;
}

bool program_run(const char *name, const char *package, const char *const *arguments, const char *input,
                 char **ret_output, Error **err)
{
    g_autofree char *program = g_find_program_in_path(name);
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    const char *argv[PROGRAM_ARGUMENTS_MAX + 2] = { program };

    if (!program) {
        error_set(err, ERROR_SYSTEM, "Cannot find '%s' in path: No such file or directory", name);
        return error_hint(err, "install the package %s", package);
    }
    for (unsigned i = 0; arguments[i]; i++) {
        g_assert(i < PROGRAM_ARGUMENTS_MAX);
        argv[i + 1] = arguments[i];
    }
    spec.argv = argv;
    spec.die_with_parent = true;
    spec.started_pid = &programs[n_programs++ % PROGRAMS_REMEMBERED];
    if (!process_run(&spec, input, input ? strlen(input) : 0, PROGRAM_OUTPUT_MAX, PROGRAM_DEADLINE_MS,
                     &output, err))
        return error_prefix(err, "%s", name);
    if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0)
        return error_set(err, ERROR_INTERNAL, "%s failed: %s", name,
                         g_strchomp(*output.err ? output.err : output.out));
    if (ret_output)
        *ret_output = g_steal_pointer(&output.out);
    return true;
}
