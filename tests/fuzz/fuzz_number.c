/* fuzz_number.c - numbers from and to text against a simple model of it: see number_model.h. */
#include "number_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    number_model_check(data, size);
    return 0;
}

#include "standalone.h"
