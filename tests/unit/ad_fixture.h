/* What the programs that test ads share. Include it after cmocka.h. */
#pragma once

#include "ad/ad.h"
#include "base/mem.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static inline void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not contain '%s'", text, part);
}

static inline char *text_of(const struct ad *ad)
{
    struct buf b = { 0 };
    ad_print(ad, &b);
    return buf_steal(&b);
}

static inline char *json_of(const struct ad *ad)
{
    struct buf b = { 0 };
    ad_print_json(ad, &b);
    return buf_steal(&b);
}

static inline struct ad *from_json(const char *json)
{
    struct error err = { 0 };
    struct ad *ad = NULL;
    if (ad_parse_json(json, strlen(json), &ad, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    return ad;
}

static inline struct ad *from_text(const char *text)
{
    struct error err = { 0 };
    struct ad *ad = ad_new();
    if (ad_parse(ad, text, strlen(text), &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return ad;
}

static inline void check_round_trips(const struct ad *ad, const char *where)
{
    auto_free char *text = text_of(ad);
    auto_free char *json = json_of(ad);
    auto_ad struct ad *text_again = from_text(text);
    auto_ad struct ad *json_again = from_json(json);
    auto_free char *text_of_json = text_of(json_again);
    auto_free char *json_of_text = json_of(text_again);
    if (strcmp(text, text_of_json) != 0 || strcmp(json, json_of_text) != 0 || !ad_same(ad, text_again, "x") ||
        !ad_same(ad, json_again, "x"))
        fail_msg("%s: %s does not come back from text or JSON (%s)", where, text, json);
}

static inline char *repeated(const char *open, int count, const char *middle, const char *close)
{
    struct buf b = { 0 };
    for (int i = 0; i < count; i++)
        buf_text(&b, open);
    buf_text(&b, middle);
    for (int i = 0; i < count; i++)
        buf_text(&b, close);
    return buf_steal(&b);
}
