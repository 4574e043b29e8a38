/* The names that a submit file sets or uses, each once, found without case. */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <search.h>
#include <strings.h>

static int compare_keys(const void *a, const void *b)
{
    const struct submit_key *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static void keep(void *node)
{
    (void)node;
}

void submit_table_release(struct submit_table *table)
{
    tdestroy(table->tree, keep);
    for (size_t i = 0; i < table->count; i++) {
        free(table->keys[i]->name);
        free(table->keys[i]->text);
        free(table->keys[i]);
    }
    free(table->keys);
    *table = (struct submit_table){ 0 };
}

struct submit_key *submit_table_find(const struct submit_table *table, const char *name)
{
    struct submit_key wanted = { .name = (char *)(uintptr_t)name };
    void *node = tfind(&wanted, &table->tree, compare_keys);
    return node ? *(struct submit_key **)node : NULL;
}

struct submit_key *submit_table_add(struct submit_table *table, const char *name)
{
    struct submit_key *key = submit_table_find(table, name);
    if (key)
        return key;
    key = mem_new(struct submit_key);
    key->name = mem_dup(name);
    key->command = submit_command_find(name);
    table->keys = mem_grow(table->keys, &table->capacity, table->count + 1, sizeof *table->keys);
    table->keys[table->count++] = key;
    if (!tsearch(key, &table->tree, compare_keys))
        abort();
    return key;
}

const char *submit_key_text(const struct submit_key *key)
{
    return key->item ? key->item : key->text;
}
