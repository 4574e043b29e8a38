/* Open files and the names of files: what an image refers to and the sandbox has to give back. */
#include "zoo.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

struct record {
    int number, check;
};

static void write_record(int fd, int i)
{
    struct record r = {i, i * 7 + 1};
    CHECK(write(fd, &r, sizeof r) == sizeof r, "cannot write record %d", i);
}

static void read_record(int fd, int i)
{
    struct record r;
    CHECK(read(fd, &r, sizeof r) == sizeof r, "record %d is not there", i);
    CHECK(r.number == i && r.check == i * 7 + 1, "record %d reads as %d", i, r.number);
}

/* Two descriptors share an offset, a third has its own; flags of file and descriptor are kept. */
void zoo_offsets(void)
{
    int fd = (int)MUST(open("offsets.dat", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    int twin = (int)MUST(dup(fd)), reader = (int)MUST(open("offsets.dat", O_RDONLY | O_NONBLOCK)), i = 0;
    for (; zoo_step(); i++) {
        off_t at = (off_t)(i * sizeof(struct record));
        CHECK(lseek(twin, 0, SEEK_CUR) == at, "the twin is at %ld", (long)lseek(twin, 0, SEEK_CUR));
        write_record(fd, i);
        if (i % 2 == 1) {
            read_record(reader, i - 1);
            read_record(reader, i);
        }
        CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && (fcntl(reader, F_GETFL) & O_NONBLOCK), "flags of the files");
        CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0, "flags of the descriptors");
        if (zoo_damaged())
            MUST(lseek(twin, -1, SEEK_CUR));
    }
    MUST(lseek(reader, 0, SEEK_SET));
    for (int j = 0; j < i; j++)
        read_record(reader, j);
    char byte;
    CHECK(read(reader, &byte, 1) == 0, "the file is too long");
}

