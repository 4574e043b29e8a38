#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/story.h"

#include <inttypes.h>
#include <stdio.h>

enum { AT_ONCE = 1000, WAIT_S = 30 };

void story_event_line(const struct ad *event, struct buf *out)
{
    words_time(out, ad_int(event, "Time", 0));
    auto_buf struct buf id = { 0 };
    words_id(&id, event);
    buf_printf(out, "  %-8s  ", buf_cstr(&id));
    words_event(out, event);
    buf_char(out, '\n');
}

static void print_events(const struct cli_call *call, const struct ad *answer, int64_t *seq)
{
    auto_buf struct buf text = { 0 };
    size_t count = ad_list_count(answer, "Events");
    for (size_t i = 0; i < count; i++) {
        const struct ad *event = ad_list_ad(answer, "Events", i);
        if (!event)
            continue;
        int64_t number = ad_int(event, "Seq", 0);
        *seq = number > *seq ? number : *seq;
        if (!cli_given(call, "json")) {
            story_event_line(event, &text);
            continue;
        }
        ad_print_json(event, &text);
        buf_char(&text, '\n');
    }
    words_print(&text);
}

/* Where to begin when --after does not say it: so far back that about `limit` events follow. One job's events are few: all. */
static int find_start(const struct cli_call *call, struct api *api, int64_t limit, int64_t *after, struct error *err)
{
    auto_ad struct ad *pool = NULL;
    *after = 0;
    if ((call->operand_count > 0 || cli_given(call, "constraint")) && !cli_given(call, "limit"))
        return 0;
    if (api_get_ad(api, "/v1/pool", &pool, err) < 0)
        return -1;
    int64_t last = ad_int(pool, "LastEvent", 0);
    *after = last > limit ? last - limit : 0;
    return 0;
}

static int next_events(const struct cli_call *call, struct api *api, int wait_s, int64_t at_most, int64_t *seq, size_t *count,
                       struct error *err)
{
    auto_buf struct buf target = { 0 };
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *events = NULL;
    buf_printf(&target, "/v1/events?after=%" PRId64 "&wait=%d&limit=%" PRId64, *seq, wait_s, at_most);
    if (call->operand_count > 0)
        http_add_query(&target, "id", call->operands[0]);
    if (cli_given(call, "constraint"))
        http_add_query(&target, "constraint", cli_value(call, "constraint"));
    if (api_get_waiting(api, buf_cstr(&target), wait_s, &answer, err) < 0 || api_ad(&answer, &events, err) < 0)
        return -1;
    *count = ad_list_count(events, "Events");
    print_events(call, events, seq);
    if (cli_given(call, "constraint") && *count == 0) { /* what no job of interest did is behind us */
        int64_t last = ad_int(events, "Last", *seq);
        *count = last > *seq && wait_s == 0;
        *seq = last > *seq ? last : *seq;
    }
    fflush(stdout);
    return 0;
}

int run_events(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    int64_t seq, limit;
    size_t count = 1;
    bool follow = cli_given(call, "follow");
    int r = select_check(call, err);
    if (r == 0)
        r = cli_number(call, "limit", 50, &limit, err);
    if (r == 0)
        r = cli_number(call, "after", -1, &seq, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    if (seq < 0)
        r = find_start(call, api, limit, &seq, err);
    /* after a given event at most as many as were asked for; else all that there are */
    int64_t left = cli_given(call, "after") && cli_given(call, "limit") && !follow ? limit : INT64_MAX;
    while (r == 0 && (follow || count > 0) && left > 0 && !ferror(stdout)) {
        r = next_events(call, api, follow && count < AT_ONCE ? WAIT_S : 0, left < AT_ONCE ? left : AT_ONCE, &seq, &count, err);
        left -= left == INT64_MAX ? 0 : (int64_t)count;
    }
    return r;
}
