/* 12_interfaces.c - interfaces: what a value can do, whatever it is.
 *
 * Shows two types that implement one interface, a call through it, asking an interface value what it holds, and values
 * of any type. Of those the ledger counts as interface what is in the heap, because it is larger than a word.
 */
#include "ledger.h"

BW_INTERFACE(Shape, (double, area), (void, scale, double));
BW_SLICE(Shape);

BW_STRUCT(Circle, (double, radius));
static double Circle_area(Circle *c) {
    return 3 * c->radius * c->radius; /* good enough */
}
static void Circle_scale(Circle *c, double by) {
    c->radius *= by;
}
BW_IMPL(Shape, Circle, (double, area), (void, scale, double));

BW_STRUCT(Box, (double, width), (double, height));
static double Box_area(Box *b) {
    return b->width * b->height;
}
static void Box_scale(Box *b, double by) {
    b->width *= by;
    b->height *= by;
}
BW_IMPL(Shape, Box, (double, area), (void, scale, double));

/* What fmt prints a Box as: func (b *Box) String() string. */
static bw_string Box_string(Box *b) {
    return bw_sprintf("%vx%v", b->width, b->height);
}
BW_IMPL(bw_stringer, Box, (bw_string, string));

BW_STRUCT(point, (int, x), (int, y), (int, z));

static void describe(bw_any value) {
    bw_type_switch(value) { /* switch v := value.(type) */
        bw_case(bw_string, text) bw_printf("a text of %d bytes\n", bw_len(text));
        bw_case(int, number) bw_printf("the number %d\n", number);
        bw_case(point, p) bw_printf("a point at %d\n", p.x);
        bw_case_nil bw_println("nothing");
        bw_case_default bw_printf("something else, of type %T\n", value);
    }
}

int main(void) {
    Circle *circle = bw_new(Circle);
    Box *box = bw_new(Box);
    *circle = (Circle){1};
    *box = (Box){2, 3};
    ledger_after("a Circle and a Box");
    bw_slice(Shape) shapes = bw_slice_of(Shape, bw_as(Shape, Circle, circle), bw_as(Shape, Box, box));
    bw_range(i, shape, shapes) {
        bw_call(shape, scale, 2);
        bw_printf("%T %v has an area of %v\n", shape, shape, bw_call(shape, area));
    }

    Shape second = bw_at(shapes, 1);
    Circle *round;
    bool is_circle = bw_assert_ok(Circle *, second, &round); /* round, isCircle := second.(*Circle) */
    bw_printf("a circle: %t; prints itself: %t\n", is_circle, bw_is(bw_stringer, second));

    ledger_after("until here");
    describe(bw_any_of(42));
    ledger_after("bw_any_of(42)");
    describe(bw_any_of("hello"));
    describe(bw_any_as(point, ((point){1, 2, 3})));
    ledger_after("a text, a point");
    describe(bw_any_of(2.5));
    describe(bw_make(bw_any));
    ledger_balance();
    return 0;
}
