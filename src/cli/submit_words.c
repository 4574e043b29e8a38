/*
 * The command line of submit. HTCondor's options have one dash, and its -queue takes all words up to the next option; both are
 * kept, since they stand in people's scripts. cli_parse hands each word to submit_take first, which leaves these options among the
 * operands in one form ("-append", LINE); what they are is sorted out afterwards.
 */
#include "cli/submit.h"

#include "base/mem.h"

#include <string.h>

static const char *const own_options[] = { "-append", "-queue", "-batch-name", "-file" };
enum { OWN_APPEND, OWN_QUEUE, OWN_BATCH, OWN_FILE, OWN_COUNT };

/* Which of its own options the word is, OWN_COUNT if none; *value is what follows a "=". */
static int own_option(const char *word, const char **value)
{
    *value = NULL;
    if (strncmp(word, "-a", 2) == 0 && strcmp(word, "-append") != 0 && strncmp(word, "-append=", 8) != 0) {
        *value = word[2] ? word + 2 : NULL;
        return OWN_APPEND;
    }
    const char *name = word[0] == '-' && word[1] == '-' ? word + 1 : word;
    size_t len = strcspn(name, "=");
    for (int i = 0; i < OWN_COUNT; i++)
        if (strlen(own_options[i]) == len && strncmp(own_options[i], name, len) == 0) {
            *value = name[len] ? name + len + 1 : NULL;
            return i;
        }
    return OWN_COUNT;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* How many words belong to the option at words[0]. */
static size_t option_length(int option, const char *value, const char *const *words, size_t count)
{
    size_t taken = 1;
    if (option != OWN_QUEUE)
        return value || count < 2 ? 1 : 2;
    while (!value && taken < count && !is_option(words[taken]))
        taken++;
    return taken;
}

int submit_take(struct cli_call *call, int argc, char **argv, struct error *err)
{
    const char *value;
    int option = own_option(argv[0], &value);
    if (option == OWN_COUNT)
        return 0;
    size_t taken = option_length(option, value, (const char *const *)argv, (size_t)argc);
    if (option != OWN_QUEUE && !value && taken < 2)
        return cli_usage_error(err, "option '%s' needs a value", argv[0]);
    for (size_t i = 0; i < taken; i++)
        call->operands[call->operand_count++] = argv[i];
    return (int)taken;
}

/* ---- sorting ---- */

static int set_file(struct submit_words *words, const char *file, struct error *err)
{
    if (words->file)
        return cli_usage_error(err, "'%s' is one too many: the submit file is '%s'", file, words->file);
    words->file = file;
    return 0;
}

static char *join(const char *const *words, size_t count)
{
    auto_buf struct buf text = { 0 };
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? " " : "", words[i]);
    return mem_dup(buf_cstr(&text));
}

static int sort_option(struct submit_words *out, int option, const char *value, const char *const *words, size_t count, struct error *err)
{
    if (option == OWN_FILE)
        return set_file(out, value ? value : words[1], err);
    if (option == OWN_APPEND)
        out->append[out->append_count++] = value ? value : words[1];
    else if (option == OWN_BATCH) {
        free(out->batch);
        out->batch = mem_printf("batch_name = %s", value ? value : words[1]);
    } else if (out->queue)
        return cli_usage_error(err, "'-queue' is given twice");
    else
        out->queue = value ? mem_dup(value) : join(words + 1, count - 1);
    return 0;
}

int submit_read_words(const struct cli_call *call, struct submit_words *words, struct error *err)
{
    size_t room = call->operand_count + 2;
    words->before = mem_zero(room, sizeof *words->before);
    words->append = mem_zero(room, sizeof *words->append);
    for (size_t i = 0; i < call->operand_count;) {
        const char *word = call->operands[i], *value = NULL;
        int option = is_option(word) ? own_option(word, &value) : OWN_COUNT, r = 0;
        size_t taken = option == OWN_COUNT ? 1 : option_length(option, value, call->operands + i, call->operand_count - i);
        if (option != OWN_COUNT)
            r = sort_option(words, option, value, call->operands + i, taken, err);
        else if (submit_is_assignment(word))
            words->before[words->before_count++] = word;
        else
            r = set_file(words, word, err);
        if (r < 0)
            return r;
        i += taken;
    }
    if (words->batch)
        words->append[words->append_count++] = words->batch;
    return 0;
}

void submit_words_release(struct submit_words *words)
{
    free(words->before);
    free(words->append);
    free(words->queue);
    free(words->batch);
    *words = (struct submit_words){ 0 };
}
