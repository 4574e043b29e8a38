/* What holds for every ad that a parser let in: both notations read back as the same ad. */
#pragma once

#include "ad/ad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void require(bool holds, const char *what, const char *text)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, text);
    abort();
}

static inline void check_ad_round_trip(const struct ad *ad)
{
    auto_buf struct buf text = { 0 };
    auto_buf struct buf json = { 0 };
    auto_buf struct buf text_again = { 0 };
    auto_buf struct buf json_again = { 0 };
    struct error err = { 0 };
    ad_print(ad, &text);
    ad_print_json(ad, &json);
    auto_ad struct ad *from_text = ad_new();
    require(ad_parse(from_text, buf_cstr(&text), text.len, &err) == 0, err.text, buf_cstr(&text));
    auto_ad struct ad *from_json = NULL;
    require(ad_parse_json(buf_cstr(&json), json.len, &from_json, &err) == 0, err.text, buf_cstr(&json));
    ad_print(from_json, &text_again);
    ad_print_json(from_text, &json_again);
    require(strcmp(buf_cstr(&text), buf_cstr(&text_again)) == 0, buf_cstr(&text), buf_cstr(&text_again));
    require(strcmp(buf_cstr(&json), buf_cstr(&json_again)) == 0, buf_cstr(&json), buf_cstr(&json_again));
}
