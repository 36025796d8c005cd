/* chaos.c - the course of a mixture of clients: options, threads and the line of totals. */
#include "chaos.h"

#include "echoc/payload.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX 1000

static const char usage[] =
    "Usage: chaos [OPTION...] PLAIN-URL TLS-URL\n"
    "a mixture of well-behaved and hostile clients, every byte checked.\n"
    "\n"
    "  -n, --connections N      in all (1000)\n"
    "  -t, --threads N          connections at the same time (32)\n"
    "      --seed N             repeats a run; without it one is made up\n"
    "      --first N            number of the first connection: repeats a part of a run (0)\n"
    "      --sources N          addresses to come from, 127.0.1.1 to 127.0.8.250 (2000);\n"
    "                           0 = whichever the kernel takes\n"
    "      --timeout SECONDS    for a whole connection (60)\n"
    "      --may-refuse         one that is closed before a byte came back has not failed\n"
    "      --ca FILE            verify the server, as localhost\n"
    "Exit status: 0 no byte was wrong and no well-behaved connection failed, 1 otherwise, 2 "
    "usage.\n";

struct worker {
    pthread_t thread;
    const struct chaos *chaos;
    atomic_uint_fast64_t *next;
    unsigned char *data;
    struct books books;
};

/* ---- set-up ---- */

static _Noreturn void die(const char *text)
{
    fprintf(stderr, "chaos: %s\n", text);
    exit(2);
}

/* Checked bytes are compared with the pool: nothing is made on the way, and nothing is kept. */
static void make_pool(struct chaos *chaos)
{
    const struct frame_params stream = {.framing = FRAMING_STREAM};
    const struct payload payload = {.frame = &stream, .seed = chaos->seed, .size = POOL_BYTES};
    unsigned char *pool = malloc(POOL_BYTES + PIECE_MAX);

    if (!pool)
        die("out of memory");
    payload_fill(&payload, 0, pool);
    memcpy(pool + POOL_BYTES, pool, PIECE_MAX);
    chaos->pool = pool;
}

static void make_tls(struct chaos *chaos, enum way way, int version)
{
    const struct tls_client_params params = {
        .ca = chaos->ca, .insecure = !chaos->ca, .min_version = version, .max_version = version};
    struct err err;

    if (tls_client_new(&params, &chaos->tls[way], &err) < 0)
        die(err.text);
}

/* What a client says first, caught on its way to nobody. */
static void make_hello(struct chaos *chaos, enum way way)
{
    struct stream stream;
    ssize_t n = -1;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        die(strerror(errno));
    stream_open(&stream, pair[0]);
    if (tls_connect(&stream, chaos->tls[way], "localhost", NULL) == 0 &&
        stream_handshake(&stream) == STREAM_WANT_READ)
        n = recv(pair[1], chaos->hello[way], HELLO_MAX, 0);
    if (n <= 0)
        die("cannot make a ClientHello");
    chaos->hello_length[way] = (size_t)n;
    close(pair[1]);
    stream_close(&stream, 0, 0);
}

static void make_target(struct chaos *chaos, enum way way, const char *text)
{
    struct target *target = &chaos->target[way];
    struct err err;

    if (url_parse(text, &target->url, &err) < 0 || dial_resolve(target, &err) < 0)
        die(err.text);
    if (target->url.tls != (way != WAY_PLAIN))
        die("the first URL must be plain, the second TLS");
    if (target->addresses.addr[0].sa.sa_family != AF_INET)
        chaos->sources = 0;
}

static void set_up(struct chaos *chaos, const char *plain, const char *tls)
{
    make_tls(chaos, WAY_TLS12, TLS_V1_2);
    make_tls(chaos, WAY_TLS13, TLS_V1_3);
    make_hello(chaos, WAY_TLS12);
    make_hello(chaos, WAY_TLS13);
    make_target(chaos, WAY_PLAIN, plain);
    make_target(chaos, WAY_TLS12, tls);
    make_target(chaos, WAY_TLS13, tls);
    make_pool(chaos);
}

/* ---- the course ---- */

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    uint64_t i;

    while ((i = atomic_fetch_add(worker->next, 1)) < worker->chaos->connections)
        conn_run(worker->chaos, worker->chaos->first + i, worker->data, &worker->books);
    return NULL;
}

