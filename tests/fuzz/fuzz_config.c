/* stint.conf: what is taken makes sense, what is not is named with its line, and nothing but its settings is touched. */
#include "base/mem.h"
#include "pool/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct config *c)
{
    assert(c->cpus >= 1 && c->cpus <= 100000 && c->keep_generations >= 1);
    assert(c->memory_mb >= 1 && c->disk_kb >= 1);
    assert(c->checkpoint_interval_us >= 0 && c->checkpoint_timeout_us >= 0 && c->max_vacate_us >= 0);
    assert(c->history_us >= 0 && c->usage_halflife_us >= 0);
}

/* The line that the error names is the first that is wrong: what stands before it is good by itself. */
static void check_error(const uint8_t *data, const char *text, const struct error *err)
{
    int number = 0;
    assert(err->kind == ERR_INVALID && sscanf(err->text, "stint.conf:%d:", &number) == 1 && number >= 1);
    auto_free char *copy = mem_dup_n((const char *)data, strlen(text));
    char *at = copy;
    struct config c = { 0 };
    struct error other;
    for (int line = 1; line < number; line++) {
        at = strchr(at, '\n');
        assert(at);
        at++;
    }
    if (at > copy) {
        at[-1] = '\0';
        assert(config_parse(&c, copy, &other) == 0);
        config_release(&c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c = { .cpus = 1, .memory_mb = 1, .disk_kb = 1, .keep_generations = 1 };
    struct error err = { 0 };
    auto_free char *whole = mem_dup_n((const char *)data, size);
    auto_free char *text = mem_dup(whole);
    if (config_parse(&c, text, &err) == 0)
        check_values(&c);
    else
        check_error(data, whole, &err);
    config_release(&c);
    return 0;
}
