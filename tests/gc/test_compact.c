// Compaction under the random graphs of test_shadow.c: several threads build, cut, free and read them while any of them
// compacts. What is moved must be as it was, and every reference to it must be right.
//
// valgrind: yes
#define COMPACT 1
#include "test_shadow.c"
