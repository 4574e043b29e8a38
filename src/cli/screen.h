/* What the form of an output depends on beside its content: the terminal and the time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct screen {
    int width;      /* columns; 0 = not a terminal, nothing is cut */
    int64_t now_us; /* wall clock */
};

struct screen screen_now(void);
