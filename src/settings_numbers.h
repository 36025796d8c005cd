/*
 * settings_numbers.h - whole numbers that libconfig 1.5 would cut to 32 bits without a word.
 * Private to the settings modules.
 */
#ifndef ECHOD_SETTINGS_NUMBERS_H
#define ECHOD_SETTINGS_NUMBERS_H

/* A walk over the text of a file. Set `at` to its beginning and `line` to 1, the rest to 0. */
struct number_scan {
    const char *at;
    unsigned line;
    char group[64];  /* the group of settings that is open, "tls", or "" */
    char name[64];   /* the last name: of the setting whose value is looked at */
    char number[64]; /* the number that was found */
};

/*
 * Go on to the next number that does not fit 32 bits and has no L behind it: libconfig would store
 * another one. Returns 1 when there is one, `line`, `group`, `name` and `number` telling which,
 * else 0.
 */
int number_scan_next(struct number_scan *scan);

#endif
