/* crossref.h - the words of the cross-reference, and what its files offer each other.
 *
 *   identifier   a word of the sources that is no keyword, and the list of its places
 *   place        one occurrence: the file, the line, and how it looks there
 *   look         a use, or one of the ways of being defined or declared
 *   source file  a file that was read
 *   crossref     all of it: the table of identifiers, the list of source files, the totals
 *
 *   crossref.c      options, the order of events, exit status
 *   walk.c          trees and files named by the user -> source files to read
 *   lexer.c         a source file -> tokens
 *   declarations.c  tokens -> how an identifier looks
 *   index.c         the tables
 *   answer.c        what is printed about identifiers
 *   summary.c       progress, totals, the collector's figures, the ledger
 *
 * Everything lives on the Burrow heap, from the read buffer to the hash table, and nothing is ever freed by hand.
 */
#ifndef CROSSREF_H
#define CROSSREF_H

#include <burrow.h>
#include <stdio.h>

/* ---- what is remembered ----------------------------------------------------------------------------------------- */

/* Told from the words around the identifier, not by compiling: right nearly always, and never relied upon. */
enum look { LOOK_USE, LOOK_MACRO, LOOK_TAG, LOOK_TYPEDEF, LOOK_FUNCTION, LOOK_ENUMERATOR, LOOK_VARIABLE };

/* The file's number and the look share a word, since a cross-reference holds many millions of these. */
BW_STRUCT(place, (uint32_t, file_and_look), (uint32_t, line));
#define PLACE_LOOK_SHIFT 28
#define MAX_FILES (UINT32_C(1) << PLACE_LOOK_SHIFT)

static inline uint32_t place_file(const place *at) {
    return at->file_and_look & (MAX_FILES - 1);
}
static inline enum look place_look(const place *at) {
    return (enum look)(at->file_and_look >> PLACE_LOOK_SHIFT);
}

enum keyword {
    KEYWORD_NONE,
    KEYWORD_OTHER,     /* if, return, sizeof, ... */
    KEYWORD_TYPE,      /* int, void, ...: may stand before a declared name */
    KEYWORD_QUALIFIER, /* const, inline, ...: as if it were not there */
    KEYWORD_STORAGE,   /* static, extern, ... */
    KEYWORD_TYPEDEF,
    KEYWORD_STRUCT, /* and union */
    KEYWORD_ENUM,
    KEYWORD_ATTRIBUTE, /* __attribute__, asm, ...: it and the parentheses after it say nothing about names */
};

/* Places are in the order they were read: by file, within a file by line. Their array is full when its count is a power
 * of two (but 1), so that its size needs no field. Keywords have an identifier each, without places. */
BW_STRUCT(identifier, (char *, text), (place *, places), (size_t, place_count), (uint32_t, length),
          (uint32_t, keyword));

/* A stream (standard input, a pipe) cannot be read again to show a line of it. */
BW_STRUCT(source_file, (char *, path), (bool, is_stream));

/* Of the table of identifiers; in an empty one id is NULL. */
BW_STRUCT(slot, (uint64_t, hash), (identifier *, id));

/* What a file is, whatever its name. */
BW_STRUCT(file_key, (uint64_t, device), (uint64_t, inode), (bool, used));

typedef struct crossref {
    slot *slots; /* open-addressed */
    size_t slot_count;
    size_t slots_used;
    source_file **files; /* by number */
    size_t file_count;
    size_t file_room;
    file_key *visited; /* open-addressed */
    size_t visited_count;
    size_t visited_room;

    uint64_t places;
    uint64_t lines, bytes;       /* of the files that were read */
    uint64_t unreadable, binary; /* files and directories that were skipped */

    uint64_t started_ns;
    uint64_t progress_ns; /* when the progress was last shown */
    bool progress_wanted;
    bool progress_shown; /* it is on the terminal now */
} crossref;
BW_TYPE(crossref, slots, slot_count, slots_used, files, file_count, file_room, visited, visited_count, visited_room,
        places, lines, bytes, unreadable, binary, started_ns, progress_ns, progress_wanted, progress_shown);

