#include "store/remote_xml.h"

#include "base/mem.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS = 3, NAME_MAX_BYTES = 64 };

struct reader {
    XML_Parser parser;
    const char *root;
    remote_xml_fn *fn;
    void *data;
    struct error *err;
    int depth; /* of elements that are open */
    int result;
    char names[LEVELS][NAME_MAX_BYTES];
    struct buf text[LEVELS]; /* each level's own: what stands between its children does not count to them */
};

static void stop(struct reader *reader, int result)
{
    reader->result = result;
    XML_StopParser(reader->parser, XML_FALSE);
}

static void on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = data;
    (void)attributes;
    int level = reader->depth++;
    if (level >= LEVELS || reader->result != 0) /* a stopped parser may have a call or two left */
        return;
    if (level == 0 && strcmp(name, reader->root) != 0) {
        stop(reader, error_set(reader->err, ERR_CORRUPT, "the answer is not a '%s'", reader->root));
        return;
    }
    snprintf(reader->names[level], NAME_MAX_BYTES, "%s", name);
    buf_clear(&reader->text[level]);
}

static void on_text(void *data, const XML_Char *text, int len)
{
    struct reader *reader = data;
    if (reader->depth >= 1 && reader->depth <= LEVELS)
        buf_add(&reader->text[reader->depth - 1], text, (size_t)len);
}

static void on_end(void *data, const XML_Char *name)
{
    struct reader *reader = data;
    (void)name;
    int level = --reader->depth;
    if (level < 1 || level >= LEVELS || reader->result != 0)
        return;
    const struct buf *text = &reader->text[level];
    if (text->full) {
        stop(reader, error_set(reader->err, ERR_LIMIT, "the answer has a text of more than %d bytes", REMOTE_XML_TEXT_MAX));
        return;
    }
    const char *parent = level == 1 ? "" : reader->names[1];
    int r = reader->fn(reader->data, parent, reader->names[level], buf_cstr(text), reader->err);
    if (r != 0)
        stop(reader, r);
}

static void on_doctype(void *data, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
    struct reader *reader = data;
    (void)name, (void)system, (void)public, (void)internal;
    stop(reader, error_set(reader->err, ERR_CORRUPT, "the answer has a document type"));
}

static int parse(struct reader *reader, const char *text, size_t len)
{
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    if (XML_Parse(reader->parser, text, (int)len, XML_TRUE) == XML_STATUS_OK)
        return 0;
    if (reader->result != 0)
        return reader->result;
    return error_set(reader->err, ERR_CORRUPT, "the answer is not XML: %s in line %lu",
                     XML_ErrorString(XML_GetErrorCode(reader->parser)),
                     (unsigned long)XML_GetCurrentLineNumber(reader->parser));
}

int remote_xml_read(const struct buf *text, const char *root, remote_xml_fn *fn, void *data, struct error *err)
{
    struct reader reader = { .root = root, .fn = fn, .data = data, .err = err };
    /* While a server completes an upload it sends white space, so that nobody takes it for dead; before the XML declaration,
     * where none is allowed. */
    const char *start = buf_cstr(text);
    size_t blank = strspn(start, " \t\r\n");
    reader.parser = XML_ParserCreate("UTF-8");
    if (!reader.parser)
        abort();
    for (int i = 0; i < LEVELS; i++)
        reader.text[i].max = REMOTE_XML_TEXT_MAX;
    int r = parse(&reader, start + blank, text->len - blank);
    XML_ParserFree(reader.parser);
    for (int i = 0; i < LEVELS; i++)
        buf_release(&reader.text[i]);
    return r;
}

static int take_code(void *data, const char *parent, const char *name, const char *text, struct error *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.";
    (void)err;
    size_t len = strlen(text);
    if (!*parent && strcmp(name, "Code") == 0 && len > 0 && len < REMOTE_CODE_MAX && strspn(text, allowed) == len)
        snprintf(data, REMOTE_CODE_MAX, "%s", text);
    return 0;
}

bool remote_xml_error(const struct buf *text, char code[REMOTE_CODE_MAX])
{
    char found[REMOTE_CODE_MAX] = "Unknown";
    if (text->len == 0 || remote_xml_read(text, "Error", take_code, found, NULL) < 0)
        return false;
    snprintf(code, REMOTE_CODE_MAX, "%s", found);
    return true;
}
