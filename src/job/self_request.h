/*
 * What a job may ask of its runner. A request is one datagram: a line of text
 *
 *   1 TOKEN VERB [ARGUMENTS]\n
 *
 * 1 is the version of this language, TOKEN are 16 hexadecimal digits that the asker has made up. The verbs and their answers:
 *
 *   checkpoint                  taken N | restored N | asked | failed REASON
 *   hold SECONDS                held SECONDS
 *   release                     released | expired
 *   progress FRACTION [TEXT]    noted
 *   remaining                   remaining SECONDS | remaining none
 *   status                      status RESUMED-FROM STINT SECONDS | status RESUMED-FROM STINT none
 *
 * and to each "refused REASON". An answer is the text of a symbolic link, answer.TOKEN, beside the socket. A request that is sent again
 * with its token is the same request.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SELF_TOKEN_LEN = 16,
    SELF_REQUEST_MAX = 512, /* bytes of a datagram; what is longer is no request */
    SELF_TEXT_MAX = 200,
    SELF_HOLD_MAX_S = 600,
};

enum self_verb { SELF_CHECKPOINT, SELF_HOLD, SELF_RELEASE, SELF_PROGRESS, SELF_REMAINING, SELF_STATUS };

struct self_request {
    enum self_verb verb;
    char token[SELF_TOKEN_LEN + 1];
    int seconds;                  /* of a hold */
    double fraction;              /* of progress, 0 to 1 */
    char text[SELF_TEXT_MAX + 1]; /* of progress, without control characters; "" when none */
};

/* Whether a token is one: exactly 16 of 0-9a-f, and an end. */
bool self_token_valid(const char *token);
/* The datagram's token, to which any answer goes. False: it has none, and cannot be answered. */
bool self_request_token(const char *data, size_t len, char token[SELF_TOKEN_LEN + 1]);
/* Errors (ERR_INVALID) are for the asker's eyes. */
int self_request_parse(const char *data, size_t len, struct self_request *out, struct error *err);
