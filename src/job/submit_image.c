/*
 * docker_image, container_image and the universes of these names. HTCondor keeps such jobs as vanilla ones with WantDocker or
 * WantContainer, so do we; what the image is decides how it is brought, not the universe's name. The program is in the image
 * when it is not transferred, or when there is none: then the image says what to run.
 */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "job/image.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct submit_key *key_of(const struct submit_parser *parser, const char *command)
{
    const struct submit_command *found = submit_command_find(command);
    const struct submit_key *key = found ? parser->set[found - submit_commands] : NULL;
    const char *text = key ? submit_key_text(key) : "";
    while (isspace((unsigned char)*text))
        text++;
    return *text ? key : NULL;
}

bool submit_names_image(const struct submit_parser *parser)
{
    return key_of(parser, "docker_image") || key_of(parser, "container_image");
}

int submit_to_image(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_image_name struct image_name name = { 0 };
    bool docker = strcmp(command->name, "docker_image") == 0;
    auto_free char *text = submit_unquoted(value);
    if (image_name_parse(text, docker, &name, err) < 0)
        return error_wrap(err, "%s", command->name);
    ad_set_string(job->ad, command->attribute, text);
    ad_set_bool(job->ad, docker ? "WantDocker" : "WantContainer", true);
    if (!docker && name.kind == IMAGE_REGISTRY)
        ad_set_bool(job->ad, "WantDockerImage", true);
    return 0;
}

int submit_to_pull_policy(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    if (strcasecmp(value, "always") != 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is unknown; write 'always', or nothing: an image that is here is not fetched again",
                         command->name, value);
    ad_set_string(job->ad, command->attribute, "always");
    return 0;
}

int submit_to_target_dir(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    (void)err;
    if (strcmp(value, "/stint/work") != 0)
        submit_warn(job->parser, job->line, "%s = %.60s is not supported: the sandbox is always /stint/work, in and out of containers",
                    command->name, value);
    ad_set_string(job->ad, command->attribute, value);
    return 0;
}

int submit_to_override_entrypoint(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    if (submit_to_bool(job, command, value, err) < 0)
        return -1;
    if (!ad_bool(job->ad, command->attribute, true))
        submit_warn(job->parser, job->line, "%s = false is not supported: an executable runs by itself, without the image's entrypoint",
                    command->name);
    return 0;
}

static int refuse(const struct submit_parser *parser, const char *command, int line, struct error *err)
{
    const struct submit_key *key = key_of(parser, command);
    return error_wrap(err, "%s:%d", key ? key->file : parser->file, key ? key->line : line);
}

int submit_check_image(const struct submit_parser *parser, const struct ad *ad, int line, struct error *err)
{
    bool docker = ad_has(ad, "DockerImage"), container = ad_has(ad, "ContainerImage");
    if (docker && container) {
        error_set(err, ERR_INVALID, "docker_image and container_image are both set; remove one of them");
        return refuse(parser, "container_image", line, err);
    }
    if (ad_bool(ad, "WantDocker", false) && !docker) {
        error_set(err, ERR_INVALID, container ? "universe = docker takes docker_image; write that instead of container_image, or 'universe = container'"
                                              : "universe = docker needs an image; add 'docker_image = name' or a path");
        return refuse(parser, "universe", line, err);
    }
    if (ad_bool(ad, "WantContainer", false) && !docker && !container) {
        error_set(err, ERR_INVALID, "universe = container needs an image; add 'container_image = path', or 'docker://name'");
        return refuse(parser, "universe", line, err);
    }
    if ((docker || container) && strcasecmp(ad_string(ad, "ShouldTransferFiles", "YES"), "NO") == 0) {
        error_set(err, ERR_INVALID, "a job in a container works in a sandbox, as the directory of the submit file is not in the image; "
                                    "remove 'should_transfer_files = NO'");
        return refuse(parser, "should_transfer_files", line, err);
    }
    return 0;
}
