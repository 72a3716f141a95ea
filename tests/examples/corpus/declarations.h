/* Every way an identifier can look. The test knows the line numbers. */
#ifndef DECLARATIONS_H
#define DECLARATIONS_H

#include <not_indexed/header_name.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHAPE_LIMIT 16
#define area_of(shape) ((shape)->width * (shape)->height)

struct shape;                       /* a use: nothing is defined */
struct shape {
    unsigned width, height;
    struct inner { int depth; } inside;
    void (*draw)(struct shape *self);
};
typedef struct shape shape_t, *shape_ref;
typedef void (*draw_function)(shape_t *shape, void *data);
typedef const shape_t (*shape_maker)(void);
typedef int shape_compare(const void *, const void *);
typedef unsigned char shape_name[SHAPE_LIMIT];
typedef struct { int unnamed_member; } plain_t;
typedef enum colour { COLOUR_RED = 1, COLOUR_GREEN = SHAPE_LIMIT * (1, 2), COLOUR_BLUE } colour_t;
union number { int whole; double real; };

extern int shape_count, *shape_counts[SHAPE_LIMIT];
static const shape_t shape_unit = { .width = 1, .height = 1 };
extern void (*shape_hook)(shape_t *);

extern shape_t *shape_new (unsigned width, unsigned height) __attribute__((malloc, warn_unused_result));
struct shape *shape_copy(const struct shape *from);
static inline int shape_is_empty(const shape_t *shape) {
    int local_variable = shape->width == 0;
    return local_variable || shape->height == 0;
}
int old_style(a) int a; { return a; }
ZEXTERN int ZEXPORT prototype_macro OF((int argument));
unsigned after_the_body(void);

#if SHAPE_LIMIT > 8
struct either {
#else
struct either_small {
#endif
    int both_branches;
};
int behind_the_branches(void);

#ifdef __cplusplus
}
#endif
int at_the_end;
#endif
