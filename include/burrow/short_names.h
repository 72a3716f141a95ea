/* burrow/short_names.h - Go's own words, when BURROW_SHORT_NAMES is defined before including burrow.h. Example:
 *
 *     #define BURROW_SHORT_NAMES
 *     #include <burrow.h>
 *
 *     BW_MAP(ages, bw_string, int);
 *
 *     int main(void) {
 *         ages m = make_map(ages);
 *         put(m, str("Ann")) = 31;
 *         slice(int) s = make_slice(int, 0, 4);
 *         s = append(s, 1, 2, get(m, str("Ann")));
 *         range(i, v, s)
 *             println(i, v);
 *         return len(s) == 3 ? 0 : 1;
 *     }
 *
 * All but new and make are macros with arguments, so that fields and variables of these names are left alone, as long
 * as no parenthesis follows them. Headers that are included afterwards see the macros: include burrow.h last.
 */
#ifndef BURROW_SHORT_NAMES_H
#define BURROW_SHORT_NAMES_H

#define new bw_new
#define make bw_make

#define slice(T) bw_slice(T)
#define make_slice(T, ...) bw_make_slice(T, __VA_ARGS__)
#define slice_of(T, ...) bw_slice_of(T, __VA_ARGS__)
#define append(s, ...) bw_append(s, __VA_ARGS__)
#define append_slice(s, t) bw_append_slice(s, t)
#define at(s, i) bw_at(s, i)
#define sub(s, ...) bw_sub(s, __VA_ARGS__)
#define copy(dst, src) bw_copy(dst, src)
#define len(x) bw_len(x)
#define cap(s) bw_cap(s)
#define range(i, v, s) bw_range(i, v, s)

#define make_map(...) bw_make_map(__VA_ARGS__)
#define put(m, k) bw_put(m, k)
#define get(m, k) bw_get(m, k)
#define lookup(m, k, v) bw_lookup(m, k, v)
/* clang-format off */
#define delete(m, k) bw_delete(m, k)
/* clang-format on */
#define map_range(k, v, m) bw_map_range(k, v, m)

#define str(literal) bw_str(literal)
#define println(...) bw_println(__VA_ARGS__)
#define errorf(...) bw_errorf(__VA_ARGS__)

#define defer(...) bw_defer(__VA_ARGS__)
#define panic(v) bw_panic(v)
#define protect(...) bw_protect(__VA_ARGS__)

#define go(...) bw_go(__VA_ARGS__)
#define chan(T) bw_chan(T)
#define make_chan(T, n) bw_make_chan(T, n)

/* Not the words of sync and atomic (lock, wait, add, load): every program has such functions of its own. */
#define make_sync_map(M) bw_make_sync_map(M)
#define sync_map_range(k, v, m) bw_sync_map_range(k, v, m)
#define waitgroup_go(group, ...) bw_waitgroup_go(group, __VA_ARGS__)

/* Not sleep, which takes seconds, nor listen: there are functions of these names. */
#define after(ns) bw_after(ns)
#define after_func(ns, ...) bw_after_func(ns, __VA_ARGS__)
#define new_timer(ns) bw_new_timer(ns)
#define new_ticker(ns) bw_new_ticker(ns)
#define dial(network, address, err) bw_dial(network, address, err)
#define dial_timeout(network, address, ns, err) bw_dial_timeout(network, address, ns, err)
#define with_cancel(parent, cancel) bw_with_cancel(parent, cancel)
#define with_deadline(parent, when, cancel) bw_with_deadline(parent, when, cancel)
#define with_timeout(parent, ns, cancel) bw_with_timeout(parent, ns, cancel)
#define with_value(parent, key, value) bw_with_value(parent, key, value)

#endif
