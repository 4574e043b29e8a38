/*
 * Tries to get away: closes its descriptors, starts a daemon (two forks, a session of its own, another directory, signals
 * ignored) that writes its process number to the given file and then sleeps for an hour, and ends with exit code 0.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void live_on(const char *path)
{
    char tmp[4096];
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *file = fopen(tmp, "w");
    if (!file || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0 || rename(tmp, path) != 0)
        _exit(1);
    if (chdir("/") < 0)
        _exit(1);
    sleep(3600);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    for (int fd = 0; fd < 256; fd++)
        close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0)
            live_on(argv[1]);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    while (access(argv[1], F_OK) < 0)
        usleep(10000);
    return 0;
}
