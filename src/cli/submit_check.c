/*
 * The cluster's ad is looked at once; a job of it only for the attributes in which it differs, so that ten thousand jobs alike
 * cost a handful of system calls. The checks use the submitter's rights, as the transfer will.
 */
#include "cli/submit.h"

#include "base/mem.h"
#include "job/command.h"
#include "job/image.h"
#include "job/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
    const struct submit *submit;
    const char *file;
    const struct ad *job;    /* the differences; NULL = the first job */
    const char *dir;         /* where relative names start */
};

static const char *text_of(const struct look *look, const char *name)
{
    if (look->job && ad_has(look->job, name))
        return ad_string(look->job, name, NULL);
    return ad_string(look->submit->cluster, name, NULL);
}

static bool truth_of(const struct look *look, const char *name, bool fallback)
{
    const struct ad *ad = look->job && ad_has(look->job, name) ? look->job : look->submit->cluster;
    return ad_bool(ad, name, fallback);
}

static int complain(const struct look *look, const char *command, struct error *err)
{
    const char *file = look->file;
    int line = submit_line(look->submit, command, &file);
    return line > 0 ? error_wrap(err, "%s:%d: %s", file, line, command) : error_wrap(err, "%s: %s", look->file, command);
}

static char *full_path(const struct look *look, const char *name)
{
    return name[0] == '/' ? mem_dup(name) : mem_printf("%s/%s", look->dir, name);
}

static int say_absent(const char *path, struct error *err)
{
    if (errno == ENOENT)
        return error_set(err, ERR_INVALID, "'%s' does not exist", path);
    return error_sys(err, "cannot look at '%s'", path);
}

static int check_readable(const struct look *look, const char *command, const char *name, bool may_be_directory, struct error *err)
{
    auto_free char *path = full_path(look, name);
    struct stat st;
    int r = 0;
    if (stat(path, &st) < 0)
        r = say_absent(path, err);
    else if (S_ISDIR(st.st_mode) && !may_be_directory)
        r = error_set(err, ERR_INVALID, "'%s' is a directory", path);
    else if (access(path, S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK) < 0)
        r = error_sys(err, "cannot read '%s'", path);
    return r == 0 ? 0 : complain(look, command, err);
}

static const char *image_of(const struct look *look)
{
    const char *docker = text_of(look, "DockerImage");
    return docker ? docker : text_of(look, "ContainerImage");
}

/* What the path stands for is found out when the job runs; that it stands for something is seen now. */
static int check_image(const struct look *look, struct error *err)
{
    auto_image_name struct image_name name = { 0 };
    bool docker = text_of(look, "DockerImage") != NULL;
    const char *text = image_of(look);
    struct stat st;
    if (!text || strstr(text, "$$(") || image_name_parse(text, docker, &name, NULL) < 0 || name.kind == IMAGE_REGISTRY)
        return 0;
    auto_free char *path = full_path(look, name.place);
    auto_free char *shorter = NULL, *tag = NULL;
    int r = 0;
    if (stat(path, &st) < 0 && (name.tag || !image_split_tag(path, &shorter, &tag) || stat(shorter, &st) < 0))
        r = say_absent(path, err);
    else if (name.kind == IMAGE_ARCHIVE && S_ISDIR(st.st_mode))
        r = error_set(err, ERR_INVALID, "'%s' is a directory, not a tar file", path);
    else if (name.kind == IMAGE_LAYOUT && !S_ISDIR(st.st_mode))
        r = error_set(err, ERR_INVALID, "'%s' is a file, not a directory; write 'docker-archive:%s'", path, name.place);
    return r == 0 ? 0 : complain(look, docker ? "docker_image" : "container_image", err);
}

static int check_executable(const struct look *look, struct error *err)
{
    const char *name = text_of(look, "Cmd");
    bool transfer = truth_of(look, "TransferExecutable", true);
    if (!name || strstr(name, "$$(") || (!transfer && (name[0] != '/' || image_of(look))))
        return 0; /* it is looked for where the job runs */
    auto_free char *path = full_path(look, name);
    struct stat st;
    int r = 0;
    if (stat(path, &st) < 0)
        r = say_absent(path, err);
    else if (!S_ISREG(st.st_mode))
        r = error_set(err, ERR_INVALID, S_ISDIR(st.st_mode) ? "'%s' is a directory" : "'%s' is not a file", path);
    else if (st.st_size == 0)
        r = error_set(err, ERR_INVALID, "'%s' is empty", path);
    else if (access(path, X_OK) < 0)
        r = error_set(err, ERR_INVALID, "'%s' is not executable; make it so with: chmod +x '%s'", path, path);
    else if (transfer && access(path, R_OK) < 0)
        r = error_sys(err, "cannot read '%s'", path);
    return r == 0 ? 0 : complain(look, "executable", err);
}

/* What comes from elsewhere is found missing when it is fetched. */
static int check_source(const struct look *look, const char *command, const char *text, bool may_be_directory, struct error *err)
{
    auto_transfer_source struct transfer_source source = { 0 };
    if (strstr(text, "$$("))
        return 0; /* the machine completes it */
    if (transfer_source_parse(text, &source, err) < 0)
        return complain(look, command, err);
    return source.kind == TRANSFER_WEB ? 0 : check_readable(look, command, source.place, may_be_directory, err);
}

