#include "runner/image.h"

#include "base/file.h"
#include "base/mem.h"
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char usual_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Links in an image lead within it, absolute ones too. */
static bool is_program(int root, const char *path)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    struct stat st;
    auto_close int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* In which of the directories it is; yours, or NULL. */
static char *find_program(int root, const char *name, const char *path_list)
{
    for (const char *p = path_list; *p;) {
        size_t len = strcspn(p, ":");
        auto_free char *path = mem_printf("%.*s/%s", (int)len, p, name);
        if (path[0] == '/' && is_program(root, path))
            return steal(path);
        p += len + (p[len] == ':');
    }
    return NULL;
}

/* With the owner's rights. */
static int resolve(const struct runner *r, const struct container_image *image, const char *name, const char *path_list, char **path,
                   struct error *err)
{
    if (strncmp(name, "/stint/", 7) == 0 || (strchr(name, '/') && name[0] != '/')) { /* in the sandbox, not in the image */
        *path = mem_dup(name);
        return 0;
    }
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    auto_close int root = open(image->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool absolute = name[0] == '/';
    char *found = root < 0 ? NULL : absolute ? (is_program(root, name) ? mem_dup(name) : NULL) : find_program(root, name, path_list);
    int result = root < 0 ? error_sys(err, "cannot open '%s'", image->root) : 0;
    identity_leave();
    if (result < 0)
        return -1;
    if (!found)
        return error_set(err, ERR_CHILD, absolute ? "there is no program '%s' in the image; one of this machine's is sent along with "
                                                    "'transfer_executable = true'" : "there is no program '%s' in the image's PATH", name);
    *path = found;
    return 0;
}

static void add_words(struct command_list *argv, const struct command_list *words)
{
    for (size_t i = 0; i < words->count; i++)
        command_list_add(argv, words->items[i]);
}

int image_command(const struct runner *r, const struct container_image *image, const char *path_list, struct command_list *argv,
                  char **path, struct error *err)
{
    auto_command_list struct command_list arguments = { 0 };
    const char *cmd = ad_string(r->job, "Cmd", "");
    const char *slash = strrchr(cmd, '/');
    if (command_arguments(r->job, &arguments, err) < 0)
        return -1;
    if (*cmd) {
        auto_free char *sent = mem_printf("./%s", slash ? slash + 1 : cmd);
        command_list_add(argv, ad_bool(r->job, "TransferExecutable", true) ? sent : cmd);
        add_words(argv, &arguments);
    } else {
        add_words(argv, &image->entrypoint);
        add_words(argv, arguments.count > 0 ? &arguments : &image->cmd);
    }
    if (argv->count == 0)
        return error_set(err, ERR_CHILD, "the image does not say which program to run; name one with 'executable' or 'arguments'");
    return resolve(r, image, argv->items[0], path_list ? path_list : usual_path, path, err);
}

/* Only in place of a file: a link may lead anywhere. */
int image_binds(const struct runner *r, const struct container_image *image, struct context_bind *binds)
{
    static const char *const names[IMAGE_BINDS] = { "/etc/resolv.conf", "/etc/hosts" };
    int count = 0;
    if (!image->root || identity_enter(&r->owner, NULL) < 0)
        return 0;
    auto_close int root = open(image->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; root >= 0 && i < IMAGE_BINDS; i++) {
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
        struct stat st;
        auto_close int fd = (int)syscall(SYS_openat2, root, names[i], &how, sizeof how);
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && access(names[i], R_OK) == 0)
            binds[count++] = (struct context_bind){ .from = names[i], .to = names[i] };
    }
    identity_leave();
    return count;
}
