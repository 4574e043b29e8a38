/* The JSON form of ads. */
#include "ad_round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ad *ad = NULL;
    struct error err = { 0 };
    if (ad_parse_json((const char *)data, size, &ad, &err) < 0) {
        require(!ad && err.text[0], "refused JSON left something behind", err.text);
        return 0;
    }
    check_ad_round_trip(ad);
    ad_free(ad);
    return 0;
}
