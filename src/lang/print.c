/* print.c - the text of a value of any type, for one verb.
 *
 * A value is a type and the address of its bytes. What is printed may be in use by other threads, and pointers in it
 * may be wrong: no pointer is followed that only its C type vouches for, except one that is printed itself, and that
 * only if there is memory where it points to. Recursion ends at MAX_DEPTH.
 */
#include "printer.h"

#include <limits.h>
#include <string.h>

#define MAX_DEPTH 100

static void print_value(struct printer *printer, const struct value *value, bw_rune verb, bool nested);

/* Not among the types of type.h: C has complex numbers, Burrow no kind for them. */
const bw_type complex_types[2] = {
    {.name = "complex64", .size = 2 * sizeof(float), .align = _Alignof(float), .kind = BW_KIND_OPAQUE},
    {.name = "complex128", .size = 2 * sizeof(double), .align = _Alignof(double), .kind = BW_KIND_OPAQUE},
};

/* --- reading values --- */

#define LOAD(T, at)                                                                                                    \
    ({                                                                                                                 \
        T loaded_;                                                                                                     \
        memcpy(&loaded_, (at), sizeof loaded_);                                                                        \
        loaded_;                                                                                                       \
    })

static bw_string string_at(const void *at) {
    bw_string string = LOAD(bw_string, at);
    if (string.ptr == NULL || string.len < 0)
        string.len = 0;
    return string;
}

uint64_t value_integer(const struct value *value) {
    switch (value->type->kind) {
    case BW_KIND_CHAR: return (uint64_t)LOAD(char, value->at);
    case BW_KIND_INT8: return (uint64_t)LOAD(int8_t, value->at);
    case BW_KIND_INT16: return (uint64_t)LOAD(int16_t, value->at);
    case BW_KIND_INT: return (uint64_t)LOAD(int, value->at);
    case BW_KIND_UINT8: return LOAD(uint8_t, value->at);
    case BW_KIND_UINT16: return LOAD(uint16_t, value->at);
    case BW_KIND_UINT: return LOAD(unsigned, value->at);
    default: return LOAD(uint64_t, value->at);
    }
}

static bool is_signed(const bw_type *type) {
    return type->kind == BW_KIND_CHAR ? CHAR_MIN < 0 : type->kind >= BW_KIND_INT8 && type->kind <= BW_KIND_INT64;
}

static bool is_interface(const bw_type *type) {
    return type->kind == BW_KIND_ANY || type->kind == BW_KIND_ERROR || type->kind == BW_KIND_INTERFACE;
}

struct value value_inside(const struct value *value) {
    struct value inside = *value;
    while (inside.type && is_interface(inside.type)) {
        if (inside.type->kind == BW_KIND_ANY) {
            const bw_any *any = inside.at;
            inside.type = any->type;
            inside.at =
                any->type && any->type->size > sizeof any->bw__data ? any->bw__data.pointer : any->bw__data.bytes;
        } else {
            const bw__interface *interface = inside.at;
            inside.type = interface->bw__table ? bw__site_type(interface->bw__table->site) : NULL;
            inside.at = &interface->bw__data;
        }
    }
    return inside;
}

static bool can_be_read(const void *at, size_t size) {
    uintptr_t address = (uintptr_t)at;
    if (address - heap.base < atomic_load(&heap.used)) {
        const char *object = bw_base(at);
        return object && address - (uintptr_t)object + size <= bw_size(at);
    }
    return os_readable(address) && (size <= 1 || os_readable(address + size - 1));
}

const char *print_type_name(const struct value *value) {
    if (value->type->kind == BW_KIND_CSTRING && LOAD(void *, value->at) != NULL)
        return "string";
    return value->type->name;
}

static bw_string text_of(const char *text) {
    return (bw_string){text, (ptrdiff_t)strlen(text)};
}

/* --- what does not fit --- */

static void complain(struct printer *printer, const struct value *value, bw_rune verb) {
    bw_builder *text = &printer->format.text;
    printer->complaining = true;
    bw_builder_write_cstr(text, "%!");
    bw_builder_write_rune(text, verb);
    bw_builder_write_byte(text, '(');
    if (value->type) {
        bw_builder_write_cstr(text, print_type_name(value));
        bw_builder_write_byte(text, '=');
        print_value(printer, value, 'v', false);
    } else {
        bw_builder_write_cstr(text, "<nil>");
    }
    bw_builder_write_byte(text, ')');
    printer->complaining = false;
}

