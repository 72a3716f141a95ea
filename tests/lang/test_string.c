// Strings: every operation against a simple model (tests/fuzz/string_model.h), Unicode against what Go says
// (golden.go), UTF-8 against another decoder, panics word for word.
//
// modes: plain verify=1 poison=1,gcstress=200
// valgrind: yes
#include "support.h"

#include "../fuzz/string_model.h"
#include "lang/text.h"

#define GO_UNICODE 0x17eb51acd56420e2
#define GO_QUOTED_RUNES 0xca02032688322069

static void hash_bytes_of(uint64_t *hash, bw_string s) {
    for (ptrdiff_t i = 0; i < s.len; i++)
        *hash = (*hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    *hash = (*hash ^ '\n') * 0x100000001b3u;
}

#define IS(s, literal) assert_true(bw_str_eq((s), bw_str(literal)))

// --- making ---

static bw_string global = bw_str("static");
static const bw_string table[] = {BW_STR_INIT("one"), BW_STR_INIT("two\0x")};

static void test_making(void **state) {
    (void)state;
    IS(global, "static");
    assert_int_equal(table[1].len, 5);
    assert_int_equal(bw_len(bw_str("")), 0);
    IS(bw_str("a"
              "b"),
       "ab");
    char buffer[] = {'a', 0, 'b'};
    bw_string copy = bw_string_from(buffer, 3);
    buffer[0] = 'z';
    IS(copy, "a\0b");
    assert_int_equal(bw_at(copy, 2), 'b');
    IS(bw_string_of("text"), "text");
    IS(bw_string_of(NULL), "");
    IS(bw_string_from(NULL, 0), "");
    assert_null(bw_string_of("").ptr);
    assert_string_equal(bw_cstr(bw_str("c")), "c");
    assert_string_equal(bw_cstr((bw_string){NULL, 0}), "");
    bw_slice(uint8_t) bytes = bw_bytes(global);
    bw_at(bytes, 0) = 'S';
    IS(bw_string_of_bytes(bytes), "Static");
    IS(global, "static");
    bw_slice(bw_rune) runes = bw_runes(bw_str("aä\xff世"));
    assert_int_equal(bw_len(runes), 4);
    assert_int_equal(bw_at(runes, 2), 0xFFFD);
    bw_at(runes, 0) = 0xD800;
    IS(bw_string_of_runes(runes), "\xEF\xBF\xBDä\xEF\xBF\xBD世");
    IS(bw_string_of_rune(0x1F600), "😀");
    IS(bw_string_of_rune(-1), "\xEF\xBF\xBD");
    assert_int_equal(bw_len(bw_runes(bw_str(""))), 0);
    assert_int_equal(bw_len(bw_bytes(bw_str(""))), 0);
}

static int evaluations;
static const char *once(const char *text) {
    evaluations++;
    return text;
}

static void test_concat(void **state) {
    (void)state;
    char array[] = "array";
    const bw_string constant = bw_str("constant");
    IS(bw_concat("a"), "a");
    IS(bw_concat(""), "");
    assert_null(bw_concat("", bw_str(""), ((bw_string){NULL, 0})).ptr);
    IS(bw_concat(once("x"), global, array, constant, &array[4], (const char *)NULL), "xstaticarrayconstanty");
    assert_int_equal(evaluations, 1);
    IS(bw_concat(bw_concat("1", bw_concat(bw_str("2"), "3")), "4"), "1234");
    IS(bw_concat("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18",
                 "19", "20"),
       "1234567891011121314151617181920");
    bw_string sum = {NULL, 0};
    for (int i = 0; i < 1000; i++)
        sum = bw_concat(sum, "x");
    assert_int_equal(sum.len, 1000);
}

static void test_substrings(void **state) {
    (void)state;
    bw_string s = bw_string_of("hello, world");
    IS(bw_substr(s, 7, 12), "world");
    assert_ptr_equal(bw_substr(s, 7, 12).ptr, s.ptr + 7);
    assert_ptr_equal(bw_substr(s, 0, 12).ptr, s.ptr);
    // An empty one at the end must not hold the address of what comes behind.
    assert_null(bw_substr(s, 12, 12).ptr);
    bw_string after;
    assert_true(bw_str_cut(s, bw_str("world"), NULL, &after));
    assert_null(after.ptr);
    assert_null(bw_str_trim_prefix(s, s).ptr);
    assert_null(bw_str_trim_space(bw_string_of("  ")).ptr);
    bw_slice(bw_string) parts = bw_str_split(bw_string_of("a,"), bw_str(","));
    assert_int_equal(bw_len(parts), 2);
    assert_null(bw_at(parts, 1).ptr);
    IS(bw_substr((bw_string){NULL, 0}, 0, 0), "");
}

// --- UTF-8 ---

static void check_decoding(const char *bytes, ptrdiff_t n) {
    ptrdiff_t size, expected_size;
    uint32_t expected = model_decode(bytes, n, &expected_size);
    bw_rune r = bw_rune_decode((bw_string){bytes, n}, &size);
    CHECK(r == (bw_rune)expected && size == expected_size, "%02x %02x %02x %02x", (unsigned char)bytes[0],
          (unsigned char)bytes[1], (unsigned char)bytes[2], (unsigned char)bytes[3]);
}

static void test_utf8_decoding(void **state) {
    (void)state;
    char bytes[4] = {0};
    for (unsigned i = 0; i < 65536; i++) {
        bytes[0] = (char)i;
        bytes[1] = (char)(i >> 8);
        check_decoding(bytes, 1);
        check_decoding(bytes, 2);
    }
    struct random random = {check_seed = 11};
    for (size_t i = 0; i < effort(1000000); i++) {
        uint64_t bits = random_next(&random);
        memcpy(bytes, &bits, 4);
        // Mostly what is nearly valid.
        static const unsigned char first[] = {0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5};
        if (bits >> 62)
            bytes[0] = (char)first[bits >> 32 & 7];
        for (int j = 1; j < 4; j++)
            if (bits >> (40 + j) & 3)
                bytes[j] = (char)(0x80 | (bytes[j] & 0x3F));
        check_decoding(bytes, 3);
        check_decoding(bytes, 4);
    }
    ptrdiff_t size = 7;
    assert_int_equal(bw_rune_decode((bw_string){NULL, 0}, &size), 0xFFFD);
    assert_int_equal(size, 0);
    assert_int_equal(bw_rune_decode_last((bw_string){NULL, 0}, &size), 0xFFFD);
    assert_int_equal(size, 0);
    assert_int_equal(bw_rune_decode(bw_str("ä"), NULL), 0xE4);
    assert_int_equal(bw_rune_decode_last(bw_str("xä"), NULL), 0xE4);
}

static void test_every_character(void **state) {
    (void)state;
    for (int64_t c = -2; c <= 0x110001; c++) {
        bw_rune r = (bw_rune)c;
        char bytes[4], expected[4];
        int valid = c >= 0 ? model_encode(expected, (uint32_t)r) : 0, n = bw_rune_encode(bytes, r);
        CHECK(bw_rune_valid(r) == (valid > 0));
        CHECK(bw_rune_len(r) == (valid ? valid : -1));
        if (!valid)
            valid = model_encode(expected, 0xFFFD);
        CHECK(n == valid && memcmp(bytes, expected, (size_t)n) == 0);
        ptrdiff_t size;
        bw_string s = {bytes, n};
        CHECK(bw_rune_decode(s, &size) == (bw_rune_valid(r) ? r : BW_RUNE_ERROR) && size == n);
        CHECK(bw_rune_decode_last(s, &size) == (bw_rune_valid(r) ? r : BW_RUNE_ERROR) && size == n);
        CHECK(bw_str_valid(s) && bw_rune_count(s) == 1);
        // Less of it is as many errors as bytes.
        for (s.len = n - 1; s.len > 0; s.len--)
            CHECK(!bw_str_valid(s) && bw_rune_count(s) == s.len && bw_rune_decode(s, &size) == 0xFFFD && size == 1);
    }
}

static void test_range_over_runes(void **state) {
    (void)state;
    bw_string s = bw_str("aä\xff世\xe4\xb8");
    static const bw_rune runes[] = {'a', 0xE4, 0xFFFD, 0x4E16, 0xFFFD, 0xFFFD};
    static const ptrdiff_t places[] = {0, 1, 3, 4, 7, 8};
    int count = 0;
    bw_range_runes(i, r, s) {
        assert_int_equal(r, runes[count]);
        assert_int_equal(i, places[count]);
        count++;
        i = 100; // does not matter, as in Go
    }
    assert_int_equal(count, 6);
    count = 0;
    bw_range_runes(i, r, s) {
        if (r == 0xE4)
            continue;
        bw_range_runes(j, q, s) {
            if (j == 3)
                break;
            count += q == 0xE4;
        }
        if (i == 4)
            break;
        count += 10;
    }
    assert_int_equal(count, 23);
    evaluations = 0;
    bw_range_runes(i, r, bw_string_of(once("xy"))) count += 100;
    assert_int_equal(count, 223);
    assert_int_equal(evaluations, 1);
    bw_range_runes(i, r, (bw_string){NULL, 0}) fail();
}

static void test_unicode_as_go(void **state) {
    (void)state;
    uint64_t properties = 0xcbf29ce484222325u, quoted = properties;
    for (bw_rune r = 0; r <= 0x110000; r++) {
        int bits = bw_rune_is_letter(r) | bw_rune_is_digit(r) << 1 | bw_rune_is_upper(r) << 2 |
                   bw_rune_is_lower(r) << 3 | bw_rune_is_punct(r) << 4 | bw_rune_is_space(r) << 5 |
                   bw_rune_is_print(r) << 6;
        char line[80];
        int n = snprintf(line, sizeof line, "%d %d %d %d", bits, (int)bw_rune_to_upper(r), (int)bw_rune_to_lower(r),
                         (int)rune_fold_next(r));
        hash_bytes_of(&properties, (bw_string){line, n});
        if (!under_valgrind()) {
            hash_bytes_of(&quoted, bw_quote_rune(r));
            hash_bytes_of(&quoted, bw_quote_rune_ascii(r));
        }
    }
    assert_true(properties == GO_UNICODE);
    assert_true(quoted == GO_QUOTED_RUNES || under_valgrind());
    static const bw_rune outside[] = {-1, INT32_MIN, INT32_MAX, 0x110000};
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        bw_rune r = outside[i];
        assert_false(bw_rune_is_letter(r) || bw_rune_is_digit(r) || bw_rune_is_upper(r) || bw_rune_is_lower(r) ||
                     bw_rune_is_punct(r) || bw_rune_is_space(r) || bw_rune_is_print(r));
        assert_int_equal(bw_rune_to_upper(r), r);
        assert_int_equal(bw_rune_to_lower(r), r);
    }
}

