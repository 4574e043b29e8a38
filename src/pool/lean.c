#include "pool/lean.h"

#include "base/clock.h"
#include "base/json_walk.h"
#include "base/mem.h"
#include "job/references.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { TABLE = 4096 }; /* twice the names that there may be, or more */

enum origin {
    FROM_ADS,     /* the job's own ad, else its cluster's */
    FROM_COLUMNS, /* the queue's columns, whatever the ads say */
    IF_ABSENT,    /* a value for when the ads have none */
    NOWHERE,      /* the pool keeps it to itself */
    WORKED_OUT,   /* of others: see report_job. Known only where what it is made of is absent */
};

enum column { CLUSTER, PROC, OWNER, QDATE, STATUS, STATE, STINT, PRIO, CPUS, MEMORY, DISK, ENTERED, ZERO, NOTHING };

static const struct {
    const char *name;
    enum origin origin;
    enum column column;
    const char *made_of; /* of WORKED_OUT; NULL = of what is not known here */
} known[] = {
    { "ClusterId", FROM_COLUMNS, CLUSTER, NULL },
    { "ProcId", FROM_COLUMNS, PROC, NULL },
    { "Owner", FROM_COLUMNS, OWNER, NULL },
    { "QDate", FROM_COLUMNS, QDATE, NULL },
    { "JobStatus", FROM_COLUMNS, STATUS, NULL },
    { "JobState", FROM_COLUMNS, STATE, NULL },
    { "StintNumber", FROM_COLUMNS, STINT, NULL },
    { "NumShadowStarts", FROM_COLUMNS, STINT, NULL },
    { "JobRunCount", FROM_COLUMNS, STINT, NULL },
    { "JobPrio", FROM_COLUMNS, PRIO, NULL },
    { "RequestCpus", FROM_COLUMNS, CPUS, NULL },
    { "RequestMemory", FROM_COLUMNS, MEMORY, NULL },
    { "RequestDisk", FROM_COLUMNS, DISK, NULL },
    { "EnteredCurrentStatus", IF_ABSENT, ENTERED, NULL },
    { "GoodputUs", IF_ABSENT, ZERO, NULL },
    { "LostUs", IF_ABSENT, ZERO, NULL },
    { "CheckpointUs", IF_ABSENT, ZERO, NULL },
    { "RestoreUs", IF_ABSENT, ZERO, NULL },
    { "TransferUs", IF_ABSENT, ZERO, NULL },
    { "IdleUs", IF_ABSENT, ZERO, NULL },
    { "AtRiskUs", IF_ABSENT, ZERO, NULL },
    { "OccupiedUs", IF_ABSENT, ZERO, NULL },
    { "NumCkpts", IF_ABSENT, ZERO, NULL },
    { "NumCkptsFailed", IF_ABSENT, ZERO, NULL },
    { "NumJobStarts", IF_ABSENT, ZERO, NULL },
    { "NumVacates", IF_ABSENT, ZERO, NULL },
    { "NumHolds", IF_ABSENT, ZERO, NULL },
    { "NumJobCompletions", IF_ABSENT, ZERO, NULL },
    { "LeaveReason", NOWHERE, ZERO, NULL },
    { "LeaveCause", NOWHERE, ZERO, NULL },
    { "LeaveFast", NOWHERE, ZERO, NULL },
    { "LeaveCode", NOWHERE, ZERO, NULL },
    { "LeaveSubCode", NOWHERE, ZERO, NULL },
    { "DeliverBoot", NOWHERE, ZERO, NULL },
    { "RunningSinceBootUs", NOWHERE, ZERO, NULL },
    { "ExecutingSinceBootUs", NOWHERE, ZERO, NULL },
    { "CommittedTime", WORKED_OUT, ZERO, "GoodputUs" },
    { "RemoteWallClockTime", WORKED_OUT, ZERO, "OccupiedUs" },
    { "RemoteUserCpu", WORKED_OUT, NOTHING, NULL },
    { "RemoteSysCpu", WORKED_OUT, NOTHING, NULL },
    { "CheckpointAge", WORKED_OUT, NOTHING, "LastCkptTime" },
    { "ServerTime", WORKED_OUT, NOTHING, NULL },
    { "CurrentTime", WORKED_OUT, NOTHING, NULL },
    { "MemoryUsage", WORKED_OUT, NOTHING, "ResidentSetSize" },
    { "TotalUserUs", WORKED_OUT, NOTHING, NULL },
    { "TotalSysUs", WORKED_OUT, NOTHING, NULL },
};

