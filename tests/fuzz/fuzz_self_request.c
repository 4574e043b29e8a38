/* Datagrams of a job to its runner. What is understood keeps its limits, and its token is what answers go to. */
#include "job/self_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct self_request request;
    char token[SELF_TOKEN_LEN + 1];
    bool answerable = self_request_token((const char *)data, size, token);
    if (answerable && !self_token_valid(token))
        abort();
    if (self_request_parse((const char *)data, size, &request, NULL) < 0)
        return 0;
    if (!answerable || strcmp(token, request.token) != 0 || size > SELF_REQUEST_MAX)
        abort();
    if (request.verb == SELF_HOLD && (request.seconds < 1 || request.seconds > SELF_HOLD_MAX_S))
        abort();
    if (!(request.fraction >= 0 && request.fraction <= 1) || strlen(request.text) > SELF_TEXT_MAX)
        abort();
    for (const char *p = request.text; *p; p++)
        if ((unsigned char)*p < ' ')
            abort();
    return 0;
}
