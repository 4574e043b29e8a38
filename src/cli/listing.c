#include "cli/listing.h"

#include "base/clock.h"
#include "cli/words.h"

#include <string.h>

static int add_list(struct columns *columns, const struct cli_words *list, struct error *err)
{
    if (list->option->takes == CLI_TAKES_PAIR)
        return columns_add_format(columns, list->words[0], list->words[1], err);
    if (columns_set_letters(columns, list->letters, err) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (columns_add_value(columns, list->words[i], err) < 0)
            return -1;
    return 0;
}

int listing_begin(const struct cli_call *call, struct listing *listing, struct error *err)
{
    listing->is_long = cli_given(call, "long");
    if (call->list_count > 0)
        listing->columns = columns_new();
    for (size_t i = 0; i < call->list_count; i++)
        if (add_list(listing->columns, &call->lists[i], err) < 0)
            return CLI_BAD_USAGE;
    if (listing->columns && !columns_any(listing->columns))
        return cli_usage_error(err, "name at least one attribute, for example --af ClusterId ProcId Cmd");
    return 0;
}

bool listing_chosen(const struct listing *listing)
{
    return listing->columns || listing->is_long;
}

void listing_attributes(const struct listing *listing, struct buf *names)
{
    if (listing->columns)
        columns_attributes(listing->columns, names);
}

static void add_long(const struct ad *ad, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    ad_print(ad, &text);
    for (const char *line = buf_cstr(&text); *line;) {
        size_t len = strcspn(line, "\n");
        auto_buf struct buf one = { 0 };
        buf_add(&one, line, len);
        words_safe(out, buf_cstr(&one));
        buf_char(out, '\n');
        line += len + (line[len] == '\n');
    }
    buf_char(out, '\n');
}

int listing_print(struct listing *listing, struct json_slice answer, const char *list, struct buf *out, struct error *err)
{
    struct json_walk walk = json_walk_into(json_member(answer, list));
    struct json_slice object;
    int64_t now = clock_wall_us() / CLOCK_SECOND_US;
    while (json_next_item(&walk, &object)) {
        auto_ad struct ad *ad = NULL;
        if (object.text[0] != '{')
            continue;
        if (ad_parse_json(object.text, object.len, &ad, err) < 0)
            return error_wrap(err, "the pool's answer makes no sense");
        if (listing->columns)
            columns_add_row(listing->columns, ad, now, out);
        else
            add_long(ad, out);
    }
    if (listing->columns)
        columns_end(listing->columns, out);
    return walk.failed ? error_set(err, ERR_INVALID, "the pool's answer makes no sense: it has no list '%s'", list) : 0;
}

void listing_release(struct listing *listing)
{
    columns_free_pointer(&listing->columns);
}
