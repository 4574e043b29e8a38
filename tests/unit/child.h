/* Runs this very program again as a child with a fault set: fault points read their orders once in the life of a process. */
#pragma once

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* `program child WHAT DIRECTORY`, for the main function to recognize. Returns the exit code, or minus the signal. */
static inline int child_run(const char *fault, const char *what, const char *directory)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("STINT_FAULT", fault, 1);
        execl("/proc/self/exe", "child", "child", what, directory, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 126;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
