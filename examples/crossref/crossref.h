/* crossref.h - the words of the cross-reference, and what its files offer each other.
 *
 *   identifier   a word of the sources that is no keyword, and the list of its places
 *   place        where it stands: the file, the line, and how it looks there
 *   look         a use, or one of the ways of being defined or declared
 *   source file  a file that was read
 *   reading      a file on its way: found, then read, then entered
 *   occurrence   what a reading has found: an identifier in a line
 *   crossref     all of it: the map of identifiers, the list of source files, the totals
 *
 *   crossref.c      options, the order of events, exit status
 *   pool.c          the goroutines that find, read and enter files
 *   walk.c          trees and files named by the user -> readings
 *   lexer.c         a source file -> tokens
 *   declarations.c  tokens -> how an identifier looks
 *   index.c         identifiers and their places
 *   answer.c        what is printed about identifiers
 *   summary.c       progress, totals, the collector's figures, the ledger
 *
 * Everything lives on the Burrow heap, from the read buffer to the map of identifiers, and nothing is freed by hand.
 * Several files are read at once, but entered one after another in the order in which they were found, so that what is
 * printed does not depend on who was faster:
 *
 *      walk --- found -----> read_files (several)
 *          \                   |  is_read
 *           `-- in order --> enter_files
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
BW_SLICE(place);
#define PLACE_LOOK_SHIFT 28
#define MAX_FILES (1 << PLACE_LOOK_SHIFT)

static inline uint32_t place_file(place at) {
    return at.file_and_look & (MAX_FILES - 1);
}
static inline enum look place_look(place at) {
    return (enum look)(at.file_and_look >> PLACE_LOOK_SHIFT);
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

/* Places are in the order they were read: by file, within a file by line. Keywords have an identifier each, without
 * places; so have words that were only seen in files that turned out to be binary. */
BW_STRUCT(identifier, (bw_string, name), (bw_slice(place), places), (enum keyword, keyword));
BW_MAP(identifier_map, bw_string, identifier *);

/* A stream (standard input, a pipe) cannot be read again to show a line of it. */
BW_STRUCT(source_file, (bw_string, path), (bool, is_stream));
BW_SLICE(source_file);

/* What a file is, whatever its name. */
BW_STRUCT(file_key, (uint64_t, device), (uint64_t, inode));
BW_MAP(file_set, file_key, bool);

/* One word of a file, a use unless it is told otherwise. */
BW_STRUCT(occurrence, (identifier *, id), (uint32_t, line), (enum look, look));
BW_SLICE(occurrence);

typedef struct reading {
    source_file file;
    int fd;                /* to be read and closed */
    bw_error err;          /* why it is left out */
    bw_chan(bool) is_read; /* closed when what follows is there; NULL if nothing was to be read */
    bw_slice(occurrence) found;
    uint64_t lines, bytes;
    uint64_t open_comment; /* the line of a comment that nothing ends, or 0 */
    bool is_binary;
} reading;

typedef struct crossref {
    identifier_map identifiers; /* by their names; `interning` is held by whoever looks while files are read */
    bw_mutex interning;

    /* The rest is that of enter_files alone, until it has ended. */
    bw_slice(source_file) files;

    ptrdiff_t found, places;     /* identifiers that have places, and how many those are */
    uint64_t lines, bytes;       /* of the files that were read */
    uint64_t unreadable, binary; /* files and directories that were skipped */

    uint64_t started_ns;
    uint64_t progress_ns; /* when the progress was last shown */
    bool progress_wanted;
    bool progress_shown; /* it is on the terminal now */
} crossref;

/* ---- index.c ---------------------------------------------------------------------------------------------------- */

crossref *crossref_new(void);

/* The identifier of that name, made if it is new. `known` is the caller's own, of those that it has met before. */
identifier *crossref_intern(crossref *x, identifier_map known, bw_string name);

/* Adds a source file and what was found in it. False if there are too many files. */
bool crossref_enter(crossref *x, source_file file, bw_slice(occurrence) found);

/* ---- pool.c ----------------------------------------------------------------------------------------------------- */

/* Reads all that is in these files and trees. */
void read_all(crossref *x, bw_slice(bw_string) paths);

/* ---- walk.c ----------------------------------------------------------------------------------------------------- */

/* Sends a file, every header of a tree, or, for "-", standard input: each as a reading with an open file, and what could
 * not be opened as one with an error. */
typedef struct walker {
    bw_chan(reading *) found, in_order;
    file_set visited; /* files and directories */
} walker;
void walk(walker *w, bw_string path);

/* ---- lexer.c ---------------------------------------------------------------------------------------------------- */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,        /* an identifier or a keyword: text */
    TOKEN_PUNCTUATION, /* its first character: c */
    TOKEN_STRING,
    TOKEN_LITERAL,       /* a number or a character */
    TOKEN_DIRECTIVE,     /* behind a #: directive */
    TOKEN_DIRECTIVE_END, /* the end of that line */
};

enum directive {
    DIRECTIVE_OTHER,
    DIRECTIVE_IF,
    DIRECTIVE_ELSE,
    DIRECTIVE_ENDIF,
    DIRECTIVE_DEFINE,
    DIRECTIVE_HEADER, /* may be followed by <a name> */
    DIRECTIVE_PROSE,  /* is followed by what is not made of tokens */
};

typedef struct token {
    enum token_kind kind;
    enum directive directive;
    int c;
    bw_string text; /* valid until the next token is asked for */
    uint64_t line;  /* where the token begins, from 1 */
} token;

/* A file being read in pieces. What is between cursor and end has been read and not yet been looked at; *end is 0,
 * which no text contains, so that loops over characters need not test for the end. */
typedef struct lexer {
    bw_slice(uint8_t) buffer; /* its last byte is for that 0 */
    unsigned char *cursor;
    unsigned char *end;
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

/* Begins a file; the buffer is that of the file before, if there was one. */
void lexer_start(lexer *l, int fd);
/* Takes the next token. */
void lexer_next(lexer *l, token *t);

/* ---- declarations.c --------------------------------------------------------------------------------------------- */

/* Adds what the tokens of a file are to what was found in it. */
bw_slice(occurrence) read_tokens(crossref *x, identifier_map known, lexer *l, bw_slice(occurrence) found);

/* ---- answer.c --------------------------------------------------------------------------------------------------- */

void answer_top(const crossref *x, ptrdiff_t count);
/* Prints at most `limit` definitions and `limit` uses. False if there is no such identifier, which is said. */
bool answer_name(const crossref *x, bw_string name, ptrdiff_t limit);
/* A name of the file system so written that it stays on one line and cannot command the terminal. */
bw_string printable(bw_string path);

/* ---- summary.c -------------------------------------------------------------------------------------------------- */

uint64_t now_ns(void);
/* Brings the line on the terminal up to date, if there is one and it is time. */
void progress_update(crossref *x);
void progress_clear(crossref *x);
/* Says on standard error what is the matter. */
void complain(crossref *x, bw_error err);
void print_totals(const crossref *x);
void print_collector(const crossref *x);

#endif
