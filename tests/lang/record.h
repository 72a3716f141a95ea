/* record.h - what the calls of a test did, in order. */
#ifndef BURROW_TESTS_LANG_RECORD_H
#define BURROW_TESTS_LANG_RECORD_H

#include "../support.h"

static char record[256];
static UNUSED void note(const char *what) {
    CHECK(strlen(record) + strlen(what) < sizeof record);
    strcat(record, what);
}
/* It was this; a new one begins. */
static UNUSED void assert_record(const char *expected) {
    assert_string_equal(record, expected);
    record[0] = 0;
}

#endif