static int check_inputs(const struct look *look, struct error *err)
{
    const char *input = truth_of(look, "TransferIn", true) ? text_of(look, "In") : NULL;
    auto_command_list struct command_list files = { 0 };
    if (input && *input && strcmp(input, "/dev/null") != 0 && check_source(look, "input", input, false, err) < 0)
        return -1;
    command_files(look->job && ad_has(look->job, "TransferInput") ? look->job : look->submit->cluster, "TransferInput", &files);
    for (size_t i = 0; i < files.count; i++)
        if (check_source(look, "transfer_input_files", files.items[i], true, err) < 0)
            return -1;
    return 0;
}

/* The job's world has them in their places, so they must be there. */
static int check_writable(const struct look *look, struct error *err)
{
    auto_command_list struct command_list paths = { 0 };
    command_files(look->job && ad_has(look->job, "WritablePaths") ? look->job : look->submit->cluster, "WritablePaths", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        struct stat st;
        int r = 0;
        if (stat(paths.items[i], &st) < 0)
            r = say_absent(paths.items[i], err);
        else if (!S_ISDIR(st.st_mode))
            r = error_set(err, ERR_INVALID, "'%s' is not a directory", paths.items[i]);
        else if (access(paths.items[i], W_OK | X_OK) < 0)
            r = error_sys(err, "cannot write in directory '%s'", paths.items[i]);
        if (r < 0)
            return complain(look, "writable_paths", err);
    }
    return 0;
}

/* Output, error and log are made later; the directory must be there and take new files. */
static int check_place(const struct look *look, const char *command, const char *attribute, struct error *err)
{
    const char *name = text_of(look, attribute);
    struct stat st;
    if (!name || !*name || strcmp(name, "/dev/null") == 0)
        return 0;
    auto_free char *path = full_path(look, name);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        error_set(err, ERR_INVALID, "'%s' is a directory", path);
        return complain(look, command, err);
    }
    char *slash = strrchr(path, '/');
    const char *parent = slash == path ? "/" : path;
    *slash = '\0';
    int r = 0;
    if (stat(parent, &st) < 0)
        r = errno == ENOENT ? error_set(err, ERR_INVALID, "directory '%s' does not exist", parent)
                            : error_sys(err, "cannot look at '%s'", parent);
    else if (!S_ISDIR(st.st_mode))
        r = error_set(err, ERR_INVALID, "'%s' is not a directory", parent);
    else if (access(parent, W_OK | X_OK) < 0)
        r = error_sys(err, "cannot write in directory '%s'", parent);
    return r == 0 ? 0 : complain(look, command, err);
}

static int check_directory(const struct look *look, struct error *err)
{
    struct stat st;
    int r = 0;
    if (stat(look->dir, &st) < 0)
        r = say_absent(look->dir, err);
    else if (!S_ISDIR(st.st_mode))
        r = error_set(err, ERR_INVALID, "'%s' is not a directory", look->dir);
    return r == 0 ? 0 : complain(look, "initialdir", err);
}

static bool is_remapped(const struct look *look, const char *attribute)
{
    auto_command_list struct command_list pairs = { 0 };
    const char *name = text_of(look, attribute), *remaps = text_of(look, "TransferOutputRemaps");
    if (!name || !remaps || strcmp(attribute, "UserLog") == 0 || transfer_remaps(remaps, &pairs, NULL) < 0)
        return false;
    auto_free char *target = transfer_remap(&pairs, name, name);
    return target != NULL;
}

static int check_job(const struct look *look, struct error *err)
{
    static const struct {
        const char *command, *attribute, *elsewhere;
    } places[] = { { "output", "Out", "TransferOut" }, { "error", "Err", "TransferErr" }, { "log", "UserLog", NULL } };
    if (check_directory(look, err) < 0 || check_image(look, err) < 0 || check_executable(look, err) < 0 || check_inputs(look, err) < 0 ||
        check_writable(look, err) < 0)
        return -1;
    bool elsewhere = text_of(look, "OutputDestination") != NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if ((places[i].elsewhere && (elsewhere || !truth_of(look, places[i].elsewhere, true))) || is_remapped(look, places[i].attribute))
            continue; /* its directory is made */
        else if (check_place(look, places[i].command, places[i].attribute, err) < 0)
            return -1;
    return 0;
}

static bool concerns_files(const struct ad *differences)
{
    static const char *const attributes[] = { "Iwd", "Cmd", "TransferExecutable", "In", "TransferInput", "Out", "Err", "UserLog",
                                              "WritablePaths", "ContainerImage", "DockerImage", "TransferOut", "TransferErr", "OutputDestination", "TransferOutputRemaps", "TransferIn" };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (ad_has(differences, attributes[i]))
            return true;
    return false;
}

int submit_check(const struct submit *submit, const char *file, struct error *err)
{
    struct look look = { .submit = submit, .file = file };
    look.dir = ad_string(submit->cluster, "Iwd", "/");
    if (check_job(&look, err) < 0)
        return -1;
    for (size_t i = 0; submit->procs && i < submit->proc_count; i++) {
        if (!submit->procs[i] || !concerns_files(submit->procs[i]))
            continue;
        look.job = submit->procs[i];
        look.dir = text_of(&look, "Iwd");
        look.dir = look.dir ? look.dir : "/";
        if (check_job(&look, err) < 0)
            return -1;
    }
    return 0;
}
