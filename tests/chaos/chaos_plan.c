/* chaos_plan.c - from a seed to what one connection does. */
#include "chaos.h"

const char *const kind_names[KIND_COUNT] = {"half_close", "close",   "no_notify", "reset",
                                            "vanish",     "garbage", "leave"};

/* A hundred connections. */
static const unsigned shares[KIND_COUNT] = {58, 21, 6, 6, 3, 3, 3};

/* splitmix64 */
uint64_t dice_roll(struct dice *dice)
{
    uint64_t x = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t dice_below(struct dice *dice, uint64_t n)
{
    return dice_roll(dice) % n;
}

uint64_t dice_heavy_tail(struct dice *dice, uint64_t max)
{
    uint64_t low = 1, high;
    unsigned doublings = 0;

    while (max >> doublings > 1)
        doublings++;
    low <<= dice_below(dice, doublings);
    high = 2 * low;
    return low + dice_below(dice, high - low + 1);
}

static enum kind roll_kind(struct dice *dice)
{
    uint64_t roll = dice_below(dice, 100);

    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (roll < shares[kind])
            return (enum kind)kind;
        roll -= shares[kind];
    }
    return KIND_HALF_CLOSE;
}

/* Plain data that begin like a TLS record could be taken for a client at the wrong door. */
static uint64_t roll_start(const struct chaos *chaos, struct dice *dice)
{
    uint64_t start = dice_below(dice, POOL_BYTES);

    while (chaos->pool[start] == 0x16)
        start = (start + 1) % POOL_BYTES;
    return start;
}

/* Tiny pieces of a large whole show nothing that those of a small one do not, and cost minutes. */
static uint64_t roll_piece(struct dice *dice, uint64_t size)
{
    uint64_t piece = dice_heavy_tail(dice, PIECE_MAX), least = size / 200 + 1;

    return piece > least ? piece : least;
}

void plan_make(const struct chaos *chaos, uint64_t number, struct plan *ret_plan)
{
    struct dice dice = {chaos->seed};
    struct plan *plan = ret_plan;

    dice.state = dice_roll(&dice) ^ number * UINT64_C(0xd1342543de82ef95);
    *plan = (struct plan){.way = (enum way)dice_below(&dice, WAY_COUNT), .kind = roll_kind(&dice)};
    if (plan->way == WAY_PLAIN && plan->kind == KIND_NO_NOTIFY)
        plan->kind = KIND_CLOSE;
    if (plan->way == WAY_PLAIN && plan->kind == KIND_GARBAGE)
        plan->kind = KIND_HALF_CLOSE; /* to a plain echo all bytes are the same */
    plan->size = dice_below(&dice, 50) == 0 ? 0 : dice_heavy_tail(&dice, SIZE_MAX_BYTES);
    plan->start = roll_start(chaos, &dice);
    plan->reset_at = dice_below(&dice, plan->size + 1);
    plan->piece_max = roll_piece(&dice, plan->size);
    plan->pauses = dice_below(&dice, 4) == 0 ? (unsigned)dice_below(&dice, 4) : 0;
    plan->stuff = dice_below(&dice, 10) == 0;
    plan->slow = dice_below(&dice, 10) == 0;
    plan->rst = dice_below(&dice, 2) == 0;
    plan->dice = dice;
}