/* --- basic types --- */

static void print_bool(struct printer *printer, const struct value *value, bw_rune verb) {
    if (verb == 't' || verb == 'v')
        format_bool(&printer->format, LOAD(uint8_t, value->at) != 0);
    else
        complain(printer, value, verb);
}

static void print_hex(struct printer *printer, uint64_t bits, bool with_prefix) {
    struct format *format = &printer->format;
    bool sharp = format->sharp;
    format->sharp = with_prefix;
    format_integer(format, bits, false, 16, 'v');
    format->sharp = sharp;
}

static void print_integer(struct printer *printer, const struct value *value, uint64_t bits, bool has_sign,
                          bw_rune verb) {
    struct format *format = &printer->format;
    switch (verb) {
    case 'v':
        if (format->sharp_v && !has_sign)
            print_hex(printer, bits, true);
        else
            format_integer(format, bits, has_sign, 10, verb);
        break;
    case 'd': format_integer(format, bits, has_sign, 10, verb); break;
    case 'b': format_integer(format, bits, has_sign, 2, verb); break;
    case 'o':
    case 'O': format_integer(format, bits, has_sign, 8, verb); break;
    case 'x':
    case 'X': format_integer(format, bits, has_sign, 16, verb); break;
    case 'c': format_character(format, bits); break;
    case 'q': format_quoted_character(format, bits); break;
    case 'U': format_unicode(format, bits); break;
    default: complain(printer, value, verb);
    }
}

static bool is_float_verb(bw_rune verb) {
    return verb > 0 && verb < 128 && strchr("vbgGxXfFeE", verb) != NULL;
}

static void print_double(struct printer *printer, double number, int bits, bw_rune verb) {
    bool six_digits = verb == 'f' || verb == 'F' || verb == 'e' || verb == 'E';
    format_float(&printer->format, number, bits,
                 verb == 'v'   ? 'g'
                 : verb == 'F' ? 'f'
                               : (char)verb,
                 six_digits ? 6 : -1);
}

static void print_float(struct printer *printer, const struct value *value, bw_rune verb) {
    if (!is_float_verb(verb))
        complain(printer, value, verb);
    else if (value->type->kind == BW_KIND_FLOAT32)
        print_double(printer, (double)LOAD(float, value->at), 32, verb);
    else
        print_double(printer, LOAD(double, value->at), 64, verb);
}

static void print_complex(struct printer *printer, const struct value *value, bw_rune verb) {
    if (!is_float_verb(verb)) {
        complain(printer, value, verb);
        return;
    }
    bool plus = printer->format.plus;
    bw_builder_write_byte(&printer->format.text, '(');
    for (int i = 0; i < 2; i++) {
        if (value->type == &complex_types[0])
            print_double(printer, (double)LOAD(float, (const char *)value->at + i * sizeof(float)), 32, verb);
        else
            print_double(printer, LOAD(double, (const char *)value->at + i * sizeof(double)), 64, verb);
        printer->format.plus = true;
    }
    printer->format.plus = plus;
    bw_builder_write_cstr(&printer->format.text, "i)");
}

static bool is_string_verb(bw_rune verb) {
    return verb == 's' || verb == 'q' || verb == 'x' || verb == 'X';
}

/* A verb for which is_string_verb holds, or v. */
static void print_text(struct printer *printer, bw_string string, bw_rune verb) {
    struct format *format = &printer->format;
    if (verb == 'q' || (verb == 'v' && format->sharp_v))
        format_quoted_string(format, string);
    else if (verb == 'x' || verb == 'X')
        format_hex_string(format, string, verb == 'X');
    else
        format_string(format, string);
}

static void print_string(struct printer *printer, const struct value *value, bw_string string, bw_rune verb) {
    if (verb == 'v' || is_string_verb(verb))
        print_text(printer, string, verb);
    else
        complain(printer, value, verb);
}

/* --- pointers --- */

