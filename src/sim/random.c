#include "sim/random.h"

#include <math.h>

static uint64_t split_mix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void random_init(struct random *r, uint64_t seed, uint64_t stream)
{
    uint64_t x = seed;
    x = split_mix(&x) ^ (stream * 0xd1342543de82ef95u);
    for (int i = 0; i < 4; i++)
        r->state[i] = split_mix(&x);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t random_bits(struct random *r)
{
    uint64_t *s = r->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double random_unit(struct random *r)
{
    return (double)(random_bits(r) >> 11) * 0x1p-53;
}

double random_between(struct random *r, double low, double high)
{
    return low + (high - low) * random_unit(r);
}

/* Box and Muller (1958), one of the pair. */
double random_normal(struct random *r)
{
    double radius = sqrt(-2 * log(1 - random_unit(r)));
    return radius * cos(2 * M_PI * random_unit(r));
}

double random_exponential(struct random *r, double mean)
{
    return -mean * log(1 - random_unit(r));
}

/* Marsaglia and Tsang (2000); below shape 1 by way of shape + 1. */
double random_gamma(struct random *r, double shape, double scale)
{
    if (shape < 1)
        return random_gamma(r, shape + 1, scale) * pow(1 - random_unit(r), 1 / shape);
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = random_normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - random_unit(r)) < x * x / 2 + d - d * v + d * log(v))
            return d * v * scale;
    }
}

/* The series below the mean, Lentz's continued fraction above it. */
double random_gamma_cdf(double x, double shape, double scale)
{
    enum { TERMS = 500 };
    double y = x / scale;
    if (y <= 0)
        return 0;
    double front = exp(shape * log(y) - y - lgamma(shape));
    if (y < shape + 1) {
        double term = 1 / shape, sum = term;
        for (int n = 1; n < TERMS && term > sum * 1e-16; n++)
            sum += term *= y / (shape + n);
        return front * sum;
    }
    double b = y + 1 - shape, c = 1e300, d = 1 / b, h = d;
    for (int n = 1; n < TERMS; n++) {
        double a = n * (shape - n);
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return 1 - front * h;
}

double random_log_normal(struct random *r, double median, double sigma)
{
    return median * exp(sigma * random_normal(r));
}