// --- operations ---

static void test_known_answers(void **state) {
    (void)state;
    IS(bw_str_to_upper(bw_str("grüße ǆ")), "GRÜßE Ǆ");
    IS(bw_str_to_lower(bw_str("ÄÖÜ İ ΑΣ")), "äöü i ασ");
    IS(bw_str_to_lower(bw_str("a\xff")), "a\xEF\xBF\xBD");
    bw_string unchanged = bw_str("unchanged ä");
    assert_ptr_equal(bw_str_to_lower(unchanged).ptr, unchanged.ptr);
    assert_ptr_equal(bw_str_replace_all(unchanged, bw_str("x"), bw_str("y")).ptr, unchanged.ptr);
    assert_ptr_equal(bw_str_to_valid(unchanged, bw_str("?")).ptr, unchanged.ptr);
    assert_true(bw_str_equal_fold(bw_str("Straße ΣΑΣ K"), bw_str("STRAẞE σας \u212a")));
    assert_false(bw_str_equal_fold(bw_str("ß"), bw_str("SS")));
    assert_false(bw_str_equal_fold(bw_str("i"), bw_str("İ")));
    assert_true(bw_str_equal_fold(bw_str("\xff"), bw_str("\xEF\xBF\xBD")));
    assert_false(bw_str_equal_fold(bw_str("a"), bw_str("ab")));
    assert_false(bw_str_equal_fold(bw_str("ab"), bw_str("a")));
    IS(bw_str_replace(bw_str("oink oink oink"), bw_str("k"), bw_str("ky"), 2), "oinky oinky oink");
    IS(bw_str_replace(bw_str("aä"), bw_str(""), bw_str("-"), -1), "-a-ä-");
    IS(bw_str_to_valid(bw_str("a\xff\xff"
                              "b\xc3"),
                       bw_str("?")),
       "a?b?");
    IS(bw_str_trim(bw_str("¡¡¡Hello!!!"), bw_str("!¡")), "Hello");
    IS(bw_str_trim_space(bw_str(" \t\u00a0x\u3000\n")), "x");
    IS(bw_str_trim_suffix(bw_str("a.c.c"), bw_str(".c")), "a.c");
    IS(bw_str_trim_prefix(bw_str("abab"), bw_str("ab")), "ab");
    IS(bw_str_trim_prefix(bw_str("abab"), bw_str("b")), "abab");
    assert_int_equal(bw_str_index_rune(bw_str("chicken"), 'k'), 4);
    assert_int_equal(bw_str_index_rune(bw_str("aß\xffz"), 0xFFFD), 3);
    assert_int_equal(bw_str_index_rune(bw_str("a\xED\xA0\x80"), 0xD800), -1);
    assert_int_equal(bw_str_count(bw_str("cheese"), bw_str("e")), 3);
    assert_int_equal(bw_str_count(bw_str("fiveü"), bw_str("")), 6);
    assert_int_equal(bw_str_last_index(bw_str("go gopher"), bw_str("go")), 3);
    assert_int_equal(bw_len(bw_str_split(bw_str(""), bw_str(","))), 1);
    assert_int_equal(bw_len(bw_str_split(bw_str(""), bw_str(""))), 0);
    assert_null(bw_str_split_n(bw_str("a"), bw_str(","), 0).ptr);
    IS(bw_str_join((bw_slice(bw_string)){0}, bw_str(",")), "");
    IS(bw_str_repeat(bw_str("ab"), 0), "");
    bw_string large = bw_str_repeat(bw_str("0123456789abcde"), 100000);
    assert_int_equal(large.len, 1500000);
    for (ptrdiff_t i = 0; i < large.len; i += 997)
        assert_int_equal(large.ptr[i], "0123456789abcde"[i % 15]);
    bw_string both[2];
    assert_false(bw_str_cut(bw_str("key"), bw_str("="), &both[0], &both[1]));
    IS(both[0], "key");
    IS(both[1], "");
    assert_int_equal(bw_str_cmp(bw_str("a\0a"), bw_str("a\0b")), -1);
    assert_int_equal(bw_str_cmp(bw_str("\xff"), bw_str("a")), 1);
    assert_int_equal(bw_str_cmp((bw_string){NULL, 0}, bw_str("")), 0);
}