static void print_address(struct printer *printer, const struct value *value, uint64_t address, bw_rune verb) {
    struct format *format = &printer->format;
    switch (verb) {
    case 'v':
        if (format->sharp_v) {
            bw_builder_write_byte(&format->text, '(');
            bw_builder_write_cstr(&format->text, value->type->name);
            bw_builder_write_cstr(&format->text, ")(");
            if (address)
                print_hex(printer, address, true);
            else
                bw_builder_write_cstr(&format->text, "nil");
            bw_builder_write_byte(&format->text, ')');
        } else if (address) {
            print_hex(printer, address, !format->sharp);
        } else {
            format_pad(format, bw_str("<nil>"));
        }
        break;
    case 'p': print_hex(printer, address, !format->sharp); break;
    case 'b':
    case 'o':
    case 'd':
    case 'x':
    case 'X': print_integer(printer, value, address, false, verb); break;
    default: complain(printer, value, verb);
    }
}

static bool is_composed(const bw_type *type) {
    return type->kind == BW_KIND_STRUCT || type->kind == BW_KIND_ARRAY || type->kind == BW_KIND_SLICE ||
           type->kind == BW_KIND_MAP;
}

/* One that is not within another value shows what it points to. */
static void print_pointer(struct printer *printer, const struct value *value, bw_rune verb, bool nested) {
    const void *target = LOAD(const void *, value->at);
    const bw_type *type = value->type->element;
    if (!nested && target && type && is_composed(type) && can_be_read(target, type->size)) {
        bw_builder_write_byte(&printer->format.text, '&');
        print_value(printer, &(struct value){type, target}, verb, true);
    } else {
        print_address(printer, value, (uintptr_t)target, verb);
    }
}

static void print_c_string(struct printer *printer, const struct value *value, bw_rune verb) {
    const char *bytes = LOAD(const char *, value->at);
    if (bytes)
        print_string(printer, value, text_of(bytes), verb);
    else
        print_address(printer, value, 0, is_string_verb(verb) ? 'v' : verb);
}

/* %p */
static void print_address_of(struct printer *printer, const struct value *value) {
    switch (value->type->kind) {
    case BW_KIND_POINTER:
    case BW_KIND_CSTRING:
    case BW_KIND_SLICE: /* whose first word is its pointer */
    case BW_KIND_MAP: print_address(printer, value, (uintptr_t)LOAD(void *, value->at), 'p'); break;
    default: complain(printer, value, 'p');
    }
}

/* --- values made of values --- */

static void add_separator(struct printer *printer) {
    bw_builder_write_cstr(&printer->format.text, printer->format.sharp_v ? ", " : " ");
}

static void print_struct(struct printer *printer, const struct value *value, bw_rune verb) {
    struct format *format = &printer->format;
    if (format->sharp_v)
        bw_builder_write_cstr(&format->text, value->type->name);
    bw_builder_write_byte(&format->text, '{');
    for (uint32_t i = 0; i < value->type->field_count; i++) {
        const bw_type_field *field = &value->type->fields[i];
        if (i > 0)
            add_separator(printer);
        if (format->plus_v || format->sharp_v) {
            bw_builder_write_cstr(&format->text, field->name);
            bw_builder_write_byte(&format->text, ':');
        }
        print_value(printer, &(struct value){field->type, (const char *)value->at + field->offset}, verb, true);
    }
    bw_builder_write_byte(&format->text, '}');
}

/* Between brackets, or with %#v braces. */
static void print_elements(struct printer *printer, const bw_type *element, const void *at, size_t count,
                           bw_rune verb) {
    struct format *format = &printer->format;
    bw_builder_write_byte(&format->text, format->sharp_v ? '{' : '[');
    if (element->kind == BW_KIND_OPAQUE && element->size == 0) {
        if (count > 0)
            bw_builder_write_cstr(&format->text, "..."); /* elements of a size that is not known */
    } else {
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                add_separator(printer);
            print_value(printer, &(struct value){element, (const char *)at + i * element->size}, verb, true);
        }
    }
    bw_builder_write_byte(&format->text, format->sharp_v ? '}' : ']');
}

static void print_array(struct printer *printer, const struct value *value, bw_rune verb) {
    const bw_type *type = value->type;
    if (type->element->kind == BW_KIND_CHAR && (verb == 'v' || is_string_verb(verb))) {
        print_text(printer, (bw_string){value->at, (ptrdiff_t)strnlen(value->at, type->count)}, verb);
    } else if (type->element->kind == BW_KIND_UINT8 && is_string_verb(verb)) {
        print_text(printer, (bw_string){value->at, (ptrdiff_t)type->count}, verb);
    } else {
        if (printer->format.sharp_v)
            bw_builder_write_cstr(&printer->format.text, type->name);
        print_elements(printer, type->element, value->at, type->count, verb);
    }
}

