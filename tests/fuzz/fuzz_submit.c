/* Submit files. What is parsed must print as an ad that reads back, for the first job and for every difference. */
#include "job/submit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large counts are fine, and slow: a million jobs say nothing that a thousand do not. */
static bool has_large_number(const uint8_t *data, size_t size)
{
    for (size_t i = 0, run = 0; i < size; i++) {
        run = data[i] >= '0' && data[i] <= '9' ? run + 1 : 0;
        if (run > 3)
            return true;
    }
    return false;
}

static void check_ad(const struct ad *ad)
{
    auto_buf struct buf text = { 0 };
    auto_buf struct buf again = { 0 };
    auto_ad struct ad *back = ad_new();
    ad_print(ad, &text);
    if (ad_parse(back, buf_cstr(&text), text.len, NULL) < 0)
        abort();
    ad_print(back, &again);
    if (strcmp(buf_cstr(&text), buf_cstr(&again)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct submit_options options = { .file = "fuzz.sub", .cwd = "/", .cluster = 1 };
    struct submit out = { 0 };
    struct error err = { 0 };
    if (size > 1 << 14 || has_large_number(data, size))
        return 0;
    if (submit_parse((const char *)data, size, &options, &out, &err) < 0) {
        if (out.cluster || strncmp(err.text, "fuzz.sub:", 9) != 0)
            abort();
        return 0;
    }
    if (out.proc_count == 0 || !ad_string(out.cluster, "Cmd", NULL) || out.procs[0])
        abort();
    check_ad(out.cluster);
    for (size_t i = 0; i < out.proc_count && i < 8; i++)
        if (out.procs[i])
            check_ad(out.procs[i]);
    submit_release(&out);
    return 0;
}