struct name {
    char *text;
    char *head; /* ,"Name": */
    size_t head_len;
    enum origin origin;
    enum column column;
    bool shown, asked;              /* part of the answer; of an expression */
    struct json_slice common, own;  /* the cluster's value, the job's; absent = has none */
    bool is_own;                    /* the job's counts, also when it is absent by being undefined */
    int made_of;                    /* the place of what it is worked out of; -1 = none */
};

struct lean {
    struct pool *pool;
    struct name *names;
    size_t count, capacity;
    uint16_t table[TABLE]; /* by hash: place + 1 */
    int cluster;
    bool worked_out;
    struct ad *common_ad;
    struct buf common, own; /* the texts that the slices are of */
};

static uint32_t hash(const char *text, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)(text[i] | 0x20)) * 16777619u;
    return h;
}

/* The place of a name in the table, or of the gap where it would be. */
static size_t find_place(const struct lean *lean, const char *text, size_t len)
{
    size_t at = hash(text, len) % TABLE;
    while (lean->table[at] > 0) {
        const char *other = lean->names[lean->table[at] - 1].text;
        if (strncasecmp(other, text, len) == 0 && other[len] == '\0')
            break;
        at = (at + 1) % TABLE;
    }
    return at;
}

static struct name *find_name(struct lean *lean, const char *text, size_t len)
{
    size_t place = lean->table[find_place(lean, text, len)];
    return place > 0 ? &lean->names[place - 1] : NULL;
}

static size_t add_name(struct lean *lean, const char *text)
{
    size_t at = find_place(lean, text, strlen(text)), place = lean->count;
    if (lean->table[at] > 0)
        return lean->table[at] - 1u;
    lean->names = mem_grow(lean->names, &lean->capacity, ++lean->count, sizeof *lean->names);
    lean->names[place] = (struct name){ .text = mem_dup(text), .head = mem_printf(",\"%s\":", text), .head_len = strlen(text) + 4,
                                        .made_of = -1 };
    lean->table[at] = (uint16_t)lean->count;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(known[i].name, text) != 0)
            continue;
        lean->names[place].origin = known[i].origin;
        lean->names[place].column = known[i].column;
        lean->worked_out |= known[i].origin == WORKED_OUT && !known[i].made_of;
        if (known[i].made_of) {
            size_t of = add_name(lean, known[i].made_of); /* which may move the names */
            lean->names[place].made_of = (int)of;
        }
    }
    return place;
}

struct lean *lean_new(struct pool *pool, const struct ad *names)
{
    struct lean *lean = mem_new(struct lean);
    lean->pool = pool;
    for (size_t i = 0; i < ad_count(names); i++) {
        size_t place = add_name(lean, ad_name(names, i));
        lean->names[place].shown = true;
    }
    return lean;
}

void lean_free(struct lean *lean)
{
    if (!lean)
        return;
    for (size_t i = 0; i < lean->count; i++) {
        free(lean->names[i].text);
        free(lean->names[i].head);
    }
    free(lean->names);
    ad_free(lean->common_ad);
    buf_release(&lean->common);
    buf_release(&lean->own);
    free(lean);
}