/* Makes `here` the innermost of what is being printed; false, and nothing, if it is in itself. */
static bool enter(struct printer *printer, struct nesting *here) {
    for (const struct nesting *outer = printer->nesting; outer; outer = outer->outer)
        if (outer->at == here->at && outer->len == here->len && outer->type == here->type) {
            bw_builder_write_cstr(&printer->format.text, "<cycle>");
            return false;
        }
    here->outer = printer->nesting;
    printer->nesting = here;
    return true;
}

static void leave(struct printer *printer) {
    printer->nesting = printer->nesting->outer;
}

static void print_slice(struct printer *printer, const struct value *value, bw_rune verb, bool nested) {
    const bw_type *type = value->type, *element = type->element ? type->element : &bw__basic[BW_KIND_OPAQUE];
    bw__slice slice = LOAD(bw__slice, value->at);
    if (slice.ptr == NULL || slice.len < 0)
        slice.len = 0;
    if (is_string_verb(verb) && (element->kind == BW_KIND_UINT8 || element->kind == BW_KIND_CHAR)) {
        print_text(printer, (bw_string){slice.ptr, slice.len}, verb);
        return;
    }
    struct nesting here = {slice.ptr, type, slice.len, NULL};
    if (slice.len > 0 && !enter(printer, &here))
        return;
    if (printer->format.sharp_v)
        bw_builder_write_cstr(&printer->format.text, element->kind == BW_KIND_UINT8 && !nested ? "[]byte" : type->name);
    if (printer->format.sharp_v && slice.ptr == NULL)
        bw_builder_write_cstr(&printer->format.text, "(nil)");
    else
        print_elements(printer, element, slice.ptr, (size_t)slice.len, verb);
    if (slice.len > 0)
        leave(printer);
}

static void print_map(struct printer *printer, const struct value *value, bw_rune verb) {
    struct format *format = &printer->format;
    const bw_type *type = value->type;
    const void *map = LOAD(const void *, value->at);
    struct nesting here = {map, type, 0, NULL};
    if (map && !enter(printer, &here))
        return;
    bw_builder_write_cstr(&format->text, format->sharp_v ? type->name : "map");
    if (format->sharp_v && map == NULL) {
        bw_builder_write_cstr(&format->text, "(nil)");
        return;
    }
    bw_builder_write_byte(&format->text, format->sharp_v ? '{' : '[');
    struct entries entries;
    entries_sorted(&entries, type, map);
    for (size_t i = 0; i < entries.count; i++) {
        if (i > 0)
            add_separator(printer);
        print_value(printer, &(struct value){type->key, entries.sorted[i]}, verb, true);
        bw_builder_write_byte(&format->text, ':');
        print_value(printer, &(struct value){type->element, entries.sorted[i] + entries.value_offset}, verb, true);
    }
    entries_end(&entries);
    bw_builder_write_byte(&format->text, format->sharp_v ? '}' : ']');
    if (map)
        leave(printer);
}

static void print_opaque(struct printer *printer, const struct value *value, bw_rune verb) {
    struct format *format = &printer->format;
    if (value->type == &complex_types[0] || value->type == &complex_types[1]) {
        print_complex(printer, value, verb);
    } else if (verb == 'x' || verb == 'X') {
        format_hex_string(format, (bw_string){value->at, (ptrdiff_t)value->type->size}, verb == 'X');
    } else if (verb == 'v') {
        if (format->sharp_v)
            bw_builder_write_cstr(&format->text, value->type->name);
        bw_builder_write_cstr(&format->text, "{...}");
    } else {
        complain(printer, value, verb);
    }
}

/* --- methods --- */

/* Pointers have methods; a value that is not one is printed by those of a pointer to it. */
static const bw__table_head *method_table(const struct value *value, const bw__description *interface, void **self) {
    const bw_type *pointer = value->type;
    if (pointer->kind == BW_KIND_POINTER) {
        *self = LOAD(void *, value->at);
    } else {
        pointer = type_pointer_to(pointer);
        *self = bw__address_of(value->at);
    }
    return interface_table(pointer, interface);
}

