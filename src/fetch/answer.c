#include "fetch/answer.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_MAX_BYTES = 8192 };

static void begin(struct answer *a, const char *line)
{
    const char *blank = strchr(line, ' ');
    *a = (struct answer){ .length = -1, .range_from = -1, .range_total = -1 };
    a->status = blank ? strtol(blank, NULL, 10) : 0;
}

static void copy(char *to, size_t size, const char *value)
{
    if (strlen(value) < size)
        snprintf(to, size, "%s", value);
}

static int64_t number(const char *text, const char **end)
{
    *end = text + strspn(text, "0123456789");
    return *end == text || *end - text > 18 ? -1 : strtoll(text, NULL, 10);
}

/* "bytes FROM-TO/TOTAL", or an asterisk for what lies before or behind the slash. */
static void read_range(struct answer *a, const char *value)
{
    const char *at = value + 5, *slash = strchr(value, '/'), *end;
    if (strncasecmp(value, "bytes", 5) != 0 || !slash)
        return;
    at += strspn(at, " =");
    a->range_from = number(at, &end);
    a->range_total = number(slash + 1, &end);
}

static int base64_value(char c)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : -1;
}

/* Of a list such as "md5=…, sha-256=BASE64" or "sha-256=:BASE64:" the 32 bytes, in hexadecimal. */
static void read_digest(const char *value, char hex[PART_DIGEST_TEXT])
{
    const char *at = strcasestr(value, "sha-256=");
    unsigned bits = 0;
    int held = 0, count = 0;
    if (!at || (at > value && at[-1] != ',' && at[-1] != ' '))
        return;
    at += 8;
    at += *at == ':';
    for (int v; (v = base64_value(*at)) >= 0 && count < 32; at++) {
        bits = (bits << 6 | (unsigned)v) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            snprintf(hex + 2 * count++, 3, "%02x", bits >> held & 0xFF);
        }
    }
    if (count != 32)
        hex[0] = '\0';
}

static void take(struct answer *a, const char *name, const char *value)
{
    const char *end;
    if (strcasecmp(name, "content-length") == 0)
        a->length = number(value, &end);
    else if (strcasecmp(name, "content-range") == 0)
        read_range(a, value);
    else if (strcasecmp(name, "transfer-encoding") == 0)
        a->chunked = strcasestr(value, "chunked") != NULL;
    else if (strcasecmp(name, "etag") == 0 && strncasecmp(value, "W/", 2) != 0)
        copy(a->etag, sizeof a->etag, value);
    else if (strcasecmp(name, "last-modified") == 0)
        copy(a->date, sizeof a->date, value);
    else if (strcasecmp(name, "date") == 0)
        copy(a->sent, sizeof a->sent, value);
    else if (strcasecmp(name, "repr-digest") == 0 || strcasecmp(name, "digest") == 0)
        read_digest(value, a->whole);
    else if (strcasecmp(name, "content-digest") == 0)
        read_digest(value, a->body);
}

void answer_line(struct answer *a, const char *line, size_t len)
{
    char text[LINE_MAX_BYTES];
    if (len >= sizeof text || memchr(line, '\0', len))
        return;
    memcpy(text, line, len);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    if (strncasecmp(text, "HTTP/", 5) == 0) {
        begin(a, text);
        return;
    }
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    char *value = colon + 1;
    for (char *p = value; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    take(a, text, value + strspn(value, " "));
}
