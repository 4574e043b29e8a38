#include "cli/q_job.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[Q_FIELDS] = {
    [Q_CLUSTER] = "ClusterId", [Q_PROC] = "ProcId", [Q_OWNER] = "Owner", [Q_QDATE] = "QDate", [Q_STATE] = "JobState",
    [Q_HOLD_REASON] = "HoldReason", [Q_REMOVE_REASON] = "RemoveReason", [Q_EXIT_CODE] = "ExitCode", [Q_EXIT_SIGNAL] = "ExitSignal",
    [Q_CMD] = "Cmd", [Q_ARGUMENTS] = "Arguments", [Q_ARGS] = "Args", [Q_BATCH] = "JobBatchName", [Q_TOTAL] = "TotalSubmitProcs",
    [Q_CKPTS] = "NumCkpts", [Q_LAST_CKPT] = "LastCkptTime", [Q_LAST_CKPT_US] = "LastCkptTimeUs", [Q_GOODPUT] = "GoodputUs",
    [Q_LOST] = "LostUs", [Q_OCCUPIED] = "OccupiedUs", [Q_COMPLETION] = "CompletionDate", [Q_ENTERED] = "EnteredCurrentStatus",
    [Q_PROGRESS] = "Progress", [Q_DOCKER] = "DockerImage", [Q_CONTAINER] = "ContainerImage", [Q_STATUS] = "JobStatus", [Q_PRIO] = "JobPrio",
    [Q_MEMORY] = "MemoryUsage", [Q_SIZE] = "ImageSize", [Q_HOLD_CODE] = "HoldReasonCode", [Q_HOLD_SUBCODE] = "HoldReasonSubCode",
    [Q_START] = "JobCurrentStartDate", [Q_HOST] = "RemoteHost", [Q_CPU] = "RemoteUserCpu",
};

const char *q_name(enum q_field field)
{
    return names[field];
}

static bool is_name(struct json_slice name, enum q_field field)
{
    return strlen(names[field]) == name.len && memcmp(names[field], name.text, name.len) == 0;
}

bool q_read(struct json_slice object, struct q_job *job)
{
    struct json_walk walk = json_walk_into(object);
    struct json_slice name, value;
    int next = 0; /* fields mostly come in this order */
    *job = (struct q_job){ .whole = object };
    while (json_next_member(&walk, &name, &value)) {
        int field = next;
        while (field < Q_FIELDS && !is_name(name, (enum q_field)field))
            field++;
        for (int i = 0; field == Q_FIELDS && i < next; i++)
            field = is_name(name, (enum q_field)i) ? i : field;
        if (field < Q_FIELDS && !(value.len == 4 && memcmp(value.text, "null", 4) == 0))
            job->fields[field] = value;
        next = field < Q_FIELDS ? field + 1 : next;
    }
    return !walk.failed && object.text[0] == '{';
}

int64_t q_int(const struct q_job *job, enum q_field field, int64_t fallback)
{
    return json_int(job->fields[field], fallback);
}

bool q_has(const struct q_job *job, enum q_field field)
{
    return job->fields[field].text != NULL;
}

bool q_add_text(struct buf *out, const struct q_job *job, enum q_field field)
{
    auto_buf struct buf text = { 0 };
    if (!json_text(job->fields[field], &text))
        return false;
    words_safe(out, buf_cstr(&text));
    return true;
}

bool q_is(const struct q_job *job, enum q_field field, const char *text)
{
    struct json_slice value = job->fields[field];
    return json_is_string(value) && value.len == strlen(text) + 2 && memcmp(value.text + 1, text, value.len - 2) == 0;
}

void q_add_id(struct buf *out, const struct q_job *job)
{
    buf_printf(out, "%" PRId64, q_int(job, Q_CLUSTER, 0));
    if (q_has(job, Q_PROC))
        buf_printf(out, ".%" PRId64, q_int(job, Q_PROC, 0));
}

static void add_reason(struct buf *out, const struct q_job *job, enum q_field field)
{
    if (job->fields[field].len <= 2)
        return;
    buf_text(out, ": ");
    q_add_text(out, job, field);
}

void q_add_state(struct buf *out, const struct q_job *job)
{
    if (!q_add_text(out, job, Q_STATE))
        buf_char(out, '?');
    if (q_is(job, Q_STATE, "completed")) {
        if (q_has(job, Q_EXIT_SIGNAL))
            buf_printf(out, ": signal %" PRId64, q_int(job, Q_EXIT_SIGNAL, 0));
        else if (q_has(job, Q_EXIT_CODE))
            buf_printf(out, ": exit %" PRId64, q_int(job, Q_EXIT_CODE, 0));
        else
            buf_text(out, ": -");
    } else if (q_is(job, Q_STATE, "held") || q_is(job, Q_STATE, "holding"))
        add_reason(out, job, Q_HOLD_REASON);
    else if (q_is(job, Q_STATE, "removed") || q_is(job, Q_STATE, "removing"))
        add_reason(out, job, Q_REMOVE_REASON);
}

/* A job of an image may have no program of its own: the ad's words know what to call it then. */
static void add_from_ad(struct buf *out, const struct q_job *job)
{
    auto_ad struct ad *ad = NULL;
    if (ad_parse_json(job->whole.text, job->whole.len, &ad, NULL) == 0)
        words_command(out, ad);
    else
        buf_char(out, '?');
}

void q_add_command(struct buf *out, const struct q_job *job)
{
    auto_buf struct buf program = { 0 };
    enum q_field arguments = json_is_string(job->fields[Q_ARGUMENTS]) ? Q_ARGUMENTS : Q_ARGS;
    if (!json_text(job->fields[Q_CMD], &program) || program.len == 0) {
        add_from_ad(out, job);
        return;
    }
    const char *slash = strrchr(program.data, '/');
    words_safe(out, slash && slash[1] ? slash + 1 : program.data);
    if (job->fields[arguments].len <= 2)
        return;
    buf_char(out, ' ');
    q_add_text(out, job, arguments);
}

int64_t q_last_checkpoint_us(const struct q_job *job)
{
    return q_int(job, Q_LAST_CKPT_US, q_int(job, Q_LAST_CKPT, 0) * CLOCK_SECOND_US);
}

int q_each(struct json_slice answer, void (*fn)(void *data, const struct q_job *job), void *data, struct error *err)
{
    struct json_walk walk = json_walk_into(json_member(answer, "Jobs"));
    struct json_slice object;
    struct q_job job;
    while (json_next_item(&walk, &object))
        if (q_read(object, &job))
            fn(data, &job);
    return walk.failed ? error_set(err, ERR_INVALID, "the pool's answer makes no sense: it has no list of jobs") : 0;
}
