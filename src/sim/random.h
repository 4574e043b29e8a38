/*
 * Random numbers that depend on nothing but their seed: xoshiro256** and the distributions that the workloads are made of. The
 * same seed gives the same numbers on every machine with IEEE doubles and the same libm.
 */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* Streams of one seed with different numbers are independent: what is drawn from one does not shift another. */
void random_init(struct random *r, uint64_t seed, uint64_t stream);
uint64_t random_bits(struct random *r);
double random_unit(struct random *r); /* 0 <= x < 1 */
double random_between(struct random *r, double low, double high);
double random_normal(struct random *r);
double random_exponential(struct random *r, double mean);
/* Mean shape * scale; shape > 0. */
double random_gamma(struct random *r, double shape, double scale);
/* The probability that such a number is at most x. */
double random_gamma_cdf(double x, double shape, double scale);
/* exp(normal) with this median; sigma is the deviation of the logarithm. */
double random_log_normal(struct random *r, double median, double sigma);
