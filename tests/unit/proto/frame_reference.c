/* frame_reference.c - what frame.c must answer, found the slow and plain way. */
#include "frame_reference.h"

#include <string.h>

/* One message at the beginning of what is left of a stream. */
struct message {
    size_t content; /* bytes that count against max_message, as far as they are known */
    size_t length;  /* all its bytes; 0 while it has not ended */
};

static struct message first_line(const unsigned char *data, size_t n)
{
    const unsigned char *feed = memchr(data, '\n', n);
    size_t content = feed ? (size_t)(feed - data) : n;

    if (content > 0 && data[content - 1] == '\r')
        content--;
    return (struct message){content, feed ? (size_t)(feed - data) + 1 : 0};
}

/* The longest end of the data that is a beginning of the marker may become one. */
static size_t begun_marker(const char *marker, const unsigned char *data, size_t n)
{
    for (size_t length = strlen(marker) - 1; length > 0; length--)
        if (length <= n && memcmp(data + n - length, marker, length) == 0)
            return length;
    return 0;
}

static struct message first_marked(const char *marker, const unsigned char *data, size_t n)
{
    size_t length = strlen(marker);

    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(data + i, marker, length) == 0)
            return (struct message){i, i + length};
    return (struct message){n - begun_marker(marker, data, n), 0};
}

static struct message first_counted(const unsigned char *data, size_t n)
{
    size_t content;

    if (n < 4)
        return (struct message){0, 0};
    content = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    return (struct message){content, n - 4 >= content ? content + 4 : 0};
}

static struct message first_message(const struct frame_params *params, const unsigned char *data,
                                    size_t n)
{
    if (params->framing == FRAMING_LINE)
        return first_line(data, n);
    if (params->framing == FRAMING_MARKER)
        return first_marked(params->marker, data, n);
    return first_counted(data, n);
}

struct reference frame_reference(const struct frame_params *params, const unsigned char *data,
                                 size_t n)
{
    struct reference answer = {.may_end = true};

    if (params->framing == FRAMING_STREAM) {
        answer.whole = n;
        return answer;
    }
    while (answer.whole < n) {
        struct message message = first_message(params, data + answer.whole, n - answer.whole);

        answer.too_long = message.content > (size_t)params->max_message;
        if (answer.too_long || message.length == 0)
            break;
        answer.whole += message.length;
        answer.messages++;
    }
    answer.may_end = answer.whole == n || params->framing == FRAMING_MARKER;
    return answer;
}
