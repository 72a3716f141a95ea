/* walk.c - from what the user names to source files read.
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

/* Says what could not be read, if something could not, and counts it. */
static void skip_if_failed(crossref *x, bw_error err) {
    if (bw_is_nil(err))
        return;
    complain(x, bw_errorf("%w; skipped", err));
    x->unreadable++;
}

/* Remembers a file or directory; false if it was there already. */
static bool is_new(crossref *x, const struct stat *status) {
    file_key key = {status->st_dev, status->st_ino};
    if (bw_has(x->visited, key))
        return false;
    bw_put(x->visited, key) = true;
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static bw_error read_file(crossref *x, lexer *l, bw_string path, int fd, bool is_stream) {
    if (bw_len(x->files) == MAX_FILES)
        return bw_errorf("%s: more files than can be numbered", printable(path));
    x->files = bw_append(x->files, ((source_file){path, is_stream}));
    lexer_start(l, x, fd);
    read_tokens(x, l);
    if (l->is_binary || l->error) {
        crossref_forget_last_file(x);
        x->binary += l->is_binary;
        return l->is_binary ? bw_nil : failed(path, l->error);
    }
    x->bytes += l->bytes;
    x->lines += l->line - 1;
    if (l->open_comment)
        complain(x, bw_errorf("%s: the comment begun in line %d does not end", printable(path), l->open_comment));
    return bw_nil;
}

static bw_error visit_file(crossref *x, lexer *l, bw_string path) {
    int fd = open(bw_cstr(path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return failed(path, errno);
    bw_defer(close, fd);
    struct stat status;
    if (fstat(fd, &status) != 0)
        return failed(path, errno);
    return is_new(x, &status) ? read_file(x, l, path, fd, !S_ISREG(status.st_mode)) : bw_nil;
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static int last_first(const entry *a, const entry *b) {
    return a->is_link != b->is_link ? b->is_link - a->is_link : bw_str_cmp(b->path, a->path);
}

/* Whether an entry is a file or directory to be read, which it then says of itself. */
static bool is_wanted(crossref *x, entry *e, bw_string name, unsigned char type) {
    e->is_link = type == DT_LNK;
    if (type == DT_LNK || type == DT_UNKNOWN) {
        struct stat status;
        if (stat(bw_cstr(e->path), &status) != 0) {
            /* A link to nowhere matters only if it looks like a header. */
            if (is_header_name(name))
                skip_if_failed(x, failed(e->path, errno));
            return false;
        }
        type = IFTODT(status.st_mode);
    }
    e->is_directory = type == DT_DIR;
    return e->is_directory || (type == DT_REG && is_header_name(name));
}

/* Puts the wanted entries of a directory on the stack. */
static bw_error read_directory(crossref *x, bw_string path, bw_slice(entry) * todo) {
    DIR *directory = opendir(bw_cstr(path));
    if (!directory)
        return failed(path, errno);
    bw_defer(closedir, directory);
    struct stat status;
    if (fstat(dirfd(directory), &status) != 0)
        return failed(path, errno);
    if (!is_new(x, &status))
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
        if (is_wanted(x, &e, name, next->d_type))
            *todo = bw_append(*todo, e);
    }
    int error = errno;
    bw_sort(bw_sub(*todo, below, bw_len(*todo)), last_first);
    return error ? failed(path, error) : bw_nil;
}

/* ---- what the user names ---------------------------------------------------------------------------------------- */

void walk(crossref *x, bw_string path) {
    lexer l = {0};
    if (bw_str_eq(path, bw_str("-"))) {
        skip_if_failed(x, read_file(x, &l, bw_str("<stdin>"), STDIN_FILENO, true));
        return;
    }
    struct stat status;
    if (stat(bw_cstr(path), &status) != 0) {
        skip_if_failed(x, failed(path, errno));
        return;
    }
    bw_slice(entry) todo = bw_slice_of(entry, ((entry){path, .is_directory = S_ISDIR(status.st_mode)}));
    while (bw_len(todo) > 0) {
        entry next = bw_at(todo, bw_len(todo) - 1);
        todo = bw_sub(todo, 0, bw_len(todo) - 1);
        skip_if_failed(x, next.is_directory ? read_directory(x, next.path, &todo) : visit_file(x, &l, next.path));
    }
}
