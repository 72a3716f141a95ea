/* declarations.c - from tokens to the places of identifiers, and how each looks there.
 *
 * There is no compiler here: no types are known, no macro is expanded, and both branches of an #if are read. What an
 * identifier looks like is told from the tokens around it:
 *
 *   macro       the name behind #define
 *   tag         struct, union or enum, a name, and a brace
 *   enumerator  a name behind the brace of an enum, or behind a comma in it
 *   function    at file level: the name in front of the first parenthesis, if a type stands before it
 *   typedef     at file level: the last name of each declarator, or the one in (*name)
 *   variable    likewise, where there is no typedef
 *
 * File level is outside all braces but those of extern "C". Statements there end with a semicolon, or with the brace
 * that closes the body of a function.
 */
#include "crossref.h"

/* The token before, as far as it matters. */
enum seen {
    SEEN_NOTHING, /* the statement begins here */
    SEEN_OTHER,
    SEEN_STORAGE,
    SEEN_TYPE, /* a word like int, or anything else behind which a declared name may stand */
    SEEN_WORD,
    SEEN_STAR,
    SEEN_TAG, /* struct, union, enum */
    SEEN_TAG_NAME,
    SEEN_OPEN_PAREN,
    SEEN_CLOSE_PAREN,
    SEEN_OPEN_BRACE,
    SEEN_COMMA,
    SEEN_LINKAGE, /* the "C" of extern "C" */
};

enum { BRACES_KNOWN = 64 }; /* those of an enum that are nested deeper are not known as such */

/* An occurrence in the file that is being read. */
typedef struct spot {
    identifier *id;
    ptrdiff_t index; /* among those found */
} spot;

typedef struct context {
    bw_slice(occurrence) * found; /* the parser's */
    uint64_t enum_braces;         /* a bit for each open brace, the outermost lowest: it is that of an enum */
    uint32_t depth;               /* braces open */
    uint32_t hiding;              /* of them, those inside which is not file level */
    uint32_t parens;              /* parentheses and brackets open since the last brace */
    uint32_t held_parens;         /* what `parens` was at file level when the brace opened */
    uint32_t attribute_parens;
    enum seen before, previous;
    bool in_attribute;
    bool tag_is_enum;
    bool is_typedef;
    bool in_initialiser;
    bool is_declared;   /* the declarator has its name: what follows is no candidate */
    bool is_fixed;      /* the candidate is from (*name) */
    bool in_declarator; /* the open parenthesis may be that of (*name) */
    bool goes_on;       /* the statement does, behind the brace that will close */
    spot last;          /* the identifier before */
    spot candidate;     /* what this declarator declares, unless a better one comes */
    spot earlier;       /* the candidate before that */
    spot function;      /* the word in front of a parenthesis that has just been opened */
} context;
BW_SLICE(context);

typedef struct parser {
    crossref *x;
    identifier_map known;
    bw_slice(occurrence) found;
    context now;
    bw_slice(context) conditionals; /* what there was in front of each #if that is not closed yet */
} parser;

/* ---- statements ------------------------------------------------------------------------------------------------- */

static void set_look(context *c, spot at, enum look look) {
    bw_at(*c->found, at.index).look = look;
}

static bool at_file_level(const context *c) {
    return c->hiding == 0;
}

static void see(context *c, enum seen seen) {
    c->before = c->previous;
    c->previous = seen;
}

static void begin_declarator(context *c) {
    c->is_declared = c->is_fixed = c->in_initialiser = c->in_declarator = false;
    c->candidate = c->earlier = c->function = (spot){0};
}

static void begin_statement(context *c) {
    begin_declarator(c);
    c->is_typedef = false;
    c->parens = 0;
    c->before = c->previous = SEEN_NOTHING;
}

/* The declarator ends, or its initialiser begins: the candidate has it. */
static void settle(context *c) {
    if (c->candidate.id && !c->is_declared)
        set_look(c, c->candidate, c->is_typedef ? LOOK_TYPEDEF : LOOK_VARIABLE);
    c->is_declared = true;
}

static bool may_stand_before_name(enum seen seen) {
    return seen == SEEN_TYPE || seen == SEEN_WORD || seen == SEEN_STAR || seen == SEEN_TAG_NAME;
}

/* The token behind "name(" decides what that was. */
static void settle_function(context *c, enum seen next) {
    spot name = c->function;
    c->function.id = NULL;
    if (next == SEEN_STAR) { /* type (*name) */
        c->in_declarator = true;
        return;
    }
    if (next == SEEN_OPEN_PAREN && c->earlier.id) /* name MACRO((arguments)) */
        name = c->earlier;
    set_look(c, name, c->is_typedef ? LOOK_TYPEDEF : LOOK_FUNCTION);
    c->is_declared = true;
}

