/* parent_state.c - the operations on the state of the parent's loop that its parts share. */
#include "parent/parent_private.h"

#include "base/deadline.h"

#define TICK_USEC USEC_PER_SEC /* from a change to the sweep and the update of STATUS= */

void parent_wake(struct parent *parent, enum parent_event kind)
{
    parent->woken = true;
    parent->event_kind = kind;
}

void parent_arm(sd_event_source *timer, uint64_t usec)
{
    sd_event_source_set_time(timer, now_usec() + usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void parent_arm_idle(sd_event_source *timer, uint64_t usec)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(timer, &enabled);
    if (enabled == SD_EVENT_OFF)
        parent_arm(timer, usec);
}

void parent_touch(struct parent *parent)
{
    parent_arm_idle(parent->tick, TICK_USEC);
}

void parent_count_out(struct parent *parent, const struct client *client,
                      const struct record *record)
{
    admission_leave(parent->admission, client->source);
    metrics_ended(parent->metrics, client->listener, record, now_usec() - client->accepted_usec);
}
