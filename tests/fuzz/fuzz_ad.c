/* The text form of ads. */
#include "ad_round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_ad struct ad *ad = ad_new();
    struct error err = { 0 };
    if (ad_parse(ad, (const char *)data, size, &err) < 0) {
        require(ad_count(ad) == 0 && err.text[0], "a refused text left something behind", err.text);
        return 0;
    }
    check_ad_round_trip(ad);
    auto_ad struct ad *copy = ad_copy(ad);
    for (size_t i = 0; i < ad_count(ad); i++)
        require(ad_same(ad, copy, ad_name(ad, i)), "a copy differs in", ad_name(ad, i));
    return 0;
}
