/* server_state.c - the operations on the state of the parent's loop that its parts share. */
#include "parent/server_private.h"

#include "base/deadline.h"

#define TICK_USEC USEC_PER_SEC /* from a change to the sweep and the update of STATUS= */

void server_wake(struct server *server, enum server_event kind)
{
    server->woken = true;
    server->event_kind = kind;
}

void server_arm(sd_event_source *timer, uint64_t usec)
{
    sd_event_source_set_time(timer, now_usec() + usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void server_arm_idle(sd_event_source *timer, uint64_t usec)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(timer, &enabled);
    if (enabled == SD_EVENT_OFF)
        server_arm(timer, usec);
}

void server_touch(struct server *server)
{
    server_arm_idle(server->tick, TICK_USEC);
}

void server_count_out(struct server *server, const struct client *client,
                      const struct record *record)
{
    admission_leave(server->admission, client->source);
    metrics_ended(server->metrics, client->listener, record, now_usec() - client->accepted_usec);
}
