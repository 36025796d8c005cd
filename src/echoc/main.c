/* main.c - the client's main(). */
#include "echoc/echoc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void on_signal(int number)
{
    (void)number;
    echoc_interrupted = 1;
}

/* After the first signal the command still prints what it measured; the second one kills it. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    stream_stop = &echoc_interrupted;
    signal(SIGPIPE, SIG_IGN);
}

/* Check and prepare all that does not need a connection. */
static int prepare(struct echoc *echoc, struct err *ret_err)
{
    struct target *target = &echoc->target;

    if (url_parse(echoc->url, &target->url, ret_err) < 0)
        return -1;
    target->timeout_usec = echoc->timeout_usec;
    if (!echoc->tls.certificate != !echoc->tls.key)
        return err_set(ret_err, "--cert and --key go together");
    if (echoc->tls.max_version && echoc->tls.min_version > echoc->tls.max_version)
        return err_set(ret_err, "--tls-min is newer than --tls-max");
    if (target->url.tls && tls_client_new(&echoc->tls, &target->tls, ret_err) < 0)
        return -1;
    return dial_resolve(target, ret_err);
}

int main(int argc, char **argv)
{
    struct echoc echoc = {
        .frame = {.marker = "END\n", .max_message = FRAME_MESSAGE_MAX},
        .timeout_usec = 10 * USEC_PER_SEC,
        .interval_usec = USEC_PER_SEC,
        .wait_usec = 10 * USEC_PER_SEC,
        .size = 64,
        .connections = 10,
        .duration_usec = 10 * USEC_PER_SEC,
        .depth = 1,
        .threads = 1,
        .seed = 1,
    };
    const struct echoc_command *command = argc > 1 ? echoc_find_command(argv[1]) : NULL;
    struct err err;
    int status;

    stream_guard_standard();
    if (!command) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0)
            return echoc_print_usage(NULL);
        if (argc > 1 && strcmp(argv[1], "--version") == 0)
            return puts("echoc " PACKAGE_VERSION) < 0;
        echoc_error(argc > 1 ? "%s: no such command" : "a command is missing", argv[1]);
        return echoc_usage_error("");
    }
    if (echoc_parse(argc - 1, argv + 1, command, &echoc, &status) < 0) {
        bool unknown = status == ECHOC_ERROR && command->run == echoc_check;

        return unknown ? echoc_unknown(echoc_last_error()) : status;
    }
    catch_signals();
    if (prepare(&echoc, &err) < 0)
        status = command->run == echoc_check ? echoc_unknown(&err) : echoc_error("%s", err.text);
    else
        status = command->run(&echoc);
    tls_client_free(echoc.target.tls);
    if (fflush(stdout) == EOF && status == ECHOC_OK)
        status = command->run == echoc_check ? ECHOC_UNKNOWN
                                             : echoc_error("cannot write: %s", strerror(errno));
    return status;
}
