/*
 * The container: an array of attributes in the order they were first given. Ads have tens of attributes, so a lookup is a walk
 * over the hashes of the names, which fit a few cache lines; an index would cost more memory than it saves time. What
 * comes from outside meets AD_COUNT_MAX, so that the walk cannot be made quadratic in anything that matters.
 *
 * A setter builds its value completely before it touches the ad: the value may be borrowed from the very attribute it replaces.
 */
#include "ad/ad.h"

#include "ad/node.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

char node_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

uint32_t node_hash(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)node_lower(*name)) * 16777619u;
    return hash;
}

int node_compare_names(const char *a, const char *b)
{
    while (*a && node_lower(*a) == node_lower(*b)) {
        a++;
        b++;
    }
    return (uint8_t)node_lower(*a) - (uint8_t)node_lower(*b);
}

/* Most names are written as they were given first. */
static bool is_same_name(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || node_compare_names(a, b) == 0;
}

static struct attribute *find_hashed(const struct ad *ad, const char *name, uint32_t hash)
{
    for (size_t i = 0; i < ad->count; i++)
        if (ad->hashes[i] == hash && is_same_name(ad->attributes[i].name, name))
            return &ad->attributes[i];
    return NULL;
}

static struct attribute *find(const struct ad *ad, const char *name)
{
    return find_hashed(ad, name, node_hash(name));
}

const struct node *node_find_hashed(const struct ad *ad, const char *name, uint32_t hash)
{
    const struct attribute *attribute = find_hashed(ad, name, hash);
    return attribute ? &attribute->value : NULL;
}

const struct node *node_find(const struct ad *ad, const char *name)
{
    const struct attribute *attribute = find(ad, name);
    return attribute ? &attribute->value : NULL;
}

/* The name is valid, and has this hash. */
static void assign(struct ad *ad, const char *name, uint32_t hash, struct node value)
{
    struct attribute *attribute = find_hashed(ad, name, hash);
    if (attribute) {
        node_release(&attribute->value);
        attribute->value = value;
        return;
    }
    struct attribute fresh = { .name = mem_dup(name), .value = value };
    size_t capacity = ad->capacity;
    ad->hashes = mem_grow(ad->hashes, &capacity, ad->count + 1, sizeof *ad->hashes);
    ad->attributes = mem_grow(ad->attributes, &ad->capacity, ad->count + 1, sizeof *ad->attributes);
    ad->hashes[ad->count] = hash;
    ad->attributes[ad->count++] = fresh;
}

void node_assign_any(struct ad *ad, const char *name, struct node value)
{
    assert(*name && strlen(name) <= AD_NAME_MAX);
    assign(ad, name, node_hash(name), value);
}

void node_assign(struct ad *ad, const char *name, struct node value)
{
    assert(ad_name_valid(name));
    node_assign_any(ad, name, value);
}

struct ad *ad_new(void)
{
    return mem_new(struct ad);
}

struct ad *ad_copy(const struct ad *ad)
{
    struct ad *copy = ad_new();
    copy->attributes = mem_zero(ad->count, sizeof *copy->attributes);
    copy->hashes = mem_zero(ad->count, sizeof *copy->hashes);
    copy->count = ad->count;
    copy->capacity = ad->count ? ad->count : 1;
    if (ad->count)
        memcpy(copy->hashes, ad->hashes, ad->count * sizeof *copy->hashes);
    for (size_t i = 0; i < ad->count; i++)
        copy->attributes[i] = (struct attribute){
            .name = mem_dup(ad->attributes[i].name),
            .value = node_copy(&ad->attributes[i].value),
        };
    return copy;
}

void ad_free(struct ad *ad)
{
    if (!ad)
        return;
    for (size_t i = 0; i < ad->count; i++) {
        free(ad->attributes[i].name);
        node_release(&ad->attributes[i].value);
    }
    free(ad->attributes);
    free(ad->hashes);
    free(ad);
}

void ad_free_pointer(struct ad **ad)
{
    ad_free(*ad);
}

