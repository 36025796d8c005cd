/* echo_helper.c - what the tests of the loop share. */
#include "echo_helper.h"
#include "../between.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* No two stretches of it are alike, so that a byte lost, doubled or moved shows. */
static unsigned char pattern(size_t i)
{
    return (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

void make_pattern(unsigned char *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = pattern(from + i);
}

bool is_pattern(const unsigned char *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != pattern(from + i))
            return false;
    return true;
}

/* ---- a stream that answers from a script, and holds the loop to the contract of stream.h ---- */

static struct script *script_of(struct stream *stream)
{
    return (struct script *)stream;
}

/* The scripted answer to this call, which may be the one that is to fail. */
static struct answer next_answer(struct script *script, bool reading)
{
    struct answer answer = script->next(script, reading);

    assert_false(script->failed);
    if (reading)
        script->n_reads++;
    else
        script->n_writes++;
    if (script->n_reads + script->n_writes == script->fail_at)
        answer.status = STREAM_FAILED;
    script->failed = answer.status == STREAM_FAILED;
    return answer;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t d = a < b ? a : b;

    return c < d ? c : d;
}

static enum stream_status scripted_read(struct stream *stream, void *data, size_t size,
                                        size_t *ret_n)
{
    struct script *script = script_of(stream);
    struct answer answer = next_answer(script, true);
    size_t n = least(answer.n, size, script->total - script->in);

    assert_true(size > 0);
    if (answer.status != STREAM_OK)
        return answer.status;
    if (n == 0)
        return STREAM_EOF;
    make_pattern(data, script->in, n);
    script->in += n;
    if (script->in - script->out > script->most_held)
        script->most_held = script->in - script->out;
    *ret_n = n;
    return STREAM_OK;
}

/* stream.h: the next write must begin with the same bytes and be no shorter. */
static void check_repeated(struct script *script, const void *data, size_t size)
{
    assert_true(size >= script->n_pending);
    assert_memory_equal(data, script->pending, script->n_pending);
    script->n_pending = 0;
}

static enum stream_status scripted_write(struct stream *stream, const void *data, size_t size,
                                         size_t *ret_n)
{
    struct script *script = script_of(stream);
    struct answer answer = next_answer(script, false);
    size_t n = least(answer.n, size, SIZE_MAX);

    assert_true(size > 0);
    check_repeated(script, data, size);
    if (answer.status == STREAM_OK) {
        assert_true(is_pattern(data, script->out, n));
        script->out += n;
        *ret_n = n;
    } else {
        memcpy(script->pending, data, size);
        script->n_pending = size;
    }
    return answer.status;
}

/* What the lists say; after their ends all goes well. */
static struct answer answer_from_lists(struct script *script, bool reading)
{
    const struct answer *list = reading ? script->reads : script->writes;
    size_t i = reading ? script->n_reads : script->n_writes;
    const struct answer well = {STREAM_OK, ALL};

    return i < 16 && (list[i].status != STREAM_OK || list[i].n != 0) ? list[i] : well;
}

struct script *open_script(size_t total)
{
    static const struct stream_ops ops = {.read = scripted_read, .write = scripted_write};
    static struct script script;

    script = (struct script){.stream = {.ops = &ops, .fd = open("/dev/null", O_RDWR | O_CLOEXEC)},
                             .next = answer_from_lists,
                             .total = total};
    script.stream.end = END_RESET;
    return &script;
}

void close_script(struct script *script)
{
    close(script->stream.fd);
}

enum end run_script(struct script *script, const struct echo_limits *limits)
{
    struct record record = {.end = 0};
    enum end end = echo_run(&script->stream, limits, &record);

    assert_int_equal(record.bytes_out, script->out);
    assert_between(script->in - record.bytes_in, 0, 1); /* one byte tells who is over max_bytes */
    assert_between(script->most_held, 0, BUFFER_SIZE + 1);
    close_script(script);
    return end;
}
