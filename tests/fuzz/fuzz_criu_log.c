/* CRIU's log, which has names of files in it that the job chose: there is always a sentence, and it is fit for a terminal. */
#include "base/mem.h"
#include "engine/criu_log.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct criu_cause cause;
    auto_free char *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    criu_log_explain_text(exact, size, &cause);
    size_t len = strnlen(cause.text, sizeof cause.text);
    if (len == 0 || len == sizeof cause.text || strnlen(cause.name, sizeof cause.name) == sizeof cause.name)
        abort();
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)cause.text[i] < ' ' || cause.text[i] == 0x7f)
            abort();
    return 0;
}
