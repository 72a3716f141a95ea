/* lexer.c - from the bytes of a source file to its tokens, as GNU C11 divides it.
 *
 * Comments, strings (raw ones too), characters, numbers, directives and digraphs are recognised; a line splice, which
 * is a backslash at the end of a line, may be anywhere, also inside an identifier or between the two characters that
 * begin a comment. Text that is not C, such as the prose in an #if 0, is got over somehow: a quote that nothing closes
 * ends with its line.
 *
 * The file is read in pieces into a buffer that grows only if a single identifier is larger than it:
 *
 *      buffer          keep        cursor            end
 *      | done with ... | token ... | not yet seen ... | 0
 *
 * refill() moves what is kept to the front and reads behind it. Whoever holds a pointer into the buffer hands it in as
 * `keep`, or computes it anew from the cursor.
 */
#include "crossref.h"
#include <string.h>

enum { PIECE = 128 << 10 };

/* What a token that begins with this character is. */
enum start {
    START_PUNCTUATION,
    START_END, /* NUL: the end of what has been read */
    START_BLANK,
    START_NEWLINE,
    START_WORD,
    START_DIGIT,
    START_QUOTE,
    START_SLASH,
    START_HASH,
    START_DOT,
    START_BACKSLASH,
    START_DIGRAPH,
};
static const unsigned char start_of[256] = {
    [0] = START_END,
    [' '] = START_BLANK,
    ['\t'] = START_BLANK,
    ['\r'] = START_BLANK,
    ['\f'] = START_BLANK,
    ['\v'] = START_BLANK,
    ['\n'] = START_NEWLINE,
    ['A' ... 'Z'] = START_WORD,
    ['a' ... 'z'] = START_WORD,
    ['_'] = START_WORD,
    ['$'] = START_WORD,
    [0x80 ... 0xff] = START_WORD, /* UTF-8, as both compilers take it */
    ['0' ... '9'] = START_DIGIT,
    ['"'] = START_QUOTE,
    ['\''] = START_QUOTE,
    ['/'] = START_SLASH,
    ['#'] = START_HASH,
    ['.'] = START_DOT,
    ['\\'] = START_BACKSLASH,
    ['<'] = START_DIGRAPH,
    ['%'] = START_DIGRAPH,
    [':'] = START_DIGRAPH,
};
static const bool in_word[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true,
    ['_'] = true,         ['$'] = true,         [0x80 ... 0xff] = true,
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Reads a piece behind the bytes from *keep on, which is at the cursor or before it. False at the end of the file. */
static bool refill(lexer *l, unsigned char **keep) {
    if (l->at_end)
        return false;
    ptrdiff_t kept = l->end - *keep, cursor = l->cursor - *keep;
    if (kept + PIECE >= bw_cap(l->buffer))
        l->buffer = bw_make_slice(uint8_t, 2 * bw_cap(l->buffer));
    memmove(l->buffer.ptr, *keep, (size_t)kept);
    *keep = l->buffer.ptr;
    l->cursor = *keep + cursor;
    l->end = *keep + kept;

    ssize_t got = bw_read(l->fd, l->end, (size_t)(bw_len(l->buffer) - kept - 1));
    if (got < 0)
        l->error = errno;
    if (got > 0 && memchr(l->end, 0, (size_t)got)) {
        l->is_binary = true;
        got = 0;
    }
    if (got > 0) {
        l->end += got;
        l->bytes += (uint64_t)got;
    } else {
        l->at_end = true;
    }
    *l->end = 0;
    return !l->at_end;
}

/* The character at the cursor, after reading a piece if need be; 0 at the end of the file. */
static inline int current(lexer *l) {
    if (!*l->cursor && l->cursor == l->end)
        refill(l, &l->cursor);
    return *l->cursor;
}

/* The length of the line splice at the cursor, 0 if none is there. Blanks may be between the backslash and the end of
 * its line, as gcc and clang have it; a carriage return is one. */
static size_t splice_length(lexer *l, unsigned char **keep) {
    for (size_t length = 1;; length++) {
        while (l->cursor + length == l->end) {
            if (!refill(l, keep))
                return 0;
        }
        unsigned char c = l->cursor[length];
        if (c == '\n')
            return length + 1;
        if (start_of[c] != START_BLANK)
            return 0;
    }
}

/* Goes over the splice at the cursor. False if the backslash there is just one. */
static bool skip_splice(lexer *l) {
    size_t length = splice_length(l, &l->cursor);
    l->cursor += length;
    l->line += length > 0;
    return length > 0;
}

/* The next character there is to the eyes of C: the cursor is put on it, over any splices. 0 at the end of the file. */
static int ahead(lexer *l) {
    for (;;) {
        int c = current(l);
        if (c != '\\' || !skip_splice(l))
            return c;
    }
}

void lexer_start(lexer *l, int fd) {
    bw_slice(uint8_t) buffer = bw_cap(l->buffer) > 0 ? l->buffer : bw_make_slice(uint8_t, 2 * PIECE);
    *l = (lexer){buffer, .cursor = buffer.ptr, .end = buffer.ptr, .fd = fd, .line = 1, .line_is_blank = true};
    *l->end = 0;
    while (l->end - l->cursor < 3 && refill(l, &l->cursor)) {}
    if (memcmp(l->cursor, "\xef\xbb\xbf", 3) == 0) /* the byte order mark of UTF-8 */
        l->cursor += 3;
}

/* ---- what is skipped -------------------------------------------------------------------------------------------- */

static void skip_block_comment(lexer *l, uint64_t from) {
    static const bool stop[256] = {[0] = true, ['*'] = true, ['\n'] = true};
    for (;;) {
        unsigned char *p = l->cursor;
        while (!stop[*p])
            p++;
        l->cursor = p;
        if (!*p) {
            if (!current(l)) {
                l->open_comment = from;
                return;
            }
            continue;
        }
        l->cursor++;
        if (*p == '\n') {
            l->line++;
        } else if (ahead(l) == '/') {
            l->cursor++;
            return;
        }
    }
}

/* Up to the end of the line, which is left. */
static void skip_line_comment(lexer *l) {
    static const bool stop[256] = {[0] = true, ['\\'] = true, ['\n'] = true};
    for (;;) {
        unsigned char *p = l->cursor;
        while (!stop[*p])
            p++;
        l->cursor = p;
        int c = current(l);
        if (!c || c == '\n')
            return;
        if (c == '\\' && !skip_splice(l))
            l->cursor++;
    }
}

/* With the cursor behind a slash: goes over the comment that it begins. False if it begins none. */
static bool skip_comment(lexer *l, uint64_t line) {
    int c = ahead(l);
    if (c == '*') {
        l->cursor++;
        skip_block_comment(l, line);
    } else if (c == '/') {
        skip_line_comment(l);
    }
    return c == '*' || c == '/';
}

/* The text of #error and the like, which is prose: no tokens, but comments are comments. */
static void skip_prose(lexer *l) {
    int c;
    while ((c = ahead(l)) && c != '\n') {
        l->cursor++;
        if (c == '/')
            skip_comment(l, l->line);
    }
}

/* With the cursor behind the opening quote. */
static void skip_quoted(lexer *l, int quote) {
    for (;;) {
        unsigned char *p = l->cursor;
        while (*p && *p != quote && *p != '\\' && *p != '\n')
            p++;
        l->cursor = p;
        int c = ahead(l);
        if (!c || c == '\n')
            return;
        l->cursor++;
        if (c == quote)
            return;
        if (c == '\\') {
            c = ahead(l);
            if (c && c != '\n')
                l->cursor++;
        }
    }
}

/* R"delimiter( anything, nothing in it being special )delimiter", with the cursor behind the quote. A delimiter that is
 * none makes it an ordinary string. */
static void skip_raw_string(lexer *l) {
    char delimiter[16];
    size_t length = 0;
    int c;
    while ((c = current(l)) != '(') {
        if (!c || strchr(" )\\\t\v\f\r\n\"", c) || length == sizeof delimiter) {
            skip_quoted(l, '"');
            return;
        }
        delimiter[length++] = (char)c;
        l->cursor++;
    }
    while ((c = current(l))) {
        l->cursor++;
        l->line += c == '\n';
        if (c != ')')
            continue;
        size_t same = 0;
        while (same < length && current(l) == (unsigned char)delimiter[same]) {
            l->cursor++;
            same++;
        }
        if (same == length && current(l) == '"') {
            l->cursor++;
            return;
        }
    }
}

/* A preprocessing number, with the cursor behind its first character, which has no say in what follows. */
static void skip_number(lexer *l) {
    int c;
    while ((c = ahead(l))) {
        if (c == '\'') { /* C23's digit separator */
            unsigned char *keep = l->cursor;
            if (keep + 1 == l->end)
                refill(l, &keep);
            if (!in_word[l->cursor[1]])
                return;
        } else if (!in_word[c] && c != '.') {
            return;
        }
        l->cursor++;
        if (c == 'e' || c == 'E' || c == 'p' || c == 'P') {
            c = ahead(l);
            if (c == '+' || c == '-')
                l->cursor++;
        }
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* The length of the universal character name (\u and 4, \U and 8 hexadecimal digits) at the cursor, or 0. */
static size_t universal_name_length(lexer *l, unsigned char **keep) {
    size_t length = 0, wanted = 2;
    do {
        while (l->cursor + length == l->end) {
            if (!refill(l, keep))
                return 0;
        }
        unsigned char c = l->cursor[length];
        if (length == 1) {
            if (c != 'u' && c != 'U')
                return 0;
            wanted = c == 'u' ? 6 : 10;
        } else if (length > 1 && !strchr("0123456789abcdefABCDEF", c)) {
            return 0;
        }
    } while (++length < wanted);
    return length;
}

/* The word at the cursor. Behind its first splice the pieces of it are moved together. */
static void take_word(lexer *l, token *t) {
    unsigned char *begin = l->cursor;
    size_t length = 0;
    for (;;) {
        unsigned char *p = l->cursor, *piece = p;
        while (in_word[*p])
            p++;
        l->cursor = p;
        if (begin + length != piece)
            memmove(begin + length, piece, (size_t)(p - piece));
        length += (size_t)(p - piece);

        if (!*p) {
            if (!refill(l, &begin))
                break;
            continue;
        }
        if (*p != '\\')
            break;
        size_t skipped = splice_length(l, &begin);
        if (skipped) {
            l->line++;
            l->cursor += skipped;
            continue;
        }
        size_t name = universal_name_length(l, &begin);
        if (!name)
            break;
        memmove(begin + length, l->cursor, name);
        length += name;
        l->cursor += name;
    }
    t->kind = TOKEN_WORD;
    t->text = (bw_string){(const char *)begin, (ptrdiff_t)length};
}

/* Behind a word: whether it is the prefix of a string or character, which is gone over then. */
static bool skip_prefixed(lexer *l, token *t) {
    int quote = *l->cursor;
    if ((quote != '"' && quote != '\'') || bw_len(t->text) > 3)
        return false;
    static const bw_string prefixes[] = {
        BW_STR_INIT("L"),  BW_STR_INIT("u"),  BW_STR_INIT("U"),  BW_STR_INIT("u8"),  BW_STR_INIT("R"),
        BW_STR_INIT("LR"), BW_STR_INIT("uR"), BW_STR_INIT("UR"), BW_STR_INIT("u8R"),
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (!bw_str_eq(t->text, prefixes[i]))
            continue;
        bool is_raw = bw_str_has_suffix(prefixes[i], bw_str("R"));
        if (is_raw && quote == '\'')
            return false;
        l->cursor++;
        if (is_raw)
            skip_raw_string(l);
        else
            skip_quoted(l, quote);
        t->kind = quote == '"' ? TOKEN_STRING : TOKEN_LITERAL;
        return true;
    }
    return false;
}

/* ---- directives ------------------------------------------------------------------------------------------------- */

/* Over blanks, splices and comments; the cursor stays on the line unless a comment takes it to another. */
static int ahead_on_line(lexer *l) {
    for (;;) {
        int c = ahead(l);
        if (c && start_of[c] == START_BLANK) {
            l->cursor++;
        } else if (c == '/') {
            /* A slash that begins no comment is dropped: no directive that means anything has one here. */
            l->cursor++;
            if (!skip_comment(l, l->line))
                return c;
        } else {
            return c;
        }
    }
}

static enum directive directive_named(bw_string name) {
    static const struct {
        bw_string name;
        enum directive directive;
    } directives[] = {
        {BW_STR_INIT("if"), DIRECTIVE_IF},         {BW_STR_INIT("ifdef"), DIRECTIVE_IF},
        {BW_STR_INIT("ifndef"), DIRECTIVE_IF},     {BW_STR_INIT("elif"), DIRECTIVE_ELSE},
        {BW_STR_INIT("elifdef"), DIRECTIVE_ELSE},  {BW_STR_INIT("elifndef"), DIRECTIVE_ELSE},
        {BW_STR_INIT("else"), DIRECTIVE_ELSE},     {BW_STR_INIT("endif"), DIRECTIVE_ENDIF},
        {BW_STR_INIT("define"), DIRECTIVE_DEFINE}, {BW_STR_INIT("include"), DIRECTIVE_HEADER},
        {BW_STR_INIT("import"), DIRECTIVE_HEADER}, {BW_STR_INIT("include_next"), DIRECTIVE_HEADER},
        {BW_STR_INIT("embed"), DIRECTIVE_HEADER},  {BW_STR_INIT("error"), DIRECTIVE_PROSE},
        {BW_STR_INIT("warning"), DIRECTIVE_PROSE}, {BW_STR_INIT("ident"), DIRECTIVE_PROSE},
        {BW_STR_INIT("sccs"), DIRECTIVE_PROSE},
    };
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
        if (bw_str_eq(name, directives[i].name))
            return directives[i].directive;
    }
    return DIRECTIVE_OTHER;
}

/* With the cursor behind the #. What is not made of tokens is gone over. */
static void take_directive(lexer *l, token *t) {
    t->directive = DIRECTIVE_OTHER;
    int c = ahead_on_line(l);
    if (c && start_of[c] == START_WORD) {
        take_word(l, t);
        t->directive = directive_named(t->text);
    }
    t->kind = TOKEN_DIRECTIVE;
    l->in_directive = true;
    if (t->directive == DIRECTIVE_PROSE) {
        skip_prose(l);
    } else if (t->directive == DIRECTIVE_HEADER && ahead_on_line(l) == '<') {
        while ((c = ahead(l)) && c != '\n' && c != '>')
            l->cursor++;
    }
}

/* ---- tokens ----------------------------------------------------------------------------------------------------- */

/* The character that the digraph at the cursor stands for, which is gone over, or the one at the cursor. */
static int take_digraph(lexer *l) {
    int first = *l->cursor++, second = ahead(l);
    static const char digraphs[][3] = {"<%{", "%>}", "<:[", ":>]", "%:#"};
    for (size_t i = 0; i < sizeof digraphs / sizeof *digraphs; i++) {
        if (digraphs[i][0] == first && digraphs[i][1] == second) {
            l->cursor++;
            return digraphs[i][2];
        }
    }
    return first;
}

/* Goes over white space and comments to the first character of a token, and gives what begins there. */
static enum start skip_to_token(lexer *l) {
    for (;;) {
        unsigned char *p = l->cursor;
        while (start_of[*p] == START_BLANK)
            p++;
        l->cursor = p;
        switch (start_of[*p]) {
        case START_NEWLINE:
            if (l->in_directive)
                return START_NEWLINE;
            l->cursor++;
            l->line++;
            l->line_is_blank = true;
            continue;
        case START_END:
            if (current(l))
                continue;
            return START_END;
        case START_BACKSLASH:
            if (skip_splice(l))
                continue;
            return START_PUNCTUATION;
        default: return start_of[*p];
        }
    }
}

void lexer_next(lexer *l, token *t) {
    for (;;) {
        enum start start = skip_to_token(l);
        bool begins_line = l->line_is_blank;
        t->line = l->line;
        l->line_is_blank = false;
        switch (start) {
        case START_END:
        case START_NEWLINE:
            /* A directive ends in front of the end of its line, or of its file. */
            t->kind = l->in_directive ? TOKEN_DIRECTIVE_END : TOKEN_END;
            l->in_directive = false;
            return;
        case START_WORD:
            take_word(l, t);
            skip_prefixed(l, t);
            return;
        case START_DIGIT:
            l->cursor++;
            skip_number(l);
            t->kind = TOKEN_LITERAL;
            return;
        case START_QUOTE:
            t->kind = *l->cursor == '"' ? TOKEN_STRING : TOKEN_LITERAL;
            skip_quoted(l, *l->cursor++);
            return;
        case START_SLASH:
            l->cursor++;
            if (skip_comment(l, t->line)) {
                l->line_is_blank = begins_line;
                continue;
            }
            t->c = '/';
            break;
        case START_DOT:
            l->cursor++;
            t->c = '.';
            if (start_of[ahead(l)] == START_DIGIT) {
                skip_number(l);
                t->kind = TOKEN_LITERAL;
                return;
            }
            break;
        case START_HASH:
        case START_DIGRAPH:
            t->c = take_digraph(l);
            if (t->c == '#' && begins_line && !l->in_directive) {
                take_directive(l, t);
                return;
            }
            break;
        default: t->c = *l->cursor++; break;
        }
        t->kind = TOKEN_PUNCTUATION;
        return;
    }
}
