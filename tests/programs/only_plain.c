// The same as only_links.c without the library's functions: nothing of Burrow is linked in.
#include "only_what_is_there.h"

int main(void) {
    tell_what_is_there();
    return 0;
}
