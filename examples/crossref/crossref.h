/* crossref.h - the words of the cross-reference, and what its files offer each other.
 *
 *   identifier   a word of the sources that is no keyword, and the list of its places
 *   place        one occurrence: the file, the line, and how it looks there
 *   look         a use, or one of the ways of being defined or declared
 *   source file  a file that was read
 *   crossref     all of it: the map of identifiers, the list of source files, the totals
 *
 *   crossref.c      options, the order of events, exit status
 *   walk.c          trees and files named by the user -> source files to read
 *   lexer.c         a source file -> tokens
 *   declarations.c  tokens -> how an identifier looks
 *   index.c         identifiers and their places
 *   answer.c        what is printed about identifiers
 *   summary.c       progress, totals, the collector's figures, the ledger
 *
 * Everything lives on the Burrow heap, from the read buffer to the map of identifiers, and nothing is freed by hand.
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
BW_STRUCT(identifier, (bw_slice(place), places), (enum keyword, keyword));
BW_MAP(identifier_map, bw_string, identifier *);

/* A stream (standard input, a pipe) cannot be read again to show a line of it. */
BW_STRUCT(source_file, (bw_string, path), (bool, is_stream));
BW_SLICE(source_file);

/* What a file is, whatever its name. */
BW_STRUCT(file_key, (uint64_t, device), (uint64_t, inode));
BW_MAP(file_set, file_key, bool);

typedef struct crossref {
    identifier_map identifiers; /* by their names */
    bw_slice(source_file) files;
    file_set visited; /* files and directories */

    ptrdiff_t found, places;     /* identifiers that have places, and how many those are */
    uint64_t lines, bytes;       /* of the files that were read */
    uint64_t unreadable, binary; /* files and directories that were skipped */

    uint64_t started_ns;
    uint64_t progress_ns; /* when the progress was last shown */
    bool progress_wanted;
    bool progress_shown; /* it is on the terminal now */
} crossref;

/* ---- index.c ---------------------------------------------------------------------------------------------------- */

crossref crossref_new(void);

/* The identifier of that name, made if it is new. */
identifier *crossref_intern(crossref *x, bw_string name);

/* One place of one identifier. */
typedef struct spot {
    identifier *id;
    ptrdiff_t index;
} spot;

/* Adds a place, a use so far, in the file last added. */
spot crossref_add_place(crossref *x, identifier *id, uint64_t line);
void crossref_set_look(spot at, enum look look);

/* Takes the last file and all its places back. */
void crossref_forget_last_file(crossref *x);

/* ---- walk.c ----------------------------------------------------------------------------------------------------- */

/* Reads a file, every header of a tree, or, for "-", standard input. */
void walk(crossref *x, bw_string path);

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

/* Begins a file; the buffer is that of the file before, if there was one. */
void lexer_start(lexer *l, crossref *x, int fd);
/* Takes the next token. */
void lexer_next(lexer *l, token *t);

/* ---- declarations.c --------------------------------------------------------------------------------------------- */

/* Reads the tokens of a file into the cross-reference, as the file last added. */
void read_tokens(crossref *x, lexer *l);

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