static void test_hash(void **state) {
    (void)state;
    bw_string s = bw_str("some string"), t = bw_string_of("some string");
    assert_true(bw_str_hash(s, 1) == bw_str_hash(t, 1));
    assert_true(bw_str_hash(s, 1) != bw_str_hash(s, 2));
    assert_true(bw_str_hash(s, 1) != bw_str_hash(bw_substr(s, 0, 10), 1));
    assert_true(bw_str_hash(bw_str(""), 1) == bw_str_hash((bw_string){NULL, 0}, 1));
    for (ptrdiff_t i = 0; i < 300; i++)
        bw_str_hash(bw_str_repeat(bw_str("x"), i), 3);
}

// Random bytes of few kinds, so that much is found and much is nearly valid.
static void test_against_model(void **state) {
    (void)state;
    static const char *const alphabets[] = {"ab", "a ,", "ab\n\xC3\xA4\xC3\x84",
                                            "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\xFF\xED\xA0", "aA\"'`\\nxu0"};
    struct random random = {check_seed = 23};
    for (size_t i = 0; i < effort(150000); i++) {
        uint8_t input[200];
        size_t size = 3 + random_below(&random, i % 16 ? 40 : sizeof input - 3);
        size_t which = random_below(&random, COUNT_OF(alphabets) + 1);
        for (size_t j = 0; j < size; j++)
            input[j] = which < COUNT_OF(alphabets)
                           ? (uint8_t)alphabets[which][random_below(&random, strlen(alphabets[which]))]
                           : (uint8_t)random_next(&random);
        input[0] = (uint8_t)random_below(&random, i % 4 ? 4 : 40);
        input[1] = (uint8_t)random_below(&random, 12);
        input[2] = (uint8_t)random_next(&random);
        string_model_check(input, size);
    }
}

