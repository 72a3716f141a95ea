/* errors.h - what error.c and errorf.c have for each other. */
#ifndef BURROW_ERRORS_H
#define BURROW_ERRORS_H

#include "text.h"

/* Memory for an error object of the site's type: every one comes from here. */
void *error_memory(bw__site *site);
#define NEW_ERROR(T)                                                                                                   \
    ((T *)({                                                                                                           \
        static bw__site site_ = BW__SITE(T, 0);                                                                        \
        error_memory(&site_);                                                                                          \
    }))

static inline bool error_is_nil(bw_error err) {
    return err.bw__table == NULL;
}

#endif
