/* errors.h - what error.c and errorf.c have for each other. */
#ifndef BURROW_ERRORS_H
#define BURROW_ERRORS_H

#include "text.h"

static inline bool error_is_nil(bw_error err) {
    return err.bw__table == NULL;
}

#endif