// Needles of every shape, backwards: the algorithm has cases that random text does not reach.
static void test_periodic_needles(void **state) {
    (void)state;
    struct random random = {check_seed = 31};
    for (size_t i = 0; i < effort(100000); i++) {
        char text[400], needle[64];
        ptrdiff_t period = 1 + (ptrdiff_t)random_below(&random, 24), m = 17 + (ptrdiff_t)random_below(&random, 47);
        ptrdiff_t n = (ptrdiff_t)random_below(&random, sizeof text);
        for (ptrdiff_t j = 0; j < m; j++)
            needle[j] = j < period ? (char)('a' + random_below(&random, 2)) : needle[j - period];
        for (ptrdiff_t j = 0; j < n; j++)
            text[j] = needle[j % (random_below(&random, 8) ? m : period)];
        for (size_t change = random_below(&random, 4); change > 0; change--) {
            needle[random_below(&random, (size_t)m)] = (char)('a' + random_below(&random, 3));
            if (n > 0)
                text[random_below(&random, (size_t)n)] = (char)('a' + random_below(&random, 3));
        }
        if (n > m && i % 2)
            memcpy(text + random_below(&random, (size_t)(n - m)), needle, (size_t)m);
        bw_string s = {text, n}, sub = {needle, m};
        ptrdiff_t first = model_index(s, 0, sub), last = n - m;
        while (last >= 0 && !model_is_at(s, last, sub))
            last--;
        CHECK(bw_str_index(s, sub) == first);
        CHECK(bw_str_last_index(s, sub) == (last < 0 ? -1 : last), "text %.*s needle %.*s", (int)n, text, (int)m,
              needle);
    }
}

