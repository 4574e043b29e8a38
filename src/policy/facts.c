#include "policy/facts.h"

#include <math.h>

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    { "PauseSeconds", offsetof(struct interval_facts, pause_s) },       { "CommitSeconds", offsetof(struct interval_facts, commit_s) },
    { "Checkpoints", offsetof(struct interval_facts, checkpoints) }, { "RestoreSeconds", offsetof(struct interval_facts, restore_s) },
    { "Restores", offsetof(struct interval_facts, restores) },    { "Failures", offsetof(struct interval_facts, failures) },
    { "Evictions", offsetof(struct interval_facts, evictions) },  { "Saved", offsetof(struct interval_facts, saved) },
    { "ObservedSeconds", offsetof(struct interval_facts, observed_s) },
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double *field(struct interval_facts *facts, size_t i)
{
    return (double *)((char *)facts + fields[i].offset);
}

void facts_read(const struct ad *ad, struct interval_facts *out)
{
    *out = (struct interval_facts){ 0 };
    for (size_t i = 0; ad && i < FIELDS; i++) {
        double value = ad_real(ad, fields[i].name, 0);
        *field(out, i) = value > 0 && isfinite(value) ? value : 0;
    }
}

struct ad *facts_print(const struct interval_facts *facts)
{
    struct interval_facts copy = *facts;
    struct ad *ad = ad_new();
    for (size_t i = 0; i < FIELDS; i++)
        ad_set_real(ad, fields[i].name, *field(&copy, i));
    return ad;
}

void facts_add(struct interval_facts *to, const struct interval_facts *what)
{
    struct interval_facts copy = *what;
    for (size_t i = 0; i < FIELDS; i++)
        *field(to, i) += *field(&copy, i);
}

static int64_t us_of(double seconds)
{
    return seconds < 1e12 ? (int64_t)(seconds * 1e6) : INT64_C(1000000000000000000);
}

void facts_tell(const struct interval_choice *choice, struct ad *into)
{
    static const char *const bases[] = { [INTERVAL_MEASURED] = "measured", [INTERVAL_PRIOR] = "pool", [INTERVAL_GUESSED] = "guessed" };
    ad_set_int(into, "IntervalUs", us_of(choice->tau_s));
    ad_set_int(into, "IntervalCostUs", us_of(choice->delta_s));
    ad_set_int(into, "IntervalMtbfUs", us_of(choice->mtbf_s));
    ad_set_string(into, "IntervalBasis", bases[choice->cost_basis]);
}
