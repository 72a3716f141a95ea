/* errorf.c - errors made by a format: the one file about errors that needs the printer. */
#include "errors.h"
#include "printer.h"

BW_STRUCT(bw_error_wrap, (bw_string, text), (bw_error, err));
static bw_string bw_error_wrap_error(bw_error_wrap *e) {
    return e->text;
}
static bw_error bw_error_wrap_unwrap(bw_error_wrap *e) {
    return e->err;
}
BW_IMPL(bw_error, bw_error_wrap, (bw_string, error));
BW_IMPL(bw_unwrapper, bw_error_wrap, (bw_error, unwrap));

BW_STRUCT(bw_error_wraps, (bw_string, text), (bw_slice(bw_error), errors));
static bw_string bw_error_wraps_error(bw_error_wraps *e) {
    return e->text;
}
static bw_slice(bw_error) bw_error_wraps_unwrap_all(bw_error_wraps *e) {
    return e->errors;
}
BW_IMPL(bw_error, bw_error_wraps, (bw_string, error));
BW_IMPL(bw_unwrapper_of_many, bw_error_wraps, (bw_slice(bw_error), unwrap_all));

/* The errors among the arguments that were printed by %w, in the order of the arguments, each once. */
static bw_slice(bw_error) wrapped_errors(const struct printer *printer, const bw__argument *list, size_t n) {
    bw_slice(bw_error) errors = {0};
    for (size_t i = 0; i < n; i++) {
        union argument_room room;
        struct value value = {NULL, NULL};
        if (printer->wrapped >> i & 1)
            value = argument_value(&list[i], &room);
        bw_error err = value_error(&value);
        if (!error_is_nil(err))
            errors = bw_append(errors, err);
    }
    return errors;
}

bw_error bw__errorf(bw_string format, const bw__argument *list, size_t n) {
    struct printer printer;
    printer_begin(&printer);
    printer.wraps = true;
    print_formatted(&printer, format, list, n);
    bw_string text = builder_end(&printer.format.text, printer.format.room);
    if (printer.wrap_count == 0)
        return bw__errors_new(text);
    bw_slice(bw_error) errors = wrapped_errors(&printer, list, n);
    if (printer.wrap_count == 1) {
        bw_error_wrap *e = bw_new(bw_error_wrap);
        e->text = text;
        e->err = bw_len(errors) > 0 ? bw_at(errors, 0) : bw_nil;
        return bw_as(bw_error, bw_error_wrap, e);
    }
    bw_error_wraps *e = bw_new(bw_error_wraps);
    e->text = text;
    e->errors = errors;
    return bw_as(bw_error, bw_error_wraps, e);
}
