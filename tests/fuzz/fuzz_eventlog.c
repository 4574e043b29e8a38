/* Event logs. An event that was read prints as one that reads the same, however strange the first text was. */
#include "job/eventlog.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct ad *event)
{
    auto_buf struct buf text = { 0 };
    auto_buf struct buf again = { 0 };
    struct ad *back = NULL;
    size_t used = 0;
    eventlog_print(event, &text);
    if (eventlog_parse(buf_cstr(&text), text.len, &used, &back, NULL) != 0 || used != text.len)
        abort();
    eventlog_print(back, &again);
    ad_free(back);
    if (strcmp(buf_cstr(&text), buf_cstr(&again)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    while (size > 0) {
        struct ad *event = NULL;
        struct error err;
        size_t used = 0;
        if (eventlog_parse(text, size, &used, &event, &err) != 0)
            return 0;
        if (used == 0 || used > size)
            abort();
        check_event(event);
        ad_free(event);
        text += used;
        size -= used;
    }
    return 0;
}
