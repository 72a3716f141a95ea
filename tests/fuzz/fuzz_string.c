/* fuzz_string.c - every operation on strings against a simple model of it: see string_model.h. */
#include "string_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    string_model_check(data, size);
    return 0;
}

#include "standalone.h"