static void add(struct books *to, const struct books *from)
{
    to->tried += from->tried;
    to->connected += from->connected;
    to->refused += from->refused;
    to->wrong += from->wrong;
    to->failed += from->failed;
    to->sent += from->sent;
    to->back += from->back;
    to->closed += from->closed;
    to->closed_bytes += from->closed_bytes;
    to->truncated += from->truncated;
    to->truncated_bytes += from->truncated_bytes;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        to->done[kind] += from->done[kind];
}

static void run(const struct chaos *chaos, struct books *books)
{
    static struct worker workers[THREADS_MAX];
    atomic_uint_fast64_t next = 0;

    for (unsigned i = 0; i < chaos->threads; i++) {
        workers[i] = (struct worker){.chaos = chaos, .next = &next, .data = malloc(PIECE_MAX)};
        if (!workers[i].data ||
            pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
            die("cannot start a thread");
    }
    for (unsigned i = 0; i < chaos->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        free(workers[i].data);
        add(books, &workers[i].books);
    }
}

static void print(const struct chaos *chaos, const struct books *books, uint64_t usec)
{
    printf("chaos: seed=%" PRIu64 " tried=%" PRIu64 " connected=%" PRIu64 " refused=%" PRIu64
           " wrong=%" PRIu64 " failed=%" PRIu64,
           chaos->seed, books->tried, books->connected, books->refused, books->wrong,
           books->failed);
    for (int kind = 0; kind < KIND_COUNT; kind++)
        printf(" %s=%" PRIu64, kind_names[kind], books->done[kind]);
    printf(" sent=%" PRIu64 " back=%" PRIu64 " closed=%" PRIu64 " closed_bytes=%" PRIu64
           " truncated=%" PRIu64 " truncated_bytes=%" PRIu64 " seconds=%.1f \n",
           books->sent, books->back, books->closed, books->closed_bytes, books->truncated,
           books->truncated_bytes, (double)usec / (double)USEC_PER_SEC);
}

/* ---- the command line ---- */

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
        die("a number is out of range, or none");
    return value;
}

static void set_option(struct chaos *chaos, int option)
{
    switch (option) {
    case 'n':
        chaos->connections = number(optarg, 0, UINT32_MAX);
        break;
    case 't':
        chaos->threads = (unsigned)number(optarg, 1, THREADS_MAX);
        break;
    case 's':
        chaos->seed = number(optarg, 0, UINT64_MAX);
        break;
    case 'f':
        chaos->first = number(optarg, 0, UINT32_MAX);
        break;
    case 'S':
        chaos->sources = (unsigned)number(optarg, 0, SOURCES_MAX);
        break;
    case 'T':
        chaos->timeout_usec = number(optarg, 1, 86400) * USEC_PER_SEC;
        break;
    case 'r':
        chaos->may_refuse = true;
        break;
    case 'c':
        chaos->ca = optarg;
        break;
    default:
        fputs(usage, option == 'h' ? stdout : stderr);
        exit(option == 'h' ? 0 : 2);
    }
}

static void read_options(struct chaos *chaos, int argc, char **argv)
{
    static const struct option options[] = {{"connections", required_argument, NULL, 'n'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"sources", required_argument, NULL, 'S'},
                                            {"timeout", required_argument, NULL, 'T'},
                                            {"may-refuse", no_argument, NULL, 'r'},
                                            {"ca", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "n:t:h", options, NULL)) != -1)
        set_option(chaos, option);
    if (argc - optind != 2)
        set_option(chaos, '?');
}

int main(int argc, char **argv)
{
    static struct chaos chaos = {.connections = 1000,
                                 .threads = 32,
                                 .sources = SOURCES_MAX,
                                 .timeout_usec = 60 * USEC_PER_SEC};
    struct books books = {0};
    uint64_t begin;

    chaos.seed = now_nsec() % 1000000;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    read_options(&chaos, argc, argv);
    set_up(&chaos, argv[optind], argv[optind + 1]);
    begin = now_usec();
    run(&chaos, &books);
    print(&chaos, &books, now_usec() - begin);
    for (int way = 0; way < WAY_COUNT; way++)
        tls_client_free(chaos.tls[way]);
    free((void *)chaos.pool);
    return books.wrong + books.failed + (chaos.may_refuse ? 0 : books.refused) == 0 ? 0 : 1;
}
