/*
 * "Did you mean": the optimal string alignment distance, where a swap of neighbours counts as one mistake, since that is how
 * people mistype. Two mistakes are forgiven in long names, one in short ones, so that a user's own macro is not taken for a
 * command.
 */
#include "job/submit_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int least(int a, int b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

int submit_distance(const char *a, const char *b, int most)
{
    int rows[3][SUBMIT_NAME_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > SUBMIT_NAME_MAX || m > SUBMIT_NAME_MAX || n > m + (size_t)most || m > n + (size_t)most)
        return most + 1;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i - 1) % 3];
        const int *above2 = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int d = above[j - 1] + !same(a[i - 1], b[j - 1]);
            d = least(d, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                d = least(d, above2[j - 2] + 1);
            row[j] = d;
        }
    }
    return least(rows[n % 3][m], most + 1);
}

struct guess {
    const char *name;
    int distance; /* of the best so far */
    char *out;
};

static void consider(struct guess *g, const char *candidate, const char *prefix)
{
    int d = submit_distance(g->name, candidate, g->distance - 1);
    if (d >= g->distance)
        return;
    g->distance = d;
    snprintf(g->out, SUBMIT_NAME_MAX, "%s%s", prefix, candidate);
}

static void consider_words(struct guess *g, const char *words)
{
    char word[SUBMIT_NAME_MAX];
    while (words && *words) {
        size_t len = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, words);
        consider(g, word, "");
        words += len + (words[len] == ' ');
    }
}

bool submit_guess(const char *name, bool attribute, char out[SUBMIT_NAME_MAX])
{
    size_t len = strlen(name);
    int allowed = len <= 3 ? 0 : len <= 6 ? 1 : 2;
    struct guess g = { .name = name, .distance = allowed + 1, .out = out };
    for (size_t i = 0; !attribute && i < submit_command_count; i++) {
        consider(&g, submit_commands[i].name, "");
        consider_words(&g, submit_commands[i].aliases);
    }
    for (size_t i = 0; submit_checked_attribute(i); i++)
        consider(&g, submit_checked_attribute(i), "+");
    return g.distance <= allowed;
}