static void add_asked(void *data, const char *text)
{
    struct lean *lean = data;
    if (!ad_name_valid(text) || lean->count >= TABLE / 2) {
        lean->worked_out = true; /* what this is, is better left to the whole ad */
        return;
    }
    size_t place = add_name(lean, text);
    lean->names[place].asked = true;
}

void lean_also(struct lean *lean, const char *expr)
{
    if (expr)
        references_each(expr, add_asked, lean);
}

/* An expression, or a list or an ad, in which there may be some. */
static bool is_composed(struct json_slice value)
{
    static const char head[] = "\"\\/Expr(";
    return value.len > 0 && (value.text[0] == '{' || value.text[0] == '[' ||
                             (value.len >= sizeof head && memcmp(value.text, head, sizeof head - 1) == 0));
}

static bool is_null(struct json_slice value)
{
    return value.len == 4 && memcmp(value.text, "null", 4) == 0;
}

/* Outcome LEAN_UNFIT. */
static int load_cluster(struct lean *lean, const struct queue_job *job, struct error *err)
{
    struct queue_job plain = *job;
    struct json_slice text, value;
    if (lean->cluster == job->id.cluster)
        return 0;
    lean->cluster = 0;
    ad_free(lean->common_ad);
    lean->common_ad = NULL;
    plain.ad = NULL;
    if (queue_full_ad(lean->pool->queue, &plain, &lean->common_ad, err) < 0)
        return -1;
    buf_clear(&lean->common);
    ad_print_json(lean->common_ad, &lean->common);
    for (size_t i = 0; i < lean->count; i++)
        lean->names[i].common = (struct json_slice){ 0 };
    struct json_walk walk = json_walk_into((struct json_slice){ lean->common.data, lean->common.len });
    while (json_next_member(&walk, &text, &value)) {
        struct name *name = find_name(lean, text.text, text.len);
        if (name)
            name->common = value;
    }
    lean->cluster = job->id.cluster;
    return walk.failed ? LEAN_UNFIT : 0;
}

static struct json_slice value_in_ads(const struct name *name)
{
    struct json_slice value = name->is_own ? name->own : name->common;
    return name->origin != FROM_ADS && name->origin != IF_ABSENT ? (struct json_slice){ 0 } : value;
}

/* The job's own ad as the queue has it, or printed. */
static struct json_slice own_text(struct lean *lean, const struct queue_job *job)
{
    if (!job->ad)
        return (struct json_slice){ job->ad_text, job->ad_text_len };
    buf_clear(&lean->own);
    ad_print_json(job->ad, &lean->own);
    return (struct json_slice){ lean->own.data, lean->own.len };
}

int lean_take(struct lean *lean, const struct queue_job *job, struct error *err)
{
    struct json_slice text, value;
    if (lean->worked_out || job_state_occupies(job->state))
        return LEAN_UNFIT;
    int result = load_cluster(lean, job, err);
    if (result != 0)
        return result;
    for (size_t i = 0; i < lean->count; i++)
        lean->names[i].is_own = false;
    struct json_walk walk = json_walk_into(own_text(lean, job));
    while (json_next_member(&walk, &text, &value)) {
        struct name *name = find_name(lean, text.text, text.len);
        if (!name)
            continue;
        name->is_own = true;
        name->own = is_null(value) ? (struct json_slice){ 0 } : value;
    }
    for (size_t i = 0; i < lean->count; i++) {
        const struct name *name = &lean->names[i];
        if (name->made_of >= 0 && value_in_ads(&lean->names[name->made_of]).text)
            return LEAN_UNFIT;
        if (is_composed(value_in_ads(name)))
            return LEAN_UNFIT;
    }
    return walk.failed ? LEAN_UNFIT : 0;
}