bw_error value_error(const struct value *value) {
    void *self;
    if (value->type == NULL || (value->type->kind != BW_KIND_POINTER && value->type->kind != BW_KIND_STRUCT))
        return (bw_error){NULL, NULL};
    const bw__table_head *table = method_table(value, &bw__type_bw_error, &self);
    return table ? (bw_error){(const struct bw_error__table *)table, self} : (bw_error){NULL, NULL};
}

static bool print_by_method(struct printer *printer, const struct value *value, bw_rune verb) {
    void *self;
    const bw__table_head *table = method_table(value, &bw__type_bw_error, &self);
    const bw__table_head *stringer = table ? NULL : method_table(value, &bw__type_bw_stringer, &self);
    if (table == NULL && stringer == NULL)
        return false;
    if (self == NULL) {
        bw_builder_write_cstr(&printer->format.text, "<nil>");
        return true;
    }
    bw_string string = table ? ((const struct bw_error__table *)table)->error(self)
                             : ((const struct bw_stringer__table *)stringer)->string(self);
    print_text(printer, string, verb);
    return true;
}

/* Was the value printed by a method, or by a complaint about %w? */
static bool print_specially(struct printer *printer, const struct value *value, bw_rune verb) {
    if (printer->complaining)
        return false;
    if (verb == 'w') {
        if (!printer->wraps || value_error(value).bw__table == NULL) {
            complain(printer, value, verb);
            return true;
        }
        verb = 'v';
    }
    if (printer->format.sharp_v || (verb != 'v' && !is_string_verb(verb)))
        return false;
    if (value->type->kind != BW_KIND_POINTER && value->type->kind != BW_KIND_STRUCT)
        return false;
    return print_by_method(printer, value, verb);
}

/* --- any value --- */

static void print_nil_interface(struct printer *printer, const struct value *value) {
    if (printer->format.sharp_v) {
        bw_builder_write_cstr(&printer->format.text, value->type->name);
        bw_builder_write_cstr(&printer->format.text, "(nil)");
    } else {
        bw_builder_write_cstr(&printer->format.text, "<nil>");
    }
}

static void print_by_kind(struct printer *printer, const struct value *value, bw_rune verb, bool nested) {
    switch (value->type->kind) {
    case BW_KIND_BOOL: print_bool(printer, value, verb); break;
    case BW_KIND_FLOAT32:
    case BW_KIND_FLOAT64: print_float(printer, value, verb); break;
    case BW_KIND_STRING: print_string(printer, value, string_at(value->at), verb); break;
    case BW_KIND_CSTRING: print_c_string(printer, value, verb); break;
    case BW_KIND_POINTER: print_pointer(printer, value, verb, nested); break;
    case BW_KIND_STRUCT: print_struct(printer, value, verb); break;
    case BW_KIND_ARRAY: print_array(printer, value, verb); break;
    case BW_KIND_SLICE: print_slice(printer, value, verb, nested); break;
    case BW_KIND_MAP: print_map(printer, value, verb); break;
    case BW_KIND_OPAQUE: print_opaque(printer, value, verb); break;
    default: print_integer(printer, value, value_integer(value), is_signed(value->type), verb);
    }
}

/* `nested`: it is within another value. */
static void print_value(struct printer *printer, const struct value *value, bw_rune verb, bool nested) {
    struct value inside = value_inside(value);
    if (inside.type == NULL) {
        print_nil_interface(printer, value);
    } else if (printer->depth == MAX_DEPTH) {
        bw_builder_write_cstr(&printer->format.text, "<deep>");
    } else {
        printer->depth++;
        bool basic = inside.type->kind < BW_KIND_POINTER && inside.type->kind != BW_KIND_OPAQUE;
        if (basic || !print_specially(printer, &inside, verb))
            print_by_kind(printer, &inside, verb, nested);
        printer->depth--;
    }
}

void print_argument(struct printer *printer, const struct value *value, bw_rune verb) {
    if (value->type == NULL && (verb == 'v' || verb == 'T'))
        format_pad(&printer->format, bw_str("<nil>"));
    else if (value->type == NULL)
        complain(printer, value, verb);
    else if (verb == 'T')
        format_string(&printer->format, text_of(print_type_name(value)));
    else if (verb == 'p')
        print_address_of(printer, value);
    else
        print_value(printer, value, verb, false);
}