// Would take hours if any search were quadratic.
static void test_search_is_linear(void **state) {
    (void)state;
    ptrdiff_t n = (ptrdiff_t)effort(16 << 20), m = n / 4;
    bw_string as = bw_str_repeat(bw_str("a"), n), part = bw_substr(as, 0, m);
    bw_string before = bw_concat("b", part), after = bw_concat(part, "b"), within = bw_concat(part, "b", part);
    bw_string shapes[] = {before, after, within};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bw_str_index(as, shapes[i]), -1);
        assert_int_equal(bw_str_last_index(as, shapes[i]), -1);
    }
    assert_int_equal(bw_str_last_index(as, part), n - m);
    assert_int_equal(bw_str_count(as, bw_str_repeat(bw_str("a"), 1024)), n / 1024);
    assert_int_equal(bw_str_index_rune(as, 0x20AC), -1);
    bw_string wide = bw_str_repeat(bw_str("äöü€"), n / 64), narrow = bw_str_repeat(bw_str("ß世"), n / 64);
    assert_int_equal(bw_str_index_any(narrow, wide), -1);
    assert_int_equal(bw_str_trim(narrow, wide).len, narrow.len);
    assert_int_equal(bw_str_replace_all(as, bw_str("a"), bw_str("")).len, 0);
}

// --- builders ---

static void test_builder(void **state) {
    (void)state;
    bw_builder b = {0};
    IS(bw_builder_string(&b), "");
    for (int i = 0; i < 100000; i++)
        bw_builder_write_byte(&b, (char)('a' + i % 26));
    assert_int_equal(bw_builder_len(&b), 100000);
    bw_string s = bw_builder_string(&b);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(s.ptr[i], 'a' + i % 26);
    bw_builder_reset(&b);
    IS(bw_builder_string(&b), "");
    bw_builder_grow(&b, 1000);
    bw_builder_write_cstr(&b, "abc");
    bw_string shared = bw_builder_string(&b);
    bw_builder_write_cstr(&b, NULL);
    bw_builder_write_string(&b, (bw_string){NULL, 0});
    bw_builder_write_bytes(&b, bw_bytes(bw_str("def")));
    assert_ptr_equal(bw_builder_string(&b).ptr, shared.ptr); // there was room
    bw_builder copy = b;
    bw_builder_write_rune(&copy, 0x20AC);
    bw_builder_write_rune(&b, -5);
    IS(bw_builder_string(&copy), "abcdef€");
    IS(bw_builder_string(&b), "abcdef\xEF\xBF\xBD");
    IS(shared, "abc");
    bw_append_bool(&b, true);
    bw_append_quote(&b, bw_str("ä\n"));
    bw_append_quote_ascii(&b, bw_str("ä\n"));
    bw_append_quote_rune(&b, 0xE4);
    IS(bw_builder_string(&b), "abcdef\xEF\xBF\xBDtrue\"ä\\n\"\"\\u00e4\\n\"'ä'");
}

