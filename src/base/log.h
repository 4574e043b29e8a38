/* A daemon's own log: one line per event on standard error, with the time. Called by main, loop callbacks and request handlers. */
#pragma once

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