static int64_t column_number(const struct queue_job *job, enum column column)
{
    switch (column) {
    case CLUSTER:
        return job->id.cluster;
    case PROC:
        return job->id.proc;
    case QDATE:
    case ENTERED:
        return job->submitted_us / CLOCK_SECOND_US;
    case STATUS:
        return job_state_status(job->state);
    case STINT:
        return job->stint;
    case PRIO:
        return schedule_job_prio(job);
    case CPUS:
        return job->cpus;
    case MEMORY:
        return job->memory_mb;
    case DISK:
        return job->disk_kb;
    default:
        return 0;
    }
}

static const char *column_text(const struct queue_job *job, enum column column)
{
    return column == OWNER ? job->owner : column == STATE ? job_state_name(job->state) : NULL;
}

/* Of an unparsed job only what is asked for is parsed. */
static bool set_parsed(struct ad *ad, const char *name, struct json_slice value)
{
    auto_buf struct buf text = { 0 };
    struct ad *one = NULL;
    buf_printf(&text, "{\"%s\":", name);
    buf_add(&text, value.text, value.len);
    buf_char(&text, '}');
    if (ad_parse_json(buf_cstr(&text), text.len, &one, NULL) < 0)
        return false;
    ad_update(ad, one);
    ad_free(one);
    return true;
}

int lean_ad(struct lean *lean, const struct queue_job *job, struct ad **out)
{
    struct ad *ad = ad_new();
    for (size_t i = 0; i < lean->count; i++) {
        const struct name *name = &lean->names[i];
        if (!name->asked)
            continue;
        struct json_slice value = value_in_ads(name);
        if (value.text && name->is_own && !job->ad) {
            if (set_parsed(ad, name->text, value))
                continue;
            ad_free(ad);
            return LEAN_UNFIT;
        }
        if (value.text)
            ad_copy_attribute(ad, name->text, name->is_own ? job->ad : lean->common_ad, name->text);
        else if (name->origin == FROM_ADS || name->origin == NOWHERE || name->column == NOTHING)
            continue;
        else if (column_text(job, name->column))
            ad_set_string(ad, name->text, column_text(job, name->column));
        else
            ad_set_int(ad, name->text, column_number(job, name->column));
    }
    *out = ad;
    return 0;
}

static void add_number(struct buf *out, int64_t number)
{
    char text[24], *p = text + sizeof text;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--p = '-';
    buf_add(out, p, (size_t)(text + sizeof text - p));
}

/* The names of users are nearly always plain; the ad's printer knows how the others are written. */
static void add_text(struct buf *out, const char *text)
{
    bool plain = true;
    for (const char *p = text; *p && plain; p++)
        plain = *p >= 0x20 && *p != '"' && *p != '\\' && *p != '/';
    if (plain) {
        buf_char(out, '"');
        buf_text(out, text);
        buf_char(out, '"');
        return;
    }
    auto_ad struct ad *ad = ad_new();
    auto_buf struct buf printed = { 0 };
    ad_set_string(ad, "T", text);
    ad_print_json(ad, &printed);
    buf_add(out, printed.data + 5, printed.len - 6); /* {"T":…} */
}

static bool has_value(const struct name *name)
{
    bool has_default = name->origin == FROM_COLUMNS || name->origin == IF_ABSENT || name->origin == WORKED_OUT;
    return name->shown && (value_in_ads(name).text || (has_default && name->column != NOTHING));
}

void lean_print(struct lean *lean, const struct queue_job *job, struct buf *out)
{
    size_t from = out->len;
    for (size_t i = 0; i < lean->count; i++) {
        const struct name *name = &lean->names[i];
        if (!has_value(name))
            continue;
        struct json_slice value = value_in_ads(name);
        const char *text = column_text(job, name->column);
        buf_add(out, name->head, name->head_len);
        if (value.text)
            buf_add(out, value.text, value.len);
        else if (text)
            add_text(out, text);
        else
            add_number(out, column_number(job, name->column));
    }
    if (out->len == from)
        buf_char(out, '{');
    else if (!out->full)
        out->data[from] = '{';
    buf_char(out, '}');
}