static bool is_name_start(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

bool node_name_valid_n(const char *name, size_t len)
{
    if (len == 0 || len > AD_NAME_MAX || !is_name_start(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_name_start(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '.')
            return false;
    return true;
}

bool ad_name_valid(const char *name)
{
    return node_name_valid_n(name, strnlen(name, AD_NAME_MAX + 1));
}

bool node_is_word(const char *name)
{
    return ad_name_valid(name) && !strchr(name, '.');
}

int ad_set_expr(struct ad *ad, const char *name, const char *text, struct error *err)
{
    struct node value;
    struct node_source source = { .text = text, .len = strlen(text) };
    if (node_parse(&source, &value, err) < 0)
        return error_wrap(err, "%s", name);
    node_assign(ad, name, value);
    return 0;
}

void ad_set_int(struct ad *ad, const char *name, int64_t value)
{
    node_assign(ad, name, (struct node){ .kind = NODE_INT, .integer = value });
}

void ad_set_real(struct ad *ad, const char *name, double value)
{
    node_assign(ad, name, (struct node){ .kind = NODE_REAL, .real = value });
}

void ad_set_bool(struct ad *ad, const char *name, bool value)
{
    node_assign(ad, name, (struct node){ .kind = NODE_BOOL, .boolean = value });
}

void ad_set_string(struct ad *ad, const char *name, const char *value)
{
    node_assign(ad, name, node_string(value, strlen(value)));
}

void ad_set_ad(struct ad *ad, const char *name, struct ad *nested)
{
    assert(nested != ad);
    node_assign(ad, name, (struct node){ .kind = NODE_AD, .ad = nested });
}

static struct node *list_of(struct ad *ad, const char *name)
{
    struct attribute *attribute = find(ad, name);
    if (attribute && attribute->value.kind == NODE_LIST)
        return &attribute->value;
    node_assign(ad, name, (struct node){ .kind = NODE_LIST });
    return &find(ad, name)->value;
}

void ad_make_list(struct ad *ad, const char *name)
{
    list_of(ad, name);
}

void ad_append_ad(struct ad *ad, const char *name, struct ad *nested)
{
    assert(nested != ad);
    node_push(list_of(ad, name), (struct node){ .kind = NODE_AD, .ad = nested });
}

void ad_append_string(struct ad *ad, const char *name, const char *value)
{
    struct node child = node_string(value, strlen(value));
    node_push(list_of(ad, name), child);
}

bool ad_remove(struct ad *ad, const char *name)
{
    struct attribute *attribute = find(ad, name);
    if (!attribute)
        return false;
    size_t at = (size_t)(attribute - ad->attributes);
    size_t behind = ad->count - at - 1;
    free(attribute->name);
    node_release(&attribute->value);
    memmove(attribute, attribute + 1, behind * sizeof *attribute);
    memmove(ad->hashes + at, ad->hashes + at + 1, behind * sizeof *ad->hashes);
    ad->count--;
    return true;
}

void ad_update(struct ad *into, const struct ad *from)
{
    if (into == from)
        return;
    for (size_t i = 0; i < from->count; i++)
        assign(into, from->attributes[i].name, from->hashes[i], node_copy(&from->attributes[i].value));
}

bool ad_copy_attribute(struct ad *into, const char *as, const struct ad *from, const char *name)
{
    const struct attribute *attribute = find(from, name);
    if (!attribute)
        return false;
    assert(ad_name_valid(as));
    assign(into, as, node_hash(as), node_copy(&attribute->value));
    return true;
}

bool ad_has(const struct ad *ad, const char *name)
{
    return find(ad, name);
}

int64_t ad_int(const struct ad *ad, const char *name, int64_t fallback)
{
    const struct node *value = node_find(ad, name);
    if (value && value->kind == NODE_INT)
        return value->integer;
    /* 2^63 itself is a double, but not an int64_t; NaN fails every comparison. */
    if (value && value->kind == NODE_REAL && value->real >= -0x1p63 && value->real < 0x1p63 &&
        value->real == (double)(int64_t)value->real)
        return (int64_t)value->real;
    return fallback;
}

double ad_real(const struct ad *ad, const char *name, double fallback)
{
    const struct node *value = node_find(ad, name);
    if (value && value->kind == NODE_REAL)
        return value->real;
    return value && value->kind == NODE_INT ? (double)value->integer : fallback;
}

bool ad_bool(const struct ad *ad, const char *name, bool fallback)
{
    const struct node *value = node_find(ad, name);
    return value && value->kind == NODE_BOOL ? value->boolean : fallback;
}

const char *ad_string(const struct ad *ad, const char *name, const char *fallback)
{
    const struct node *value = node_find(ad, name);
    return value && value->kind == NODE_STRING ? value->text : fallback;
}

const struct ad *ad_ad(const struct ad *ad, const char *name)
{
    const struct node *value = node_find(ad, name);
    return value && value->kind == NODE_AD ? value->ad : NULL;
}

size_t ad_list_count(const struct ad *ad, const char *name)
{
    const struct node *value = node_find(ad, name);
    return value && value->kind == NODE_LIST ? value->count : 0;
}

static const struct node *list_item(const struct ad *ad, const char *name, size_t i, enum node_kind kind)
{
    const struct node *value = node_find(ad, name);
    if (!value || value->kind != NODE_LIST || i >= value->count || value->children[i].kind != kind)
        return NULL;
    return &value->children[i];
}

const struct ad *ad_list_ad(const struct ad *ad, const char *name, size_t i)
{
    const struct node *item = list_item(ad, name, i, NODE_AD);
    return item ? item->ad : NULL;
}

const char *ad_list_string(const struct ad *ad, const char *name, size_t i)
{
    const struct node *item = list_item(ad, name, i, NODE_STRING);
    return item ? item->text : NULL;
}

size_t ad_count(const struct ad *ad)
{
    return ad->count;
}

const char *ad_name(const struct ad *ad, size_t i)
{
    assert(i < ad->count);
    return ad->attributes[i].name;
}
