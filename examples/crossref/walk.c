/* walk.c - from what the user names to source files read.
 *
 * A directory is read in the order of its entries' names, links last, so that a file is met under its own name if it can
 * be. Links are followed; a file or directory that has been met before, by whatever name, is left out, which ends the
 * rounds that links can make. In a directory only names that end in .h count, and only regular files: opening anything
 * else could wait for ever. What the user names is read whatever it is.
 *
 * What is still to be done is a list, the next thing first; a directory's entries go in front of it. So neither the depth
 * of a tree nor the number of entries in a directory meets a limit here.
 */
#include "crossref.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

BW_STRUCT(entry, (struct entry *, next), (char *, path), (bool, is_link), (bool, is_directory));

static char *copy_of(const char *text) {
    size_t bytes = strlen(text) + 1;
    return memcpy(bw_alloc_noscan(bytes), text, bytes);
}

static char *joined(const char *directory, const char *name) {
    size_t length = strlen(directory), name_bytes = strlen(name) + 1;
    bool has_slash = length > 0 && directory[length - 1] == '/';
    char *path = bw_alloc_noscan(length + 1 + name_bytes);
    memcpy(path, directory, length);
    path[length] = '/';
    memcpy(path + length + !has_slash, name, name_bytes);
    return path;
}

static bool is_header_name(const char *name) {
    size_t length = strlen(name);
    return length > 2 && strcmp(name + length - 2, ".h") == 0;
}

static void skip_unreadable(crossref *x, const char *path, int error) {
    complain(x, path, "%s; skipped", strerror(error));
    x->unreadable++;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* Reads an open file and closes it, unless it is standard input. */
static void read_file(crossref *x, lexer *l, char *path, int fd, bool is_stream) {
    if (x->file_count == MAX_FILES) {
        complain(x, path, "more files than can be numbered; skipped");
        x->unreadable++;
    } else {
        crossref_add_file(x, path, is_stream);
        lexer_start(l, fd);
        read_tokens(x, l);
        if (l->is_binary || l->error) {
            crossref_forget_last_file(x);
            if (l->is_binary)
                x->binary++;
            else
                skip_unreadable(x, path, l->error);
        } else {
            x->bytes += l->bytes;
            x->lines += l->line - 1;
            if (l->open_comment)
                complain(x, path, "the comment begun in line %llu does not end", (unsigned long long)l->open_comment);
        }
    }
    if (fd != STDIN_FILENO)
        close(fd);
}

static void visit_file(crossref *x, lexer *l, const entry *e) {
    int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        skip_unreadable(x, e->path, errno);
    } else if (crossref_visit(x, status.st_dev, status.st_ino)) {
        read_file(x, l, e->path, fd, !S_ISREG(status.st_mode));
        return;
    }
    if (fd >= 0)
        close(fd);
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static bool comes_first(const entry *a, const entry *b) {
    if (a->is_link != b->is_link)
        return b->is_link;
    return strcmp(a->path, b->path) <= 0;
}

/* Sorts the first `count` entries of a list, and cuts them off. */
static entry *sorted(entry *list, size_t count) {
    if (count <= 1) {
        if (list)
            list->next = NULL;
        return list;
    }
    entry *middle = list;
    for (size_t i = 0; i < count / 2; i++)
        middle = middle->next;
    entry *right = sorted(middle, count - count / 2);
    entry *left = sorted(list, count / 2);

    entry head = {0}, *last = &head;
    while (left && right) {
        entry **first = comes_first(left, right) ? &left : &right;
        last->next = *first;
        last = *first;
        *first = last->next;
    }
    last->next = left ? left : right;
    return head.next;
}

/* Whether an entry is a file or directory to be read, which it then says of itself. */
static bool is_wanted(crossref *x, entry *e, const struct dirent *found) {
    unsigned char type = found->d_type;
    e->is_link = type == DT_LNK;
    if (type == DT_LNK || type == DT_UNKNOWN) {
        struct stat status;
        if (stat(e->path, &status) != 0) {
            /* A link to nowhere matters only if it looks like a header. */
            if (is_header_name(found->d_name))
                skip_unreadable(x, e->path, errno);
            return false;
        }
        type = IFTODT(status.st_mode);
    }
    e->is_directory = type == DT_DIR;
    return e->is_directory || (type == DT_REG && is_header_name(found->d_name));
}

/* The wanted entries of a directory in order, with `rest` behind them. */
static entry *read_directory(crossref *x, const char *path, entry *rest) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    DIR *directory = NULL;
    if (fd < 0 || fstat(fd, &status) != 0 || !(directory = fdopendir(fd))) {
        skip_unreadable(x, path, errno);
        if (fd >= 0)
            close(fd);
        return rest;
    }
    entry *found = NULL;
    size_t count = 0;
    if (crossref_visit(x, status.st_dev, status.st_ino)) {
        struct dirent *next;
        while (errno = 0, (next = readdir(directory))) {
            if (strcmp(next->d_name, ".") == 0 || strcmp(next->d_name, "..") == 0)
                continue;
            if (next->d_type == DT_REG && !is_header_name(next->d_name))
                continue;
            entry *e = bw_new(entry);
            e->path = joined(path, next->d_name);
            if (is_wanted(x, e, next)) {
                e->next = found;
                found = e;
                count++;
            }
        }
        if (errno)
            skip_unreadable(x, path, errno);
    }
    closedir(directory);

    found = sorted(found, count);
    if (!found)
        return rest;
    entry *last = found;
    while (last->next)
        last = last->next;
    last->next = rest;
    return found;
}

/* ---- what the user names ---------------------------------------------------------------------------------------- */

void walk(crossref *x, const char *path) {
    lexer *l = lexer_new(x);
    if (strcmp(path, "-") == 0) {
        read_file(x, l, copy_of("<stdin>"), STDIN_FILENO, true);
        return;
    }
    struct stat status;
    if (stat(path, &status) != 0) {
        skip_unreadable(x, path, errno);
        return;
    }
    entry *todo = bw_new(entry);
    todo->path = copy_of(path);
    todo->is_directory = S_ISDIR(status.st_mode);
    while (todo) {
        const entry *e = todo;
        todo = todo->next;
        if (e->is_directory)
            todo = read_directory(x, e->path, todo);
        else
            visit_file(x, l, e);
    }
}
