/* test_tls_sessions.c - sessions over TLS in processes of their own, and tickets across them. */
#include "tls_helper.h"

#include "child/session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool wants_more(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* ---- clients of sessions in processes of their own ---- */

struct served {
    pid_t pid;
    int peer;
    struct record *record; /* in shared memory */
};

static struct served fork_session(const struct tls_server *server)
{
    const struct session_params params = {.tls = (struct tls_server *)server};
    struct served served = {.record = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    int fds[2];

    connect_unix(fds, 0);
    served.peer = fds[1];
    served.pid = fork();
    if (served.pid == 0) {
        close(fds[1]);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        session_run(fds[0], NULL, &params, served.record);
        _exit(0);
    }
    close(fds[0]);
    return served;
}

static struct record record_of(struct served *served)
{
    struct record record;
    int status;

    close(served->peer);
    assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
    assert_int_equal(status, 0);
    record = *served->record;
    munmap(served->record, sizeof(record));
    return record;
}

static void fill_pattern(unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
}

/* Send and receive at once, as a peer that does not wait for answers. */
static void exchange(SSL *client, const unsigned char *data, size_t total)
{
    static unsigned char back[65536];
    size_t sent = 0, received = 0, n = 0;

    while (received < total) {
        if (sent < total && SSL_write_ex(client, data + sent, total - sent, &n) == 1)
            sent += n;
        if (sent == total && !(SSL_get_shutdown(client) & SSL_SENT_SHUTDOWN))
            assert_int_equal(SSL_shutdown(client), 0);
        if (SSL_read_ex(client, back, sizeof(back), &n) == 1) {
            assert_memory_equal(back, data + received, n);
            received += n;
        } else {
            assert_true(wants_more(client, 0));
        }
    }
}

static void session_echoes_every_byte(void **state)
{
    static unsigned char data[3 * 1024 * 1024 + 1];
    struct tls_server *server = good_server();
    struct served served = fork_session(server);
    SSL_CTX *ctx = client_context(version_of(state));
    SSL *client = new_client(ctx, served.peer);
    struct record record;
    char byte;

    fill_pattern(data, sizeof(data));
    SSL_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE);
    assert_int_equal(SSL_do_handshake(client), 1);
    fcntl(served.peer, F_SETFL, O_NONBLOCK);
    exchange(client, data, sizeof(data));
    fcntl(served.peer, F_SETFL, 0);
    assert_int_equal(SSL_read(client, &byte, 1), 0);
    assert_int_equal(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
    record = record_of(&served);
    assert_int_equal(record.end, END_CLOSED);
    assert_int_equal(record.bytes_in, sizeof(data));
    assert_int_equal(record.bytes_out, sizeof(data));
    assert_string_equal(record.tls.version, ((const struct version *)*state)->name);
    SSL_free(client);
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

/* ---- tests: tickets ---- */

/* The newest ticket that came, and how many. */
static SSL_SESSION *ticket;
static unsigned n_tickets;

static int keep_ticket(SSL *client, SSL_SESSION *session)
{
    (void)client;
    SSL_SESSION_free(ticket);
    ticket = session;
    n_tickets++;
    return 1;
}

static void forget_ticket(void)
{
    SSL_SESSION_free(ticket);
    ticket = NULL;
    n_tickets = 0;
}

static SSL_CTX *collecting_context(int version)
{
    SSL_CTX *ctx = client_context(version);

    forget_ticket();
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    return ctx;
}

/* One client of a process of its own, echoed. Returns whether it resumed, by either's word. */
static bool visit(const struct tls_server *server, SSL_CTX *ctx, SSL_SESSION *session)
{
    struct served served = fork_session(server);
    SSL *client = new_client(ctx, served.peer);
    char data[4];
    bool resumed;

    if (session)
        assert_int_equal(SSL_set_session(client, session), 1);
    assert_int_equal(SSL_do_handshake(client), 1);
    assert_int_equal(SSL_write(client, "ping", 4), 4);
    assert_int_equal(SSL_read(client, data, sizeof(data)), 4);
    assert_memory_equal(data, "ping", 4);
    resumed = SSL_session_reused(client);
    SSL_shutdown(client);
    assert_int_equal(record_of(&served).tls.resumed, resumed);
    SSL_free(client);
    return resumed;
}

static void ticket_resumes_in_another_process(void **state)
{
    struct tls_server *server = good_server();
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(server, ctx, NULL));
    assert_non_null(ticket);
    assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(ticket), 1234);
    assert_true(visit(server, ctx, ticket));
    assert_true(visit(server, ctx, ticket));
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

static void ticket_of_another_server_does_not_resume(void **state)
{
    struct tls_server *one = good_server(), *other = good_server();
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(one, ctx, NULL));
    assert_non_null(ticket);
    assert_false(visit(other, ctx, ticket));
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(one);
    tls_server_free(other);
}

static struct tls_server *server_of_tickets(int n)
{
    struct tls_params params = good_params();

    params.tickets = n;
    return new_server(&params);
}

static void tickets_come_as_many_as_were_set(void **state)
{
    static const unsigned numbers[] = {1, 2, 5};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tls_server *server = server_of_tickets((int)numbers[i]);
        SSL_CTX *ctx = collecting_context(TLS1_3_VERSION);

        visit(server, ctx, NULL);
        assert_int_equal(n_tickets, numbers[i]);
        forget_ticket();
        SSL_CTX_free(ctx);
        tls_server_free(server);
    }
}

/* In TLS 1.2 the callback comes even for a session that cannot be resumed. */
static void no_tickets_resume_nothing(void **state)
{
    struct tls_server *server = server_of_tickets(0);
    SSL_CTX *ctx = collecting_context(version_of(state));

    assert_false(visit(server, ctx, NULL));
    if (ticket) {
        assert_int_equal(version_of(state), TLS1_2_VERSION);
        assert_false(SSL_SESSION_has_ticket(ticket));
        assert_false(visit(server, ctx, SSL_SESSION_dup(ticket)));
    }
    forget_ticket();
    SSL_CTX_free(ctx);
    tls_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(session_echoes_every_byte),
        IN_BOTH(ticket_resumes_in_another_process),
        IN_BOTH(ticket_of_another_server_does_not_resume),
        cmocka_unit_test(tickets_come_as_many_as_were_set),
        IN_BOTH(no_tickets_resume_nothing),
    };

    return RUN_TLS_TESTS(tests);
}