/* ---- braces and parentheses ------------------------------------------------------------------------------------- */

static bool in_enum(const context *c) {
    return c->depth > 0 && c->depth <= BRACES_KNOWN && (c->enum_braces >> (c->depth - 1) & 1);
}

static void open_brace(context *c) {
    bool is_tag = c->previous == SEEN_TAG || c->previous == SEEN_TAG_NAME;
    bool is_linkage = c->previous == SEEN_LINKAGE && at_file_level(c);
    if (c->previous == SEEN_TAG_NAME)
        set_look(c, c->last, LOOK_TAG);
    if (c->depth < BRACES_KNOWN) {
        uint64_t bit = UINT64_C(1) << c->depth;
        c->enum_braces = is_tag && c->tag_is_enum ? c->enum_braces | bit : c->enum_braces & ~bit;
    }
    c->depth++;
    if (is_linkage) {
        begin_statement(c);
        return;
    }
    if (at_file_level(c)) {
        c->goes_on = is_tag || c->in_initialiser;
        c->held_parens = c->parens;
    }
    c->hiding++;
    c->parens = 0;
    see(c, SEEN_OPEN_BRACE);
}

static void close_brace(context *c) {
    bool was_hiding = c->hiding > 0;
    c->depth -= c->depth > 0;
    c->hiding -= was_hiding;
    if (at_file_level(c) && !(was_hiding && c->goes_on)) {
        begin_statement(c);
        return;
    }
    c->parens = at_file_level(c) ? c->held_parens : 0;
    see(c, c->in_initialiser ? SEEN_OTHER : SEEN_TYPE);
}

static void open_paren(context *c) {
    if (at_file_level(c) && c->parens == 0 && !c->is_declared) {
        if (c->previous == SEEN_WORD && (may_stand_before_name(c->before) || c->before == SEEN_CLOSE_PAREN))
            c->function = c->last;
        else if ((c->is_typedef && c->previous != SEEN_CLOSE_PAREN) ||
                 (c->previous != SEEN_WORD && may_stand_before_name(c->previous)))
            c->in_declarator = true;
    }
    c->parens++;
    see(c, SEEN_OPEN_PAREN);
}

static void close_paren(context *c) {
    if (c->parens > 0)
        c->parens--;
    if (c->parens == 0)
        c->in_declarator = false;
    see(c, SEEN_CLOSE_PAREN);
}

/* ---- tokens outside directives ---------------------------------------------------------------------------------- */

/* Whether the token belongs to an attribute: that ends with the parenthesis that closes the one behind its name. */
static bool skip_attribute(context *c, int punctuation) {
    if (!c->in_attribute)
        return false;
    if (punctuation == '(') {
        c->attribute_parens++;
        return true;
    }
    if (c->attribute_parens == 0) {
        c->in_attribute = false;
        return false;
    }
    if (punctuation == ')' && --c->attribute_parens == 0)
        c->in_attribute = false;
    return true;
}

static void see_punctuation(context *c, int punctuation) {
    if (skip_attribute(c, punctuation))
        return;
    if (c->function.id)
        settle_function(c, punctuation == '*' || punctuation == '^' ? SEEN_STAR
                           : punctuation == '('                     ? SEEN_OPEN_PAREN
                                                                    : SEEN_OTHER);
    bool ends_declarator = at_file_level(c) && c->parens == 0;
    switch (punctuation) {
    case '{': open_brace(c); break;
    case '}': close_brace(c); break;
    case '(': open_paren(c); break;
    case '[':
        c->parens++;
        see(c, SEEN_OTHER);
        break;
    case ')':
    case ']': close_paren(c); break;
    case '*': see(c, SEEN_STAR); break;
    case ';':
        if (ends_declarator) {
            settle(c);
            begin_statement(c);
        } else {
            see(c, SEEN_OTHER);
        }
        break;
    case ',':
        if (ends_declarator) {
            settle(c);
            begin_declarator(c);
            see(c, SEEN_TYPE);
        } else {
            see(c, SEEN_COMMA);
        }
        break;
    case '=':
        if (ends_declarator) {
            settle(c);
            c->in_initialiser = true;
        }
        see(c, SEEN_OTHER);
        break;
    default: see(c, SEEN_OTHER); break;
    }
}