/* ---- index.c ---------------------------------------------------------------------------------------------------- */

crossref *crossref_new(void);

/* The identifier of that spelling, made if it is new. */
identifier *crossref_intern(crossref *x, const char *text, size_t length);
/* The same, but NULL if there is none. */
identifier *crossref_find(const crossref *x, const char *text, size_t length);

/* Adds a place, a use so far, and returns its index among the identifier's places. */
size_t crossref_add_place(crossref *x, identifier *id, uint32_t file, uint64_t line);
void crossref_set_look(identifier *id, size_t index, enum look look);

/* Enters a file; its number is the count before. */
void crossref_add_file(crossref *x, char *path, bool is_stream);
/* Takes the last file and all its places back. */
void crossref_forget_last_file(crossref *x);

/* Remembers a file or directory; false if it was there already. */
bool crossref_visit(crossref *x, uint64_t device, uint64_t inode);

/* Identifiers that occur somewhere: keywords, and words only seen in files that were taken back, do not. */
size_t crossref_identifier_count(const crossref *x);

/* ---- walk.c ----------------------------------------------------------------------------------------------------- */

/* Reads a file, every header of a tree, or, for "-", standard input. */
void walk(crossref *x, const char *path);

/* ---- lexer.c ---------------------------------------------------------------------------------------------------- */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,        /* an identifier or a keyword: text, length */
    TOKEN_PUNCTUATION, /* its first character: c */
    TOKEN_STRING,
    TOKEN_LITERAL,       /* a number or a character */
    TOKEN_DIRECTIVE,     /* the name behind a #, which may be empty: text, length */
    TOKEN_DIRECTIVE_END, /* the end of that line */
};

typedef struct token {
    enum token_kind kind;
    int c;
    const char *text; /* valid until the next token is asked for */
    size_t length;
    uint64_t line; /* where the token begins, from 1 */
} token;

/* A file being read in pieces. What is between cursor and end has been read and not yet been looked at; *end is 0, which
 * no text contains, so that loops over characters need not test for the end. */
typedef struct lexer {
    unsigned char *buffer;
    unsigned char *cursor;
    unsigned char *end;
    size_t room; /* of the buffer, without the byte for the 0 */
    crossref *x;
    int fd;
    int error;             /* the errno that ended reading, or 0 */
    uint64_t line;         /* that of the cursor, from 1 */
    uint64_t bytes;        /* read so far */
    uint64_t open_comment; /* the line of a comment that nothing ends, or 0 */
    bool at_end;
    bool is_binary; /* a NUL was found, which ends reading */
    bool line_is_blank;
    bool in_directive;
} lexer;
BW_TYPE(lexer, buffer, cursor, end, room, x, fd, error, line, bytes, open_comment, at_end, is_binary, line_is_blank,
        in_directive);

lexer *lexer_new(crossref *x);
/* Begins a file. */
void lexer_start(lexer *l, int fd);
/* Takes the next token. */
void lexer_next(lexer *l, token *t);

/* ---- declarations.c --------------------------------------------------------------------------------------------- */

/* Reads the tokens of a file into the cross-reference, as the file last added. */
void read_tokens(crossref *x, lexer *l);

/* ---- answer.c --------------------------------------------------------------------------------------------------- */

void answer_top(const crossref *x, size_t count);
/* Prints at most `limit` definitions and `limit` uses. False if there is no such identifier, which is said. */
bool answer_name(const crossref *x, const char *name, size_t limit);
/* Writes a name of the file system so that it stays on one line and cannot command the terminal. */
void print_path(FILE *to, const char *path);

/* ---- summary.c -------------------------------------------------------------------------------------------------- */

uint64_t now_ns(void);
/* Brings the line on the terminal up to date, if there is one and it is time. */
void progress_update(crossref *x);
void progress_clear(crossref *x);
/* Says on standard error, as printf would, what is the matter with a file. */
void complain(crossref *x, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));
void print_totals(const crossref *x);
void print_collector(const crossref *x);

#endif
