#include "cli/chosen_ads.h"

#include "base/clock.h"
#include "cli/api.h"
#include "cli/listing.h"
#include "cli/select.h"

/* The same answer with those ads only for which the constraint is true. */
static struct ad *choose(const struct ad *answer, const char *list, const char *constraint)
{
    struct ad *some = ad_new();
    struct ad_expr *expr = NULL;
    if (constraint)
        ad_expr_parse(constraint, &expr, NULL); /* it was looked at before */
    ad_make_list(some, list);
    for (size_t i = 0; i < ad_list_count(answer, list); i++) {
        const struct ad *one = ad_list_ad(answer, list, i);
        struct ad_scope scope = { .my = one, .now = clock_wall_us() / CLOCK_SECOND_US };
        if (one && (!expr || ad_expr_true(expr, &scope)))
            ad_append_ad(some, list, ad_copy(one));
    }
    ad_expr_free(expr);
    return some;
}

/* Positive: it was printed as it came. */
static int ask(const struct cli_call *call, const char *target, const char *list, struct ad **some, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *all = NULL;
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_get(api, target, &answer, err) < 0)
        return -1;
    if (cli_given(call, "json") && !cli_given(call, "constraint")) {
        api_print_json(&answer);
        return 1;
    }
    if (api_ad(&answer, &all, err) < 0)
        return -1;
    *some = choose(all, list, cli_value(call, "constraint"));
    return 0;
}

int chosen_ads_show(const struct cli_call *call, const char *target, const char *list,
                    void (*print)(const struct ad *answer, const struct screen *screen, struct buf *out), struct error *err)
{
    auto_listing struct listing listing = { 0 };
    auto_ad struct ad *some = NULL;
    auto_buf struct buf text = { 0 }, json = { 0 };
    struct screen screen = screen_now();
    int r = select_check_constraint(call, err);
    if (r == 0)
        r = listing_begin(call, &listing, err);
    if (r == 0)
        r = ask(call, target, list, &some, err);
    if (r != 0)
        return r < 0 ? r : CLI_OK;
    ad_print_json(some, &json);
    if (cli_given(call, "json"))
        buf_printf(&text, "%s\n", buf_cstr(&json));
    else if (!listing_chosen(&listing))
        print(some, &screen, &text);
    else if (listing_print(&listing, (struct json_slice){ json.data, json.len }, list, &text, err) < 0)
        return -1;
    words_print(&text);
    return CLI_OK;
}
