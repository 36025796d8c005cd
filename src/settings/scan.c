/* scan.c - finds the parts of a configuration's text that need care before libconfig reads it. */
#include "settings/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- words, texts, comments ---- */

/* The bytes of a name or a number (libconfig's manual, 4: the grammar). */
static size_t word_length(const char *text)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("-+._*", text[n])))
        n++;
    return n;
}

/* The length of the quoted text that begins here, or 0 if it has no end. */
static size_t quoted_length(const char *text)
{
    size_t n = 1;

    while (text[n] != '\0' && text[n] != '"')
        n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
    return text[n] == '"' ? n + 1 : 0;
}

/* The length of the comment that begins here with a slash and a star, or 0 if it has no end. */
static size_t comment_length(const char *text)
{
    const char *end = strstr(text + 2, "*/");

    return end ? (size_t)(end - text) + 2 : 0;
}

static bool begins_comment(const char *text)
{
    return text[0] == '/' && text[1] == '*';
}

/* The length of the quoted text or comment that begins here, or 0. Without an end it takes all. */
static size_t opaque_length(const char *text)
{
    size_t n;

    if (text[0] == '#' || (text[0] == '/' && text[1] == '/'))
        return strcspn(text, "\n");
    if (text[0] != '"' && !begins_comment(text))
        return 0;
    n = text[0] == '"' ? quoted_length(text) : comment_length(text);
    return n ? n : strlen(text);
}

size_t scan_gap(const char *text)
{
    static const char blanks[] = " \t\r\n\f";
    size_t n = strspn(text, blanks), comment;

    while (text[n] != '"' && (comment = opaque_length(text + n)) > 0)
        n += comment + strspn(text + n + comment, blanks);
    return n;
}

/* Whether a quoted text of `n` bytes begins here that is an element of a list, or its last word. */
static bool is_listed(const char *text, size_t n)
{
    const char *after = text + n;

    if (text[0] != '"')
        return false;
    after += scan_gap(after);
    return *after != '\0' && strchr(",])", *after);
}

/* The length of `@include "PATH"`, or 0. */
static size_t include_length(const char *text)
{
    size_t blank, quoted;

    if (strncmp(text, "@include", 8) != 0)
        return 0;
    blank = strspn(text + 8, " \t");
    quoted = text[8 + blank] == '"' ? quoted_length(text + 8 + blank) : 0;
    return blank > 0 && quoted > 0 ? 8 + blank + quoted : 0;
}

/* The length of what begins here: a text, a comment, an @include, a word, or a single byte. */
static size_t piece_length(const char *at)
{
    size_t n = opaque_length(at);

    if (n == 0)
        n = include_length(at);
    if (n == 0)
        n = word_length(at);
    return n ? n : 1;
}

/* ---- numbers ---- */

enum form { FORM_NONE, FORM_WHOLE, FORM_HEX, FORM_DECIMAL };

struct number {
    const char *digits;
    size_t n_digits;
    size_t n_l; /* how many L stand behind them */
};

/* Whether the word has a digit first, or behind a sign or a point. */
static bool begins_number(const char *word)
{
    return isdigit((unsigned char)word[strspn(word, "+-.")]);
}

/* Which number, if any, a word of `n` bytes is; *ret_number is that of a whole one. */
static enum form read_number(const char *word, size_t n, struct number *ret_number)
{
    bool hex = strncasecmp(word, "0x", 2) == 0;
    const char *digits = word + (hex ? 2 : word[0] == '+' || word[0] == '-');
    size_t n_digits = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    size_t n_l = strspn(digits + n_digits, "L");
    char *end;

    *ret_number = (struct number){digits, n_digits, n_l};
    if (n_digits > 0 && n_l <= 2 && digits + n_digits + n_l == word + n)
        return hex ? FORM_HEX : FORM_WHOLE;
    if (memchr(word, 'x', n) || memchr(word, 'X', n)) /* strtod(3) takes hexadecimal too */
        return FORM_NONE;
    strtod(word, &end);
    return end == word + n ? FORM_DECIMAL : FORM_NONE;
}

long long scan_number(const char *word)
{
    return strtoll(word, NULL, strncasecmp(word, "0x", 2) == 0 ? 16 : 10);
}

/* Whether the number does not fit 64 bits. */
static bool is_too_large(const char *word)
{
    errno = 0;
    scan_number(word);
    return errno == ERANGE;
}

static bool is_wide(const char *word)
{
    long long value = scan_number(word);

    return value > INT32_MAX || value < INT32_MIN;
}

static bool needs_care(const char *word, size_t n)
{
    struct number number;
    enum form form = begins_number(word) ? read_number(word, n, &number) : FORM_NONE;

    return ((form == FORM_WHOLE && is_wide(word)) || (form == FORM_HEX && number.n_l > 0)) &&
           !is_too_large(word);
}

/* ---- faults ---- */

/* libconfig drops a text or comment that nothing ends, and does not tell. */
static int check_end(const char *at, struct err *ret_err)
{
    if (at[0] == '"' && quoted_length(at) == 0)
        return err_set(ret_err, "the text that begins here does not end");
    if (begins_comment(at) && comment_length(at) == 0)
        return err_set(ret_err, "the comment that begins here does not end");
    return 0;
}