static void see_keyword(context *c, enum keyword keyword) {
    if (keyword == KEYWORD_QUALIFIER || skip_attribute(c, 0))
        return;
    if (c->function.id)
        settle_function(c, SEEN_TYPE);
    switch (keyword) {
    case KEYWORD_TYPE: see(c, SEEN_TYPE); break;
    case KEYWORD_STORAGE: see(c, SEEN_STORAGE); break;
    case KEYWORD_TYPEDEF:
        c->is_typedef |= at_file_level(c);
        see(c, SEEN_STORAGE);
        break;
    case KEYWORD_STRUCT:
    case KEYWORD_ENUM:
        c->tag_is_enum = keyword == KEYWORD_ENUM;
        see(c, SEEN_TAG);
        break;
    case KEYWORD_ATTRIBUTE:
        c->in_attribute = true;
        c->attribute_parens = 0;
        break;
    default: see(c, SEEN_OTHER); break;
    }
}

static void see_identifier(context *c, spot at) {
    if (skip_attribute(c, 0))
        return;
    if (c->function.id)
        settle_function(c, SEEN_WORD);
    c->last = at;
    if (c->previous == SEEN_TAG) {
        see(c, SEEN_TAG_NAME);
        return;
    }
    if (in_enum(c) && c->parens == 0 && (c->previous == SEEN_OPEN_BRACE || c->previous == SEEN_COMMA))
        set_look(c, at, LOOK_ENUMERATOR);

    if (at_file_level(c) && !c->is_declared && !c->is_fixed) {
        if (c->parens == 0 && (c->is_typedef || may_stand_before_name(c->previous))) {
            c->earlier = c->candidate;
            c->candidate = at;
        } else if (c->parens == 1 && c->previous == SEEN_STAR && c->in_declarator) {
            c->candidate = at;
            c->is_fixed = true;
        }
    }
    see(c, SEEN_WORD);
}

static void see_literal(context *c, bool is_string) {
    if (skip_attribute(c, 0))
        return;
    if (c->function.id)
        settle_function(c, SEEN_OTHER);
    see(c, is_string && c->previous == SEEN_STORAGE ? SEEN_LINKAGE : SEEN_OTHER);
}

static spot add_occurrence(parser *p, identifier *id, uint64_t line) {
    ptrdiff_t index = bw_len(p->found);
    p->found = bw_append(p->found, ((occurrence){id, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX, LOOK_USE}));
    return (spot){id, index};
}

/* ---- directives ------------------------------------------------------------------------------------------------- */

/* Each branch of a conditional begins with what there was in front of the first, so that braces that are opened in both
 * branches count once. */
static void follow_conditional(parser *p, enum directive directive) {
    ptrdiff_t depth = bw_len(p->conditionals);
    if (directive == DIRECTIVE_IF)
        p->conditionals = bw_append(p->conditionals, p->now);
    else if (directive == DIRECTIVE_ELSE && depth > 0)
        p->now = bw_at(p->conditionals, depth - 1);
    else if (directive == DIRECTIVE_ENDIF && depth > 0)
        p->conditionals = bw_sub(p->conditionals, 0, depth - 1);
}

/* The rest of a directive's line. */
static void read_directive(parser *p, lexer *l, token *t) {
    enum directive directive = t->directive;
    follow_conditional(p, directive);
    bool names_macro = directive == DIRECTIVE_DEFINE;
    bool is_condition = directive == DIRECTIVE_IF || directive == DIRECTIVE_ELSE;
    for (lexer_next(l, t); t->kind != TOKEN_DIRECTIVE_END; lexer_next(l, t)) {
        if (t->kind == TOKEN_WORD && !(is_condition && bw_str_eq(t->text, bw_str("defined")))) {
            identifier *id = crossref_intern(p->x, p->known, t->text);
            if (id->keyword == KEYWORD_NONE) {
                spot at = add_occurrence(p, id, t->line);
                if (names_macro)
                    set_look(&p->now, at, LOOK_MACRO);
            }
        }
        names_macro = false;
    }
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

bw_slice(occurrence) read_tokens(crossref *x, identifier_map known, lexer *l, bw_slice(occurrence) found) {
    parser p = {.x = x, .known = known, .found = found};
    p.now.found = &p.found;
    token t;
    for (lexer_next(l, &t); t.kind != TOKEN_END; lexer_next(l, &t)) {
        switch (t.kind) {
        case TOKEN_WORD: {
            identifier *id = crossref_intern(x, known, t.text);
            if (id->keyword != KEYWORD_NONE)
                see_keyword(&p.now, id->keyword);
            else
                see_identifier(&p.now, add_occurrence(&p, id, t.line));
            break;
        }
        case TOKEN_PUNCTUATION: see_punctuation(&p.now, t.c); break;
        case TOKEN_DIRECTIVE: read_directive(&p, l, &t); break;
        default: see_literal(&p.now, t.kind == TOKEN_STRING); break;
        }
    }
    return p.found;
}
