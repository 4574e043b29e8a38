/*
 * The few answers of an S3 server that matter, out of their XML: two levels of elements below the root, and their text. What is
 * deeper is passed over. Document types, and with them entities, are refused.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

enum { REMOTE_XML_TEXT_MAX = 4096, REMOTE_CODE_MAX = 64 };

/* Called at the end of each element of the first level ("", name) and of the second (parent, name), with its own text; the
 * second level comes before the end of its parent. Not 0 ends the reading and is what remote_xml_read returns. */
typedef int remote_xml_fn(void *data, const char *parent, const char *name, const char *text, struct error *err);

int remote_xml_read(const struct buf *text, const char *root, remote_xml_fn *fn, void *data, struct error *err);

/* The code of an <Error>, "Unknown" when it has none that can be printed. False when the text is no such thing. */
bool remote_xml_error(const struct buf *text, char code[REMOTE_CODE_MAX]);
