/* walk.c - from what the user names to files that are open, in the order of their places in the cross-reference.
 *
 * A directory is read in the order of its entries' names, links last, so that a file is met under its own name if it
 * can be. Links are followed; a file or directory that has been met before, by whatever name, is left out, which ends
 * the rounds that links can make. In a directory only names that end in .h count, and only regular files: opening
 * anything else could wait for ever. What the user names is read whatever it is.
 *
 * What is still to be done is a stack; a directory's entries are put on it, the first one on top. So neither the depth
 * of a tree nor the number of entries in a directory meets a limit here.
 */
#include "crossref.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

BW_STRUCT(entry, (bw_string, path), (bool, is_link), (bool, is_directory));
BW_SLICE(entry);

static bool is_header_name(bw_string name) {
    return bw_len(name) > 2 && bw_str_has_suffix(name, bw_str(".h"));
}

static bw_error failed(bw_string path, int error) {
    return bw_errorf("%s: %s", printable(path), strerror(error));
}

static void send_failure(walker *w, bw_error err) {
    reading *r = bw_new(reading);
    r->err = err;
    bw_send(w->in_order, r);
}

static void send_file(walker *w, bw_string path, int fd, bool is_stream) {
    reading *r = bw_new(reading);
    *r = (reading){.file = {path, is_stream}, .fd = fd, .is_read = bw_make_chan(bool, 0)};
    bw_send(w->found, r);
    bw_send(w->in_order, r);
}

/* Remembers a file or directory; false if it was there already. */
static bool is_new(walker *w, const struct stat *status) {
    file_key key = {status->st_dev, status->st_ino};
    if (bw_has(w->visited, key))
        return false;
    bw_put(w->visited, key) = true;
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static bw_error visit_file(walker *w, bw_string path) {
    int fd = open(bw_cstr(path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return failed(path, errno);
    struct stat status;
    bw_error err = fstat(fd, &status) == 0 ? bw_nil : failed(path, errno);
    if (bw_is_nil(err) && is_new(w, &status))
        send_file(w, path, fd, !S_ISREG(status.st_mode));
    else
        close(fd);
    return err;
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static int last_first(const entry *a, const entry *b) {
    return a->is_link != b->is_link ? b->is_link - a->is_link : bw_str_cmp(b->path, a->path);
}

/* Whether an entry is a file or directory to be read, which it then says of itself. */
static bool is_wanted(walker *w, entry *e, bw_string name, unsigned char type) {
    e->is_link = type == DT_LNK;
    if (type == DT_LNK || type == DT_UNKNOWN) {
        struct stat status;
        if (stat(bw_cstr(e->path), &status) != 0) {
            /* A link to nowhere matters only if it looks like a header. */
            if (is_header_name(name))
                send_failure(w, failed(e->path, errno));
            return false;
        }
        type = IFTODT(status.st_mode);
    }
    e->is_directory = type == DT_DIR;
    return e->is_directory || (type == DT_REG && is_header_name(name));
}

/* Puts the wanted entries of a directory on the stack. */
static bw_error read_directory(walker *w, bw_string path, bw_slice(entry) * todo) {
    DIR *directory = opendir(bw_cstr(path));
    if (!directory)
        return failed(path, errno);
    bw_defer(closedir, directory);
    struct stat status;
    if (fstat(dirfd(directory), &status) != 0)
        return failed(path, errno);
    if (!is_new(w, &status))
        return bw_nil;

    ptrdiff_t below = bw_len(*todo);
    struct dirent *next;
    while (errno = 0, (next = readdir(directory))) {
        bw_string name = bw_string_of(next->d_name);
        if (bw_str_eq(name, bw_str(".")) || bw_str_eq(name, bw_str("..")))
            continue;
        if (next->d_type == DT_REG && !is_header_name(name))
            continue;
        entry e = {.path = bw_concat(path, bw_str_has_suffix(path, bw_str("/")) ? "" : "/", name)};
        if (is_wanted(w, &e, name, next->d_type))
            *todo = bw_append(*todo, e);
    }
    int error = errno;
    bw_sort(bw_sub(*todo, below, bw_len(*todo)), last_first);
    return error ? failed(path, error) : bw_nil;
}

/* ---- what the user names ---------------------------------------------------------------------------------------- */

void walk(walker *w, bw_string path) {
    if (bw_str_eq(path, bw_str("-"))) {
        send_file(w, bw_str("<stdin>"), STDIN_FILENO, true);
        return;
    }
    struct stat status;
    if (stat(bw_cstr(path), &status) != 0) {
        send_failure(w, failed(path, errno));
        return;
    }
    bw_slice(entry) todo = bw_slice_of(entry, ((entry){path, .is_directory = S_ISDIR(status.st_mode)}));
    while (bw_len(todo) > 0) {
        entry next = bw_at(todo, bw_len(todo) - 1);
        todo = bw_sub(todo, 0, bw_len(todo) - 1);
        bw_error err = next.is_directory ? read_directory(w, next.path, &todo) : visit_file(w, next.path);
        if (!bw_is_nil(err))
            send_failure(w, err);
    }
}