/* Two processes append to one file in turn. */
void zoo_append(void)
{
    int ask[2], answer[2];
    MUST(pipe(ask));
    MUST(pipe(answer));
    int mine = (int)MUST(open("append.txt", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    pid_t child = zoo_fork();
    if (child == 0) {
        close(mine);
        int theirs = (int)MUST(open("append.txt", O_WRONLY | O_APPEND));
        for (int i = 0; zoo_get(ask[0]) == 'n'; i++) {
            MUST(dprintf(theirs, "child %d\n", i));
            zoo_put(answer[1], 'd');
        }
        _exit(0);
    }
    int i = 0;
    for (; zoo_step(); i++) {
        MUST(dprintf(mine, "parent %d\n", i));
        zoo_put(ask[1], 'n');
        zoo_get(answer[0]);
        if (zoo_damaged())
            MUST(ftruncate(mine, 100));
    }
    zoo_put(ask[1], 'q');
    zoo_expect_exit(child, 0);
    FILE *f = fopen("append.txt", "r");
    char line[64], wanted[64];
    for (int j = 0; j < 2 * i; j++) {
        snprintf(wanted, sizeof wanted, "%s %d\n", j % 2 ? "child" : "parent", j / 2);
        CHECK(fgets(line, sizeof line, f) && strcmp(line, wanted) == 0, "line %d is '%s'", j, line);
    }
    CHECK(!fgets(line, sizeof line, f), "a line too many: '%s'", line);
    fclose(f);
}

/* Two names of one file, one of which is open; links that point to it, to a directory and to nothing; a file with a hole. */
void zoo_links(void)
{
    MUST(mkdir("tree", 0750));
    MUST(mkdir("tree/empty", 0700));
    int fd = (int)MUST(open("tree/first", O_WRONLY | O_CREAT | O_APPEND, 0640));
    MUST(link("tree/first", "second"));
    MUST(symlink("tree/first", "pointer"));
    MUST(symlink("tree", "directory"));
    MUST(symlink("nowhere", "dangling"));
    int hole = (int)MUST(open("tree/hole", O_WRONLY | O_CREAT, 0600));
    MUST(pwrite(hole, "end", 3, 1 << 20));
    MUST(close(hole));
    zoo_write_file("old", "old");
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    MUST(utimensat(AT_FDCWD, "old", times, 0));
    for (int i = 0; zoo_step(); i++) {
        struct stat a, b, c, d;
        MUST(dprintf(fd, "%d\n", i));
        MUST(fstat(fd, &a));
        MUST(stat("second", &b));
        MUST(stat("pointer", &c));
        MUST(stat("directory/first", &d));
        CHECK(a.st_ino == b.st_ino && b.st_ino == c.st_ino && c.st_ino == d.st_ino, "the names mean different files");
        CHECK(a.st_nlink == 2 && (a.st_mode & 07777) == 0640, "%d names, mode %o", (int)a.st_nlink, (unsigned)a.st_mode);
        MUST(lstat("dangling", &a));
        CHECK(S_ISLNK(a.st_mode), "the dangling link is something else");
        MUST(stat("tree/empty", &a));
        CHECK(S_ISDIR(a.st_mode) && (a.st_mode & 07777) == 0700, "the empty directory has mode %o", (unsigned)a.st_mode);
        MUST(stat("tree/hole", &a));
        CHECK(a.st_size == (1 << 20) + 3, "the file with a hole has %ld bytes", (long)a.st_size);
        MUST(stat("old", &a));
        CHECK(a.st_mtime == 1000000000, "the old file is of %ld", (long)a.st_mtime);
        if (zoo_damaged()) {
            MUST(unlink("second"));
            zoo_write_file("second", "0\n");
        }
    }
}

/* Files whose last name is gone: in the sandbox, in /tmp, and one that lost only one of two names. */
void zoo_unlinked(void)
{
    int gone = (int)MUST(open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(unlink("gone"));
    int half = (int)MUST(open("half", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(link("half", "other-half"));
    MUST(unlink("half"));
    FILE *temporary = tmpfile();
    CHECK(temporary, "no tmpfile");
    int fds[] = {gone, half, fileno(temporary)};
    for (int i = 0; zoo_step(); i++) {
        for (int f = 0; f < 3; f++) {
            write_record(fds[f], i);
            MUST(lseek(fds[f], -(off_t)sizeof(struct record), SEEK_CUR));
            read_record(fds[f], i);
        }
        struct stat st, named;
        MUST(fstat(gone, &st));
        CHECK(st.st_nlink == 0, "the file without a name has %d", (int)st.st_nlink);
        MUST(fstat(half, &st));
        MUST(stat("other-half", &named));
        CHECK(st.st_ino == named.st_ino, "the open file has lost its other name");
        CHECK(access("gone", F_OK) != 0 && access("half", F_OK) != 0, "a removed name is back");
        if (zoo_damaged())
            MUST(ftruncate(gone, 0));
    }
    for (int f = 0; f < 3; f++) {
        MUST(lseek(fds[f], 0, SEEK_SET));
        for (long i = 0; i < zoo_steps(); i++)
            read_record(fds[f], (int)i);
    }
}

/* A file that never had a name. */
void zoo_o_tmpfile(void)
{
    int fd = (int)MUST(open(".", O_TMPFILE | O_RDWR, 0600));
    for (int i = 0; zoo_step(); i++) {
        write_record(fd, i);
        if (zoo_damaged())
            MUST(ftruncate(fd, 0));
    }
    MUST(lseek(fd, 0, SEEK_SET));
    for (long i = 0; i < zoo_steps(); i++)
        read_record(fd, (int)i);
}

/* Files in /tmp and /var/tmp, open and closed ones. */
void zoo_files_tmp(void)
{
    char directory[] = "/tmp/zoo.XXXXXX", file[] = "/var/tmp/zoo.XXXXXX", path[64], content[64];
    CHECK(mkdtemp(directory), "no directory in /tmp");
    snprintf(path, sizeof path, "%s/file", directory);
    int fd = (int)MUST(mkstemp(file));
    for (int i = 0; zoo_step(); i++) {
        write_record(fd, i);
        if (i) {
            snprintf(content, sizeof content, "content %d", i - 1);
            zoo_expect_file(path, content);
        }
        snprintf(content, sizeof content, "content %d", i);
        zoo_write_file(path, content);
        if (zoo_damaged())
            MUST(unlink(path));
    }
    MUST(lseek(fd, 0, SEEK_SET));
    for (long i = 0; i < zoo_steps(); i++)
        read_record(fd, (int)i);
    MUST(unlink(file));
    MUST(unlink(path));
    MUST(rmdir(directory));
}

/* A working directory below the sandbox, an open directory, and one that is read bit by bit. */
void zoo_dirs(void)
{
    char before[4096], now[4096], name[32];
    MUST(mkdir("one", 0755));
    MUST(mkdir("one/two", 0755));
    int one = (int)MUST(open("one", O_PATH | O_DIRECTORY));
    MUST(chdir("one/two"));
    CHECK(getcwd(before, sizeof before), "no working directory");
    long steps = zoo_steps(), seen = 0;
    for (long i = 0; i < steps; i++) {
        snprintf(name, sizeof name, "f%ld", i);
        zoo_write_file(name, "x");
    }
    DIR *reading = opendir(".");
    CHECK(reading, "cannot read a directory");
    for (long i = 0; zoo_step(); i++) {
        CHECK(getcwd(now, sizeof now) && strcmp(now, before) == 0, "the working directory is '%s'", now);
        snprintf(name, sizeof name, "two/f%ld", i);
        MUST(faccessat(one, name, F_OK, 0));
        for (struct dirent *entry; (entry = readdir(reading)) != NULL;)
            if (entry->d_name[0] == 'f') {
                seen++;
                break;
            }
        if (zoo_damaged())
            MUST(chdir(".."));
    }
    CHECK(seen == steps, "the directory had %ld of %ld files", seen, steps);
}

/* A named pipe with records in it. */
void zoo_fifo(void)
{
    MUST(mkfifo("fifo", 0600));
    struct flight f = {.bytes = 64};
    f.out = (int)MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    f.in = (int)MUST(open("fifo", O_WRONLY));
    flight_send(&f, 100);
    while (zoo_step()) {
        flight_step(&f);
        struct stat st;
        MUST(stat("fifo", &st));
        CHECK(S_ISFIFO(st.st_mode), "the name means no named pipe");
        if (zoo_damaged())
            flight_lose(&f);
    }
    flight_land(&f);
}
