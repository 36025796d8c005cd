/* log.c - writes lines to the journal or to stderr, without waiting. */
#include "base/log.h"

#include "base/deadline.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF of Linux: a pipe takes a whole line or nothing */
#define THROTTLE_USEC (10 * USEC_PER_SEC)

static struct {
    int level;
    int journal_fd; /* -1: lines go to stderr */
    int tty_fd;     /* a non-blocking descriptor of stderr if that is a terminal; else -1 */
    bool stderr_forbidden;
    unsigned long lost; /* lines that no sink took, and that no later line has reported yet */
    unsigned long long dropped; /* all lines that no sink took */
} state = {.level = LOG_INFO, .journal_fd = -1, .tty_fd = -1};

/* A line under construction; what does not fit is cut. */
struct line {
    size_t length;
    char text[LINE_MAX_BYTES];
};

static void put_byte(struct line *line, char byte)
{
    if (line->length < sizeof(line->text))
        line->text[line->length++] = byte;
}

static void put_text(struct line *line, const char *text)
{
    while (*text != '\0')
        put_byte(line, *text++);
}

static void put_escaped(struct line *line, const char *text)
{
    static const char hex[] = "0123456789abcdef";

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x20 && byte < 0x7f) {
            put_byte(line, (char)byte);
        } else {
            put_text(line, "\\x");
            put_byte(line, hex[byte >> 4]);
            put_byte(line, hex[byte & 15]);
        }
    }
}

/* The last byte is always the newline, even of a line that was cut. */
static void end_line(struct line *line)
{
    if (line->length == sizeof(line->text))
        line->length--;
    put_byte(line, '\n');
}

/*
 * A pipe, socket or terminal without a reader must not block us: poll before the write. For a
 * terminal, POLLOUT does not promise room for a whole line, so it is written through a non-blocking
 * descriptor.
 */
static bool send_stderr(const struct line *line)
{
    int fd = state.tty_fd >= 0 ? state.tty_fd : STDERR_FILENO;
    struct pollfd poll_stderr = {.fd = fd, .events = POLLOUT};

    if (state.stderr_forbidden || poll(&poll_stderr, 1, 0) != 1 || !(poll_stderr.revents & POLLOUT))
        return false;
    return write(fd, line->text, line->length) == (ssize_t)line->length;
}

static bool send_journal(const struct line *line)
{
    static const struct sockaddr_un journal = {.sun_family = AF_UNIX,
                                               .sun_path = "/run/systemd/journal/socket"};

    return sendto(state.journal_fd, line->text, line->length, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *)&journal, sizeof(journal)) == (ssize_t)line->length;
}

/*
 * Quote a value only if a reader that splits at blanks would misread it. Escape quotes inside, and
 * backslashes: many readers take one for an escape, even of the last quote.
 */
static void put_value(struct line *line, const char *value)
{
    if (*value != '\0' && strpbrk(value, " \"=") == NULL) {
        put_escaped(line, value);
        return;
    }
    put_byte(line, '"');
    for (; *value != '\0'; value++)
        if (*value == '"')
            put_text(line, "\\x22");
        else if (*value == '\\')
            put_text(line, "\\x5c");
        else
            put_escaped(line, (char[]){*value, '\0'});
    put_byte(line, '"');
}

static void put_lower_name(struct line *line, const char *name)
{
    if (strncmp(name, "ECHOD_", 6) == 0)
        name += 6;
    while (*name != '\0')
        put_byte(line, (char)tolower((unsigned char)*name++));
}

static bool log_to_stderr(const char *message, const struct log_field *fields, size_t n_fields)
{
    struct line line = {.length = 0};

    put_text(&line, "echod:");
    if (n_fields == 0) {
        put_byte(&line, ' ');
        put_escaped(&line, message);
    }
    for (size_t i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].name, "MESSAGE_ID") == 0)
            continue;
        put_byte(&line, ' ');
        put_lower_name(&line, fields[i].name);
        put_byte(&line, '=');
        put_value(&line, fields[i].value);
    }
    end_line(&line);
    return send_stderr(&line);
}

/* A field that does not fit is left out whole: half of one would spoil the entry. */
static void put_field(struct line *line, const char *name, const char *value)
{
    size_t before = line->length;

    put_text(line, name);
    put_byte(line, '=');
    put_escaped(line, value);
    put_byte(line, '\n');
    if (line->length == sizeof(line->text))
        line->length = before;
}

static bool log_to_journal(int level, const char *message, const struct log_field *fields,
                           size_t n_fields)
{
    struct line line = {.length = 0};
    const char priority[] = {(char)('0' + level), '\0'};

    put_field(&line, "PRIORITY", priority);
    put_field(&line, "SYSLOG_IDENTIFIER", "echod");
    put_field(&line, "MESSAGE", message);
    for (size_t i = 0; i < n_fields; i++)
        put_field(&line, fields[i].name, fields[i].value);
    return send_journal(&line);
}

/* The journal where it is chosen and takes it, else stderr. */
static bool deliver(int level, const char *message, const struct log_field *fields, size_t n_fields)
{
    if (state.journal_fd >= 0 && log_to_journal(level, message, fields, n_fields))
        return true;
    return log_to_stderr(message, fields, n_fields);
}

void log_event(int level, const char *message, const struct log_field *fields, size_t n_fields)
{
    char text[64];

    if (!log_enabled(level))
        return;
    if (!deliver(level, message, fields, n_fields)) {
        state.lost++;
        state.dropped++;
    } else if (state.lost > 0) {
        snprintf(text, sizeof(text), "%lu log lines could not be written", state.lost);
        if (deliver(LOG_WARNING, text, NULL, 0))
            state.lost = 0;
    }
}

unsigned long long log_dropped(void)
{
    return state.dropped;
}

void log_line(int level, const char *fmt, ...)
{
    char message[1024];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    log_event(level, message, NULL, 0);
}

void log_throttled(struct throttle *throttle, int level, const char *fmt, ...)
{
    char message[1024];
    va_list args;
    uint64_t now = now_usec();

    if (now < throttle->open_again_usec) {
        throttle->held++;
        return;
    }
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (throttle->held > 0)
        log_line(level, "%s (and %lu times since the last such line)", message, throttle->held);
    else
        log_line(level, "%s", message);
    *throttle = (struct throttle){.open_again_usec = now + THROTTLE_USEC};
}

bool log_enabled(int level)
{
    return level <= state.level;
}

/* systemd.exec(5): $JOURNAL_STREAM is the device and inode of the stream that stderr was given. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void close_journal(void)
{
    if (state.journal_fd >= 0)
        close(state.journal_fd);
    state.journal_fd = -1;
}

void log_open(enum log_target target, int level)
{
    bool journal = target == LOG_TARGET_JOURNAL || state.stderr_forbidden ||
                   (target == LOG_TARGET_AUTO && stderr_is_journal());

    state.level = level;
    if (state.tty_fd < 0 && isatty(STDERR_FILENO)) /* others' descriptors of it stay as they are */
        state.tty_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (!journal)
        close_journal();
    else if (state.journal_fd < 0)
        state.journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void log_forbid_stderr(void)
{
    state.stderr_forbidden = true;
}

void log_close(void)
{
    close_journal();
    if (state.tty_fd >= 0)
        close(state.tty_fd);
    state.tty_fd = -1;
}