/*
 * libconfig 1.7.3 alone reads a leading zero as octal; 0b, 0o and 0q are numbers from 1.8 on. A
 * hexadecimal number of more than 31 bits without an L is cut by 1.5 and 1.7.3, and negative in
 * 1.8. Beyond 64 bits, some versions take the largest number there is. And all of them read "10M"
 * as a number and a name.
 */
static int check_number(const char *word, size_t n, struct err *ret_err)
{
    int shown = n < 64 ? (int)n : 64;
    struct number number;

    switch (read_number(word, n, &number)) {
    case FORM_NONE:
        return err_set(ret_err, "\"%.*s\" is no number: write it in decimal", shown, word);
    case FORM_HEX:
        if (number.n_l == 0 && (number.n_digits > 8 || is_wide(word)))
            return err_set(ret_err,
                           "\"%.*s\" is above 0x7FFFFFFF: write it in decimal, or with an L behind",
                           shown, word);
        break;
    case FORM_WHOLE:
        if (number.digits[0] == '0' && number.n_digits > 1)
            return err_set(ret_err,
                           "\"%.*s\" begins with 0, so it could be octal: write it without, or in "
                           "hexadecimal, as 0x...",
                           shown, word);
        break;
    case FORM_DECIMAL:
        return 0;
    }
    return is_too_large(word) ? err_set(ret_err, "\"%.*s\" does not fit 64 bits", shown, word) : 0;
}

/* From 1.7 on, a list may end with a comma; in 1.5 that is a syntax error. */
static int check_comma(const char *at, struct err *ret_err)
{
    const char *next = at + 1 + scan_gap(at + 1);

    if (*next != '\0' && strchr(",])", *next))
        return err_set(ret_err, "nothing follows this comma in the list: leave it out");
    return 0;
}

/* libconfig 1.8 reads these as blanks, older ones as syntax errors. */
static int check_blank(const char *at, struct err *ret_err)
{
    return err_set(ret_err, "a control character, 0x%02x, stands here", (unsigned)*at);
}

/*
 * A backslash before any other byte stands for itself, except that 1.8 reads \a, \b and \v as
 * control bytes. 1.5 drops \x00, which ends the text in later versions.
 */
static int check_escape(const char *at, struct err *ret_err)
{
    bool hex = (at[1] == 'x' || at[1] == 'X') && isxdigit((unsigned char)at[2]) &&
               isxdigit((unsigned char)at[3]);

    if (hex ? at[2] != '0' || at[3] != '0' : at[1] != '\0' && strchr("\\\"nrtf", at[1]))
        return 0;
    if (hex)
        return err_set(ret_err, "no text can have the byte \\x00");
    return err_set(ret_err,
                   "after \\ in a text come \\, \", n, r, t, f or xHH: write \\\\ for a \\");
}

/* The length of one piece of a text: an escape with its backslash, or a byte. */
static size_t inner_length(const char *at)
{
    return at[0] == '\\' && at[1] != '\0' ? 2 : 1;
}

const char *scan_endless(const char *text, struct err *ret_err)
{
    for (; *text != '\0'; text += piece_length(text))
        if (check_end(text, ret_err) < 0)
            return text;
    return NULL;
}

/* Check the piece of `n` bytes that begins here. */
static int check_piece(const char *at, size_t n, struct err *ret_err)
{
    if (opaque_length(at) > 0)
        return check_end(at, ret_err);
    if (word_length(at) > 0)
        return begins_number(at) ? check_number(at, n, ret_err) : 0;
    if (*at == ',')
        return check_comma(at, ret_err);
    return strchr("\a\b\v", *at) ? check_blank(at, ret_err) : 0;
}

/* The first bad escape in the text of `n` bytes that begins here, or NULL. */
static const char *find_escape(const char *text, size_t n, struct err *ret_err)
{
    for (const char *at = text + 1; at < text + n; at += inner_length(at))
        if (*at == '\\' && check_escape(at, ret_err) < 0)
            return at;
    return NULL;
}

const char *scan_fault(const char **rest, struct err *ret_err)
{
    const char *at = *rest, *escape;

    for (size_t n; *at != '\0'; at += n) {
        n = piece_length(at);
        *rest = at + n;
        if (check_piece(at, n, ret_err) < 0)
            return at;
        escape = *at == '"' ? find_escape(at, n, ret_err) : NULL;
        if (escape)
            return escape;
    }
    return NULL;
}

/* ---- items ---- */

enum item scan_item(const char *text, const char **ret_begin, size_t *ret_n)
{
    for (*ret_begin = text; **ret_begin != '\0'; *ret_begin += *ret_n) {
        const char *at = *ret_begin;
        bool opaque = opaque_length(at) > 0;

        *ret_n = piece_length(at);
        if (opaque && is_listed(at, *ret_n))
            return ITEM_TEXT;
        if (!opaque && include_length(at) > 0)
            return ITEM_INCLUDE;
        if (!opaque && needs_care(at, *ret_n))
            return ITEM_NUMBER;
    }
    *ret_n = 0;
    return ITEM_END;
}
