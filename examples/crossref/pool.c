/* pool.c - the goroutines that find, read and enter files.
 *
 * One walks the trees, one for each processor reads what that has found, one enters what those have read. They know of
 * each other only the channels between them. The room in these is what keeps the number of open files, and of files that
 * are read and not yet entered, within bounds: who is ahead of the rest waits.
 */
#include "crossref.h"
#include <string.h>
#include <unistd.h>

enum { AHEAD = 64 }; /* files found and not yet being read; and files found and not yet entered */

/* The arrays of what was found are used again: whoever needs one takes what is there, or nil. */
typedef bw_chan(bw_slice(occurrence)) spare_arrays;

static void walk_all(walker w, bw_slice(bw_string) paths) {
    bw_range(i, path, paths) {
        walk(&w, path);
    }
    bw_close(w.found);
    bw_close(w.in_order);
}

static bw_slice(occurrence) take_spare(spare_arrays spare) {
    bw_select {
        bw_on_recv(spare, found) return bw_sub(found, 0, 0);
        bw_default break;
    }
    return bw_make(bw_slice(occurrence));
}

static void read_file(crossref *x, identifier_map known, lexer *l, reading *r) {
    bw_defer(close, r->fd);
    lexer_start(l, r->fd);
    r->found = read_tokens(x, known, l, r->found);
    r->is_binary = l->is_binary;
    if (l->error)
        r->err = bw_errorf("%s: %s", printable(r->file.path), strerror(l->error));
    r->lines = l->line - 1;
    r->bytes = l->bytes;
    r->open_comment = l->open_comment;
}

static void read_files(crossref *x, bw_chan(reading *) found, spare_arrays spare) {
    lexer l = {0};
    identifier_map known = bw_make_map(identifier_map);
    bw_chan_range(r, found) {
        r->found = take_spare(spare);
        read_file(x, known, &l, r);
        bw_close(r->is_read);
    }
}

/* A reading with all that is to be said about it. */
static void enter(crossref *x, reading *r) {
    bool is_kept = bw_is_nil(r->err) && !r->is_binary;
    if (is_kept && !crossref_enter(x, r->file, r->found)) {
        r->err = bw_errorf("%s: more files than can be numbered", printable(r->file.path));
        is_kept = false;
    }
    if (is_kept) {
        x->bytes += r->bytes;
        x->lines += r->lines;
        if (r->open_comment)
            complain(x, bw_errorf("%s: the comment begun in line %d does not end", printable(r->file.path),
                                  r->open_comment));
    } else if (r->is_binary) {
        x->binary++;
    } else {
        complain(x, bw_errorf("%w; skipped", r->err));
        x->unreadable++;
    }
    progress_update(x);
}

static void enter_files(crossref *x, bw_chan(reading *) in_order, spare_arrays spare) {
    bw_chan_range(r, in_order) {
        if (r->is_read)
            bw_recv(r->is_read);
        enter(x, r);
        bw_select {
            bw_on_send(spare, r->found) break;
            bw_default break;
        }
    }
}

void read_all(crossref *x, bw_slice(bw_string) paths) {
    walker w = {.found = bw_make_chan(reading *, AHEAD),
                .in_order = bw_make_chan(reading *, AHEAD),
                .visited = bw_make_map(file_set)};
    spare_arrays spare = bw_make_chan(bw_slice(occurrence), AHEAD);
    bw_waitgroup all = {0};
    bw_waitgroup_go(&all, walk_all, w, paths);
    for (int i = 0; i < bw_gomaxprocs(0); i++)
        bw_waitgroup_go(&all, read_files, x, w.found, spare);
    bw_waitgroup_go(&all, enter_files, x, w.in_order, spare);
    bw_waitgroup_wait(&all);
}