// --- the collector ---

static bw_string kept[100];

static void *make_parts(void *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) {
        bw_string number = bw_itoa(1000 + i), whole = bw_str_repeat(bw_concat("<", number, ">"), 1000);
        kept[i] = bw_substr(whole, 3000, 3006); // a pointer to its inside alone
    }
    return NULL;
}

static void test_parts_keep_the_whole(void **state) {
    (void)state;
    make_parts(NULL);
    collect_clean();
    for (int i = 0; i < 1000; i++)
        bw_str_repeat(bw_str("#"), 6000); // over what is free
    collect_clean();
    for (int i = 0; i < 100; i++)
        assert_true(bw_str_eq(kept[i], bw_concat("<", bw_itoa(1000 + i), ">")));
    memset(kept, 0, sizeof kept);
}

static void test_strings_are_not_searched(void **state) {
    (void)state;
    bw_string s = bw_string_of("some bytes");
    assert_true(bw_size(s.ptr) >= 10 && bw_size(s.ptr) <= 16);
    assert_ptr_equal(bw_base(s.ptr + 5), s.ptr);
    bw_string large = bw_str_repeat(s, 100000);
    assert_true(bw_size(large.ptr) >= 1000000);
}

// --- panics ---

static bw_string hello = BW_STR_INIT("hello");
static ptrdiff_t minus_one = -1, three = 3, two = 2, six = 6;
static void *volatile sink;

static void substr_high(void) {
    sink = bw_cstr(bw_substr(hello, 0, six));
}
static void substr_crossed(void) {
    sink = bw_cstr(bw_substr(hello, three, two));
}
static void substr_negative(void) {
    sink = bw_cstr(bw_substr(hello, 0, minus_one));
}
static void substr_negative_low(void) {
    sink = bw_cstr(bw_substr(hello, minus_one, 3));
}
static void index_high(void) {
    if (bw_at(hello, six))
        abort();
}
static void index_negative(void) {
    if (bw_at(hello, minus_one))
        abort();
}
static void repeat_negative(void) {
    bw_str_repeat(hello, minus_one);
}
static void repeat_overflow(void) {
    bw_str_repeat(hello, PTRDIFF_MAX);
}
static void join_overflow(void) {
    static bw_string parts[3];
    bw_str_join(bw_slice_from(bw_string, parts, 3), (bw_string){"", PTRDIFF_MAX});
}
static void grow_negative(void) {
    bw_builder b = {0};
    bw_builder_grow(&b, minus_one);
}
static void from_negative(void) {
    bw_string_from("", minus_one);
}

#define PANICS(X)                                                                                                      \
    X(substr_high, "runtime error: slice bounds out of range [:6] with length 5")                                      \
    X(substr_crossed, "runtime error: slice bounds out of range [3:2]")                                                \
    X(substr_negative, "runtime error: slice bounds out of range [:-1]")                                               \
    X(substr_negative_low, "runtime error: slice bounds out of range [-1:]")                                           \
    X(index_high, "runtime error: index out of range [6] with length 5")                                               \
    X(index_negative, "runtime error: index out of range [-1]")                                                        \
    X(repeat_negative, "strings: negative Repeat count")                                                               \
    X(repeat_overflow, "strings: Repeat output length overflow")                                                       \
    X(join_overflow, "strings: Join output length overflow")                                                           \
    X(grow_negative, "strings.Builder.Grow: negative count")                                                           \
    X(from_negative, "runtime error: makeslice: len out of range")

#define CHILD(name, message) {#name, name},
static const struct child children[] = {PANICS(CHILD)};

static void test_panics(void **state) {
    (void)state;
#define DIES(name, message) assert_died(#name, "panic: " message);
    PANICS(DIES)
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_substrings),
        cmocka_unit_test(test_utf8_decoding),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_range_over_runes),
        cmocka_unit_test(test_unicode_as_go),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_periodic_needles),
        cmocka_unit_test(test_search_is_linear),
        cmocka_unit_test(test_builder),
        cmocka_unit_test(test_parts_keep_the_whole),
        cmocka_unit_test(test_strings_are_not_searched),
        cmocka_unit_test(test_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
