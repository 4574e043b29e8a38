/* Arguments in both syntaxes. What is split and joined again splits into the same words. */
#include "base/mem.h"
#include "job/command.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct command_list *list)
{
    auto_command_list struct command_list again = { 0 };
    auto_buf struct buf text = { 0 };
    command_join(list, &text);
    if (command_split(buf_cstr(&text), &again, NULL) < 0 || again.count != list->count)
        abort();
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], again.items[i]) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const attributes[] = { "Arguments", "Args", "Environment", "Env", "TransferInput" };
    auto_free char *text = mem_dup_n((const char *)data, size);
    auto_command_list struct command_list list = { 0 };
    if (command_split(text, &list, NULL) == 0)
        check_round_trip(&list);
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        auto_ad struct ad *job = ad_new();
        auto_command_list struct command_list arguments = { 0 };
        auto_command_list struct command_list environment = { 0 };
        auto_command_list struct command_list files = { 0 };
        ad_set_string(job, attributes[i], text);
        if (command_arguments(job, &arguments, NULL) == 0)
            check_round_trip(&arguments);
        if (command_environment(job, &environment, NULL) == 0)
            check_round_trip(&environment);
        command_files(job, attributes[i], &files);
        check_round_trip(&files);
    }
    int signal = command_signal(text);
    if (signal < 0 || signal > 64)
        abort();
    return 0;
}
